/**
 * The connection to the server: one wire at a time, greeted, and opened again with growing pauses when it is
 * lost. It knows messages, not sessions.
 * @module
 */

import { Emitter, report } from "./emitter.js";
import * as limits from "./limits.js";
import { parseServerMessage } from "./protocol.js";
import { solve } from "./solver.js";
import { openWire, usableKinds } from "./wire.js";

/** @typedef {import("./protocol.js").ServerMessage} ServerMessage */
/** @typedef {import("./protocol.js").ClientMessage} ClientMessage */
/** @typedef {import("./protocol.js").Challenge} Challenge */
/** @typedef {import("./protocol.js").Proof} Proof */
/** @typedef {import("./wire.js").Kind} Kind */
/**
 * `open`: greeted, messages may be sent. `lost`: there is no connection, and none will be tried for
 * `retry_ms`, which is `Infinity` where the server has said that it will not let us in, or where no transport
 * can be used here; `attempts` have failed before this one, none if it had been greeted. `work`: a proof of
 * work is being looked for; `share` is how likely it was to be found by now.
 * @typedef {{
 *   open: import("./protocol.js").Welcome, lost: { retry_ms: number, attempts: number },
 *   work: { bits: number, share: number }, message: ServerMessage,
 * }} Events
 */

/** @extends {Emitter<Events>} */
export class Signaling extends Emitter {
  /** @type {URL} */
  #url;
  #resume;
  #token;
  /** What may carry the connection, the best first. @type {Kind[]} */
  #kinds;
  /** What has not been tried since the last pause. @type {Kind[]} */
  #untried = [];
  /** @type {import("./wire.js").Wire | null} */
  #wire = null;
  /**
   * What a greeting on another one is to replace; not a word is said on it.
   * @type {import("./wire.js").Wire | null}
   */
  #former = null;
  #greeted = false;
  #closed = false;
  #attempts = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** Ends the work for the connection that asked for it. */
  #work = new AbortController();

  /**
   * @param {URL} url the server's `/signal`, as an http: or https: URL
   * @param {Kind[]} kinds what may carry the connection, in the order in which to try
   * @param {() => import("./protocol.js").Resume | undefined} resume what to come back with, if anything
   * @param {string | (() => string)} token of admission; empty where there is none
   */
  constructor(url, kinds, resume, token) {
    super();
    this.#url = url;
    this.#kinds = usableKinds(kinds, url);
    this.#resume = resume;
    this.#token = token;
  }

  /** Connects now, whatever pause was running. Does nothing while connected. */
  connect() {
    if (this.#wire !== null || this.#closed) return;
    this.#untried = [...this.#kinds];
    this.#try();
  }

  /**
   * Sends a message.
   * @param {ClientMessage} message
   * @returns {boolean} false where there is no greeted connection or the message is too large: it was not
   * sent
   */
  send(message) {
    return this.#greeted && this.#write(message);
  }

  /** Closes for good. */
  close() {
    this.#closed = true;
    this.silence();
    this.#dropFormer();
    this.#drop();
  }

  get isOpen() {
    return this.#greeted;
  }

  /**
   * Says goodbye on this connection; the next one is tried after a pause.
   * @param {number} pause_ms at least
   */
  renew(pause_ms) {
    if (this.#wire !== null) this.#lose(pause_ms);
  }

  /**
   * Lets another connection take this one's place, after a pause. Closing this one would be a goodbye, which
   * ends every session: it is left alone until the server knows us on the other.
   * @param {number} pause_ms at least
   */
  replace(pause_ms) {
    if (!this.#greeted) return;
    this.#former = this.#wire;
    this.#wire = null;
    this.#lose(pause_ms);
  }

  /** @param {Proof} [proof] @returns {ClientMessage} */
  #hello(proof) {
    const [resume, token] = [this.#resume(), admission(this.#token)];
    return {
      t: "hello",
      v: 1,
      ...(resume ? { resume } : {}),
      ...(token ? { token } : {}),
      ...(proof ? { proof } : {}),
    };
  }

  /** Opens the next of what has not been tried. */
  #try() {
    clearTimeout(this.#timer);
    const [kind, ...untried] = this.#untried;
    if (kind === undefined) {
      // Where there is nothing to try there will be nothing.
      this.#lose(this.#kinds.length === 0 ? Infinity : 0);
      return;
    }
    this.#untried = untried;
    const wire = openWire(kind, this.#url, {
      opened: () => this.#wire === wire && this.#write(this.#hello()),
      text: (text) => this.#wire === wire && this.#receive(kind, text),
      closed: () => this.#wire === wire && this.#fail(kind),
    });
    this.#wire = wire;
    this.#timer = setTimeout(() => this.#fail(kind), limits.greeting_ms_max);
  }

  /** What was tried, or used, is gone: the next one, or a pause. @param {Kind} kind */
  #fail(kind) {
    if (this.#greeted) {
      this.#lose();
      return;
    }
    // Browsers put off a WebTransport session after one that failed: it is not tried again beside another.
    if (kind === "webtransport" && this.#kinds.length > 1) {
      this.#kinds = this.#kinds.filter((other) => other !== kind);
    }
    this.#drop();
    this.#try();
  }

  /** @param {ClientMessage} message */
  #write(message) {
    const text = JSON.stringify(message);
    if (new TextEncoder().encode(text).length > limits.frame_bytes_max) return false;
    return this.#wire?.send(text) ?? false;
  }

