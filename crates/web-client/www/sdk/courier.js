/**
 * Carries one session's payloads to the partner and back: sealed, in numbered frames, each once and in order.
 * Frames are kept as they were sent, so that a connection that broke can be made up for without sealing
 * anything a second time.
 * @module
 */

import { fromBase64url, isSame, toBase64url } from "./bytes.js";
import { Emitter } from "./emitter.js";
import { inbox_messages_max, kept_frames_max, link_secret_bytes, session_bytes } from "./limits.js";
import { SealError, Sealing } from "./sealing.js";
import { signs } from "./string.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./sealing.js").Role} Role */
/** @typedef {import("./string.js").Sign} Sign */
/** @typedef {{ n: number, body: string }} Frame */
/**
 * `frame` is to be sent, `body` was opened; `signs` come once, with the first one. `failed` is the last
 * event: nothing can be carried any more, for a reason that is meant for a person.
 * @typedef {{
 *   frame: Frame, body: Record<string, unknown>, signs: Sign[], failed: string,
 * }} Events
 */

/** @extends {Emitter<Events>} */
export class Courier extends Emitter {
  #role;
  #sealing;
  #hasLinkSecret;
  /** What was sent, oldest first. @type {Frame[]} */
  #kept = [];
  #sent = 0;
  #received = 0;
  /** Waits for keys. @type {object[]} */
  #early = [];
  /** Everything is done one after the other: counters follow the order. */
  #work = Promise.resolve();
  #waiting = 0;
  #hasSigns = false;
  /** There is no connection: frames are kept only. */
  #paused = false;
  #closed = false;

  /**
   * Call {@link start} once the listeners are in place. Throws a {@link SealError} where the server names no
   * session.
   * @param {{ session: string, role: Role }} matched
   * @param {Bytes | null} linkSecret what the invite link holds, if both came by one
   */
  constructor({ session, role }, linkSecret) {
    super();
    const id = fromBase64url(session);
    if (id?.length !== session_bytes) throw new SealError("the server names no session");
    this.#role = role;
    this.#hasLinkSecret = linkSecret !== null;
    this.#sealing = new Sealing(role, id, linkSecret ?? undefined);
  }

  /** The caller begins the exchange of keys; the callee waits for it. */
  start() {
    if (this.#role === "caller") this.#do(async () => this.#post(await this.#sealing.begin()));
  }

  /**
   * Seals and sends, in the order of the calls; before there are keys, as soon as there are.
   * @param {object} body
   */
  send(body) {
    this.#do(async () => {
      if (this.#sealing.isReady) await this.#sealAndPost(body);
      else this.#early.push(body);
    });
  }

  /** Takes a frame from the server. @param {Frame} frame */
  receive({ n, body }) {
    // After a resume the server may send again what had arrived: dropped before it is opened.
    if (this.#closed || n <= this.#received) return;
    if (n !== this.#received + 1) return this.#fail("a message is missing");
    if (this.#waiting >= inbox_messages_max) return this.#fail("the partner sent too much at once");
    this.#received = n;
    this.#waiting += 1;
    this.#do(async () => {
      this.#waiting -= 1;
      await this.#open(body);
    });
  }

  /** How many frames have arrived; told to the server when a lost connection is made again. */
  get received() {
    return this.#received;
  }

  /** Do the keys hold an invite link's secret, so that whoever opens anything has it too? */
  get hasLinkSecret() {
    return this.#hasLinkSecret;
  }

  /** The connection is lost: nothing is sent until {@link resume}. */
  pause() {
    this.#paused = true;
  }

  /**
   * Goes on, and sends again, byte for byte, what the server has not got.
   * @param {number} got the last one it has
   */
  resume(got) {
    this.#do(async () => {
      const missing = this.#kept.filter(({ n }) => n > got);
      if (got > this.#sent || missing.length !== this.#sent - got) {
        throw new SealError("a message is missing");
      }
      this.#paused = false;
      for (const frame of missing) this.emit("frame", frame);
    });
  }

  /** What this side shows the partner over the data channel. */
  async proof() {
    return toBase64url(await this.#sealing.proofOf(this.#role));
  }

  /** Is this what the partner has to show? @param {unknown} text */
  async isPartnersProof(text) {
    const shown = fromBase64url(text);
    const expected = await this.#sealing.proofOf(this.#role === "caller" ? "callee" : "caller");
    return shown !== null && isSame(shown, expected);
  }

  close() {
    this.#closed = true;
    this.#kept = [];
    this.silence();
  }

  /** @param {string} text */
  async #open(text) {
    const bytes = fromBase64url(text);
    if (bytes === null) throw new SealError("a message is malformed");
    const { send, body } = await this.#sealing.receive(bytes);
    if (send) this.#post(send);
    if (this.#sealing.isReady) for (const early of this.#early.splice(0)) await this.#sealAndPost(early);
    if (this.#sealing.sas && !this.#hasSigns) {
      this.#hasSigns = true;
      this.emit("signs", signs(this.#sealing.sas));
    }
    if (body) this.emit("body", body);
  }

  /** @param {object} body */
  async #sealAndPost(body) {
    this.#post(await this.#sealing.seal(body));
  }

  /** @param {Bytes} bytes */
  #post(bytes) {
    if (this.#closed) return;
    const frame = { n: ++this.#sent, body: toBase64url(bytes) };
    this.#kept.push(frame);
    if (this.#kept.length > kept_frames_max) this.#kept.shift();
    if (!this.#paused) this.emit("frame", frame);
  }

  /** @param {() => Promise<void>} task */
  #do(task) {
    this.#work = this.#work.then(async () => {
      if (this.#closed) return;
      try {
        await task();
      } catch (error) {
        this.#fail(error instanceof SealError ? error.message : "the browser refused to seal");
      }
    });
  }

  /** @param {string} text */
  #fail(text) {
    if (this.#closed) return;
    this.emit("failed", text);
    this.close();
  }
}

/**
 * The two parts of an invitation, `CODE.SECRET`; without a secret the server could sit between. `null` where
 * it is none.
 * @param {string} text
 * @returns {{ code: string, secret: Bytes | null } | null}
 */
export function parseInvitation(text) {
  const [, code, dot, encoded] = /^([\w-]{16,128})(\.([\w-]+))?$/.exec(text) ?? [];
  if (code === undefined) return null;
  if (dot === undefined) return { code, secret: null };
  const secret = fromBase64url(encoded);
  return secret?.length === link_secret_bytes ? { code, secret } : null;
}
