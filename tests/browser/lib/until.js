/**
 * Waits for a condition, with a deadline. Tests wait for nothing else.
 */

/**
 * The first truthy value of `probe`, which is asked again and again. A probe that throws has simply not
 * succeeded yet.
 * @template T
 * @param {string} what for the message if it never comes true
 * @param {() => T | Promise<T>} probe
 * @param {number} [ms_max]
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(what, probe, ms_max = PATIENCE_MS) {
  const end_ms = performance.now() + ms_max;
  let last;
  while (performance.now() < end_ms) {
    try {
      const value = await probe();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    await new Promise((resolve) => setTimeout(resolve, PROBE_MS));
  }
  const seen = last instanceof Error ? last.message : JSON.stringify(last);
  throw new Error(`not within ${ms_max} ms: ${what}; the last look gave ${seen}`);
}

/** How long anything may take: a machine may be busy, and a browser needs a lot of it. */
export const PATIENCE_MS = 90_000;

const PROBE_MS = 100;