  /** @param {Kind} kind @param {string} text */
  #receive(kind, text) {
    const message = parseServerMessage(text);
    if (message === null) return;
    if (!this.#greeted && message.t === "welcome") {
      clearTimeout(this.#timer);
      this.#greeted = true;
      this.#attempts = 0;
      this.#dropFormer();
      // What works is tried first from now on.
      this.#kinds = [kind, ...this.#kinds.filter((other) => other !== kind)];
      this.emit("open", message);
      return;
    }
    if (message.t === "challenge") void this.#answer(message, kind);
    // A proof that came too late is followed by another challenge.
    else if (this.#greeted || message.t !== "error" || message.fatal) this.emit("message", message);
    if (message.t !== "error" || !message.fatal) return;
    this.#lose(REFUSALS.has(message.code) ? Infinity : message.retry_ms);
  }

  /** @param {Challenge} challenge @param {Kind} kind */
  async #answer({ seed, bits }, kind) {
    const wire = this.#wire;
    if (this.#greeted || bits > limits.work_bits_max) return this.#fail(kind);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(kind), limits.work_ms_max);
    const { signal } = this.#work;
    // Each nonce is as likely as any other, so there is no saying how many are left to try.
    const progress = (/** @type {number} */ tried) =>
      signal.aborted || this.emit("work", { bits, share: 1 - Math.exp(-tried / 2 ** bits) });
    progress(0);
    const nonce = await solve({ seed, bits }, { progress, signal });
    if (nonce === null || this.#wire !== wire || signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(kind), limits.greeting_ms_max);
    this.#write(this.#hello({ seed, nonce }));
  }

  /** @param {number} [retry_ms] the least pause, where the server asked for one */
  #lose(retry_ms = 0) {
    this.#drop();
    const grown_ms = Math.min(limits.reconnect_ms_max, limits.reconnect_ms_min * 2 ** this.#attempts);
    // The random part keeps a thousand pages from coming back in the same instant.
    const pause_ms = Math.max(retry_ms, Math.round(grown_ms * (0.5 + Math.random() / 2)));
    if (pause_ms < Infinity) this.#timer = setTimeout(() => this.connect(), pause_ms);
    const attempts = this.#attempts++;
    this.emit("lost", { retry_ms: pause_ms, attempts });
  }

  #drop() {
    clearTimeout(this.#timer);
    this.#work.abort();
    this.#work = new AbortController();
    const wire = this.#wire;
    this.#wire = null;
    this.#greeted = false;
    wire?.close();
  }

  #dropFormer() {
    this.#former?.close();
    this.#former = null;
  }
}

/** The token as it is now. @param {string | (() => string)} token */
function admission(token) {
  if (typeof token !== "function") return token;
  try {
    return token();
  } catch (error) {
    // Without one the server says what is missing.
    report(error);
    return "";
  }
}

/** Trying again changes nothing about these; a person may. */
const REFUSALS = new Set(["bad-version", "banned", "not-admitted"]);
