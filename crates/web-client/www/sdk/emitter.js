/**
 * A small typed event source. Not an `EventTarget`: a listener gets the value itself, and the type checker
 * knows it.
 * @module
 */

/** @template {Record<string, any>} Events */
export class Emitter {
  /** @type {Map<keyof Events, Set<(value: any) => void>>} */
  #listeners = new Map();

  /**
   * Calls `listener` on every event of that name until the returned function is called.
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(value: Events[Name]) => void} listener
   * @returns {() => void}
   */
  on(name, listener) {
    const listeners = this.#listeners.get(name) ?? new Set();
    listeners.add(listener);
    this.#listeners.set(name, listeners);
    return () => listeners.delete(listener);
  }

  /**
   * A listener that throws is its author's to mend: it is told where the page's other faults are, and
   * whoever emitted goes on, as do the other listeners.
   * @protected
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {Events[Name]} value
   */
  emit(name, value) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(value);
      } catch (error) {
        report(error);
      }
    }
  }

  /** @protected Forgets every listener. */
  silence() {
    this.#listeners.clear();
  }
}

/**
 * Browsers have a place for errors that nobody catches; elsewhere there is the console.
 * @param {unknown} error
 */
export function report(error) {
  if ("reportError" in globalThis) reportError(error);
  else console.error(error);
}
