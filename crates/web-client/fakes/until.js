/**
 * Waits for a condition, with a deadline.
 */

import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";

/** Waits until it is true; it is asked between all that happens. */
export async function until(condition, ms_max = 10_000) {
  const end_ms = performance.now() + ms_max;
  while (!condition()) {
    assert.ok(performance.now() < end_ms, `not in time: ${condition}`);
    await setImmediate();
  }
}
