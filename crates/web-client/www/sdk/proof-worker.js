/**
 * The search in a thread of its own.
 * @module
 */

import { work_slice_tries } from "./limits.js";
import { search, work } from "./proof.js";

work(search, work_slice_tries);
