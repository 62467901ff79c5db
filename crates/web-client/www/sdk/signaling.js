/**
 * The connection to the server: one wire at a time, greeted, and opened again with growing pauses when it is
 * lost. It knows messages, not sessions.
 * @module
 */

import { Emitter } from "./emitter.js";
import { frame_bytes_max, greeting_ms_max, reconnect_ms_max, reconnect_ms_min } from "./limits.js";
import { parseServerMessage } from "./protocol.js";
import { openWire, usableKinds } from "./wire.js";

/** @typedef {import("./protocol.js").ServerMessage} ServerMessage */
/** @typedef {import("./protocol.js").ClientMessage} ClientMessage */
/** @typedef {import("./wire.js").Kind} Kind */
/**
 * `open`: greeted, messages may be sent. `lost`: there is no connection, and none will be tried for
 * `retry_ms`; `attempts` have failed before this one, none if it had been greeted.
 * @typedef {{
 *   open: import("./protocol.js").Welcome, lost: { retry_ms: number, attempts: number },
 *   message: ServerMessage,
 * }} Events
 */

/** @extends {Emitter<Events>} */
export class Signaling extends Emitter {
  /** @type {URL} */
  #url;
  #resume;
  /** What may carry the connection, the best first. @type {Kind[]} */
  #kinds;
  /** What has not been tried since the last pause. @type {Kind[]} */
  #untried = [];
  /** @type {import("./wire.js").Wire | null} */
  #wire = null;
  #greeted = false;
  #closed = false;
  #attempts = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {URL} url the server's `/signal`, as an http: or https: URL
   * @param {Kind[]} kinds what may carry the connection, in the order in which to try
   * @param {() => import("./protocol.js").Resume | undefined} resume what to come back with, if anything
   */
  constructor(url, kinds, resume) {
    super();
    this.#url = url;
    this.#kinds = usableKinds(kinds, url);
    this.#resume = resume;
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
    this.#drop();
  }

  get isOpen() {
    return this.#greeted;
  }

  /** @returns {ClientMessage} */
  #hello() {
    const resume = this.#resume();
    return { t: "hello", v: 1, ...(resume ? { resume } : {}) };
  }

  /** Opens the next of what has not been tried. */
  #try() {
    clearTimeout(this.#timer);
    const [kind, ...untried] = this.#untried;
    if (kind === undefined) {
      this.#lose();
      return;
    }
    this.#untried = untried;
    const wire = openWire(kind, this.#url, {
      opened: () => this.#wire === wire && this.#write(this.#hello()),
      text: (text) => this.#wire === wire && this.#receive(kind, text),
      closed: () => this.#wire === wire && this.#fail(kind),
    });
    this.#wire = wire;
    this.#timer = setTimeout(() => this.#fail(kind), greeting_ms_max);
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
    if (new TextEncoder().encode(text).length > frame_bytes_max) return false;
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
      // What works is tried first from now on.
      this.#kinds = [kind, ...this.#kinds.filter((other) => other !== kind)];
      this.emit("open", message);
      return;
    }
    this.emit("message", message);
    if (message.t === "error" && message.fatal) this.#lose(message.retry_ms);
  }

  /** @param {number} [retry_ms] the least pause, where the server asked for one */
  #lose(retry_ms = 0) {
    this.#drop();
    const grown_ms = Math.min(reconnect_ms_max, reconnect_ms_min * 2 ** this.#attempts);
    // The random part keeps a thousand pages from coming back in the same instant.
    const pause_ms = Math.max(retry_ms, Math.round(grown_ms * (0.5 + Math.random() / 2)));
    this.#timer = setTimeout(() => this.connect(), pause_ms);
    const attempts = this.#attempts++;
    this.emit("lost", { retry_ms: pause_ms, attempts });
  }

  #drop() {
    clearTimeout(this.#timer);
    const wire = this.#wire;
    this.#wire = null;
    this.#greeted = false;
    wire?.close();
  }
}
