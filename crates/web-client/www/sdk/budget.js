/**
 * So much at once, and so much a second: both sides of a data channel count what is said by it.
 * @module
 */

export class Budget {
  #left;
  #burst;
  #per_s;
  #at_ms = performance.now();

  /** @param {number} burst at once @param {number} per_s how fast that grows back */
  constructor(burst, per_s) {
    this.#left = burst;
    this.#burst = burst;
    this.#per_s = per_s;
  }

  /** Is there anything left? */
  has() {
    const now_ms = performance.now();
    this.#left = Math.min(this.#burst, this.#left + ((now_ms - this.#at_ms) / 1_000) * this.#per_s);
    this.#at_ms = now_ms;
    return this.#left >= 1;
  }

  /** Takes one, if there is one. */
  take() {
    if (!this.has()) return false;
    this.#left -= 1;
    return true;
  }
}
