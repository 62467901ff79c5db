/**
 * One session's sealing: the exchange of keys, then sealed messages, each in its turn. Any step out of order
 * and any message that does not open is the end; nothing is repaired or skipped. It knows bytes, not frames:
 * `courier.js` carries them. NIST SP 800-38D (AES-GCM).
 * @module
 */

import { concat, isSame, utf8 } from "./bytes.js";
import * as handshake from "./handshake.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./handshake.js").OwnShare} OwnShare */
/** @typedef {import("./handshake.js").Share} Share */
/** @typedef {"caller" | "callee"} Role */
/**
 * `send` goes to the partner as it is; `body` is what the partner sealed, if it was a sealed message.
 * @typedef {{ send: Bytes | null, body: Record<string, unknown> | null }} Step
 */

/** The sealing was broken, or cannot go on. `message` is for a person. */
export class SealError extends Error {}

export class Sealing {
  #role;
  #session;
  #linkSecret;
  /** @type {Promise<OwnShare>} */
  #own;
  /** What is awaited next. @type {"begin" | "commit" | "key" | "sealed" | "nothing"} */
  #awaits;
  /** @type {Bytes} */
  #commit = new Uint8Array();
  /** @type {Direction | null} */
  #out = null;
  /** @type {Direction | null} */
  #in = null;
  /** @type {Bytes} */
  #sas = new Uint8Array();
  /** @type {CryptoKey | null} */
  #bind = null;

  /**
   * @param {Role} role
   * @param {Bytes} session the session's 16 bytes
   * @param {Bytes} [linkSecret] 16 bytes, where both came by an invite link
   * @param {Promise<OwnShare>} [own] fresh by default; anything else is for test vectors
   */
  constructor(role, session, linkSecret = new Uint8Array(), own = handshake.makeShare()) {
    this.#role = role;
    this.#session = session;
    this.#linkSecret = linkSecret;
    this.#own = own;
    this.#awaits = role === "caller" ? "begin" : "commit";
    // Whoever awaits the share hears of its failure; a session that ends before does not.
    own.catch(() => {});
  }

