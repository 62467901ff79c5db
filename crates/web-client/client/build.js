/**
 * Makes the package out of the SDK as the server serves it: the modules unchanged, and their types.
 */

import { execFileSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";

const here = import.meta.dirname;
const dist = join(here, "dist");

rmSync(dist, { recursive: true, force: true });
cpSync(join(here, "../www/sdk"), dist, { recursive: true });
const tsc = join(here, "../node_modules/typescript/bin/tsc");
execFileSync(process.execPath, [tsc, "--project", join(here, "tsconfig.json")], { stdio: "inherit" });
