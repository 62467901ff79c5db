/**
 * The search for a proof of work: a nonce with which the hash of a server's seed begins with so many zero
 * bits. Whoever calls it sees to it that nobody waits. FIPS 180-4 (SHA-256), which WebCrypto has too, but
 * only one promise at a time: here a hash costs less than a promise does.
 * @module
 */

/** @typedef {{ seed: string, bits: number }} Task */
/**
 * Tries `count` nonces, which are numbers in decimal; `null` if it is none of these.
 * @typedef {(task: Task, first: number, count: number) => string | null} Search
 */
/**
 * What a worker says: that it is there, how far it is, and in the end the nonce.
 * @typedef {{ tried: number } | { nonce: string }} Report
 */

/**
 * Makes the search. It uses nothing from outside itself, so that its text alone can be a worker's.
 * @returns {Search}
 */
export function makeSearch() {
  const INITIAL = fractions(8, 2);
  const CONSTANTS = fractions(64, 3);
  const state = new Int32Array(8);
  const schedule = new Int32Array(64);

  return ({ seed, bits }, first, count) => {
    const prefix = new TextEncoder().encode(`${seed}.`);
    let message = new DataView(new ArrayBuffer(0));
    let digits = 0;
    for (let number = first; number < first + count; number += 1) {
      const nonce = String(number);
      if (nonce.length !== digits) {
        digits = nonce.length;
        message = padded(prefix, digits);
      }
      for (let at = 0; at < digits; at += 1) message.setUint8(prefix.length + at, nonce.charCodeAt(at));
      if (Math.clz32(firstWord(message)) >= bits) return nonce;
    }
    return null;
  };

  /**
   * The blocks that are hashed, with room for so many digits behind the prefix.
   * @param {Uint8Array} prefix
   * @param {number} digits
   */
  function padded(prefix, digits) {
    const length = prefix.length + digits;
    const bytes = new Uint8Array((((length + 8) >> 6) + 1) << 6);
    bytes.set(prefix);
    bytes[length] = 0x80;
    const message = new DataView(bytes.buffer);
    message.setUint32(bytes.length - 4, length * 8);
    return message;
  }

  /** The first 32 bits of the SHA-256. @param {DataView} message padded */
  function firstWord(message) {
    state.set(INITIAL);
    for (let block = 0; block < message.byteLength; block += 64) compress(message, block);
    return state[0];
  }

  /**
   * Takes one block into the state.
   * @param {DataView} message
   * @param {number} block where it begins
   */
  function compress(message, block) {
    for (let at = 0; at < 16; at += 1) schedule[at] = message.getInt32(block + at * 4);
    for (let at = 16; at < 64; at += 1) {
      const early = schedule[at - 15];
      const late = schedule[at - 2];
      const s0 = rotated(early, 7) ^ rotated(early, 18) ^ (early >>> 3);
      const s1 = rotated(late, 17) ^ rotated(late, 19) ^ (late >>> 10);
      schedule[at] = schedule[at - 16] + s0 + schedule[at - 7] + s1;
    }
    let a = state[0];
    let b = state[1];
    let c = state[2];
    let d = state[3];
    let e = state[4];
    let f = state[5];
    let g = state[6];
    let h = state[7];
    for (let at = 0; at < 64; at += 1) {
      const s1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
      const one = (h + s1 + ((e & f) ^ (~e & g)) + CONSTANTS[at] + schedule[at]) | 0;
      const s0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
      const two = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + one) | 0;
      d = c;
      c = b;
      b = a;
      a = (one + two) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }

  /** @param {number} word @param {number} bits */
  function rotated(word, bits) {
    return (word >>> bits) | (word << (32 - bits));
  }

  /**
   * The first 32 bits behind the point of a root of each of the first primes.
   * @param {number} count
   * @param {number} degree
   */
  function fractions(count, degree) {
    const found = [];
    for (let number = 2; found.length < count; number += 1) {
      let divisor = 2;
      while (divisor * divisor <= number && number % divisor !== 0) divisor += 1;
      if (divisor * divisor > number) found.push(((number ** (1 / degree)) % 1) * 2 ** 32);
    }
    return Int32Array.from(found, (value) => value | 0);
  }
}

/**
 * What a worker does: it gets a task once, and reports every `slice` tries. It uses nothing from outside
 * itself either.
 * @param {Search} search
 * @param {number} slice
 */
export function work(search, slice) {
  /** @param {Report} report */
  const say = (report) => postMessage(report);
  addEventListener("message", ({ data }) => {
    for (let tried = 0; ; tried += slice) {
      say({ tried });
      const nonce = search(data, tried, slice);
      if (nonce !== null) return say({ nonce });
    }
  });
}

/** The search, for whoever is here already. */
export const search = makeSearch();