  /** The caller's first message. @returns {Promise<Bytes>} */
  async begin() {
    if (this.#awaits !== "begin") throw new SealError("it was begun twice");
    this.#awaits = "key";
    this.#commit = await handshake.commitTo(this.#session, await this.#own);
    return this.#commit;
  }

  /**
   * Takes the partner's next message. Wait for the result before giving it another one.
   * @param {Bytes} bytes
   * @returns {Promise<Step>}
   */
  async receive(bytes) {
    const awaited = this.#awaits;
    try {
      if (awaited === "commit") return { send: await this.#acceptCommit(bytes), body: null };
      if (awaited === "key") return { send: await this.#acceptKey(bytes), body: null };
      if (awaited === "sealed" && this.#in) return { send: null, body: await this.#in.open(bytes) };
    } catch (error) {
      this.#awaits = "nothing";
      throw error instanceof SealError ? error : new SealError("the browser refused a key");
    }
    throw new SealError("a message came out of order");
  }

  /**
   * Seals a message, once: what comes out is kept for sending it again, never sealed anew.
   * @param {object} body
   * @returns {Promise<Bytes>}
   */
  async seal(body) {
    if (this.#out === null) throw new SealError("there are no keys yet");
    return await this.#out.seal(body);
  }

  /** Have keys been agreed on? A message may be sealed then. */
  get isReady() {
    return this.#out !== null;
  }

  /** The 3 bytes of the short authentication string; `null` before a sealed message was opened. */
  get sas() {
    return this.#in?.hasOpened ? this.#sas : null;
  }

  /**
   * What a side shows over the data channel: that the keys of its call are those of this sealing.
   * @param {Role} role
   * @returns {Promise<Bytes>}
   */
  async proofOf(role) {
    if (this.#bind === null) throw new SealError("there are no keys yet");
    return new Uint8Array(await crypto.subtle.sign("HMAC", this.#bind, utf8(role)));
  }

  /** @param {Bytes} bytes */
  async #acceptCommit(bytes) {
    if (bytes.length !== handshake.hash_bytes) throw new SealError("a message came out of order");
    this.#commit = bytes;
    this.#awaits = "key";
    return shareBytes(await this.#own);
  }

  /** @param {Bytes} bytes */
  async #acceptKey(bytes) {
    const partner = parseShare(bytes);
    const own = await this.#own;
    const [caller, callee] = this.#role === "caller" ? [own, partner] : [partner, own];
    const commit = await handshake.commitTo(this.#session, caller);
    if (!isSame(commit, this.#commit)) throw new SealError("a key is not the one that was promised");
    const transcript = { session: this.#session, commit, caller, callee };
    const secrets = await handshake.deriveSecrets(
      own.privateKey,
      partner.publicKey,
      transcript,
      this.#linkSecret,
    );
    const [out, into] =
      this.#role === "caller" ? /** @type {const} */ (["r2e", "e2r"]) : /** @type {const} */ (["e2r", "r2e"]);
    this.#in = await Direction.with(into, this.#session, secrets[into]);
    this.#bind = await crypto.subtle.importKey("raw", secrets.bind, HMAC, false, ["sign"]);
    this.#sas = secrets.sas;
    this.#out = await Direction.with(out, this.#session, secrets[out]);
    for (const secret of [secrets.r2e, secrets.e2r, secrets.bind]) secret.fill(0);
    this.#awaits = "sealed";
    return this.#role === "caller" ? shareBytes(own) : null;
  }
}

/** One direction's key and counter. A counter is used once, and the next one only. */
class Direction {
  #label;
  #session;
  #key;
  /** Of the last message. */
  #counter = 0;

  /** @param {string} label @param {Bytes} session @param {CryptoKey} key */
  constructor(label, session, key) {
    this.#label = utf8(label);
    this.#session = session;
    this.#key = key;
  }

  /** @param {string} label @param {Bytes} session @param {Bytes} key */
  static async with(label, session, key) {
    const imported = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt", "decrypt"]);
    return new Direction(label, session, imported);
  }

  get hasOpened() {
    return this.#counter > 0;
  }

  /** @param {object} body */
  async seal(body) {
    const plain = pad(utf8(JSON.stringify(body)));
    const counter = counterBytes(++this.#counter);
    const sealed = await crypto.subtle.encrypt(this.#cipher(counter), this.#key, plain);
    return concat(counter, new Uint8Array(sealed));
  }

  /** @param {Bytes} bytes @returns {Promise<Record<string, unknown>>} */
  async open(bytes) {
    if (!SIZES.includes(bytes.length - counter_bytes - tag_bytes)) {
      throw new SealError("a message came out of order");
    }
    const counter = counterBytes(this.#counter + 1);
    if (!isSame(bytes.slice(0, counter_bytes), counter)) {
      throw new SealError("a message is missing, or came twice");
    }
    let plain;
    try {
      plain = await crypto.subtle.decrypt(this.#cipher(counter), this.#key, bytes.slice(counter_bytes));
    } catch {
      throw new SealError("a message was altered on its way, or is not your partner's");
    }
    this.#counter += 1;
    return parseBody(unpad(new Uint8Array(plain)));
  }

  /** @param {Bytes} counter */
  #cipher(counter) {
    return {
      name: "AES-GCM",
      iv: concat(new Uint8Array(4), counter),
      additionalData: concat(this.#session, this.#label, counter),
    };
  }
}

/** @param {Share} share */
function shareBytes({ publicKey, nonce }) {
  return concat(publicKey, nonce);
}

/** @param {Bytes} bytes @returns {Share} */
function parseShare(bytes) {
  // 4: the point is written out whole. Whether it lies on the curve is checked where it is used.
  if (bytes.length !== handshake.public_key_bytes + handshake.nonce_bytes || bytes[0] !== 4) {
    throw new SealError("a message came out of order");
  }
  return {
    publicKey: bytes.slice(0, handshake.public_key_bytes),
    nonce: bytes.slice(handshake.public_key_bytes),
  };
}

/**
 * One of three sizes, so that they tell little.
 * @param {Bytes} text
 * @returns {Bytes}
 */
function pad(text) {
  const size = SIZES.find((size) => text.length + length_bytes <= size);
  if (size === undefined) throw new SealError("a message is too large to be sealed");
  const padded = new Uint8Array(size);
  new DataView(padded.buffer).setUint16(0, text.length);
  padded.set(text, length_bytes);
  return padded;
}

/** @param {Bytes} padded @returns {Bytes} */
function unpad(padded) {
  const end = length_bytes + new DataView(padded.buffer).getUint16(0);
  if (end > padded.length || padded.subarray(end).some((byte) => byte !== 0)) {
    throw new SealError("a message is malformed");
  }
  return padded.slice(length_bytes, end);
}

/** @param {Bytes} text @returns {Record<string, unknown>} */
function parseBody(text) {
  try {
    const body = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text));
    if (typeof body === "object" && body !== null && !Array.isArray(body)) return body;
  } catch {
    // Not UTF-8, or not JSON.
  }
  throw new SealError("a message is malformed");
}

/** @param {number} counter @returns {Bytes} */
function counterBytes(counter) {
  const bytes = new Uint8Array(counter_bytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(counter));
  return bytes;
}

const SIZES = [1_024, 8_192, 16_384];
const length_bytes = 2;
const counter_bytes = 8;
const tag_bytes = 16;
const HMAC = { name: "HMAC", hash: "SHA-256" };
