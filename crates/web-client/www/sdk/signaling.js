/**
 * The connection to the server: one WebSocket at a time, greeted, and opened again with growing pauses when
 * it is lost. It knows messages, not sessions.
 * @module
 */

import { Emitter } from "./emitter.js";
import { frame_bytes_max, greeting_ms_max, reconnect_ms_max, reconnect_ms_min } from "./limits.js";
import { SUBPROTOCOL, parseServerMessage } from "./protocol.js";

/** @typedef {import("./protocol.js").ServerMessage} ServerMessage */
/** @typedef {import("./protocol.js").ClientMessage} ClientMessage */
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
  /** @type {string} */
  #url;
  #resume;
  /** @type {WebSocket | null} */
  #socket = null;
  #greeted = false;
  #closed = false;
  #attempts = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} url the server's `/signal`, as a ws: or wss: URL
   * @param {() => import("./protocol.js").Resume | undefined} resume what to come back with, if anything
   */
  constructor(url, resume) {
    super();
    this.#url = url;
    this.#resume = resume;
  }

  /** Connects now, whatever pause was running. Does nothing while connected. */
  connect() {
    if (this.#socket !== null || this.#closed) return;
    clearTimeout(this.#timer);
    const socket = new WebSocket(this.#url, SUBPROTOCOL);
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#lose(), greeting_ms_max);
    socket.addEventListener("open", () => this.#write(this.#hello()));
    socket.addEventListener("close", () => this.#socket === socket && this.#lose());
    socket.addEventListener("message", ({ data }) => this.#socket === socket && this.#receive(data));
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

  /** @param {ClientMessage} message */
  #write(message) {
    const text = JSON.stringify(message);
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    if (new TextEncoder().encode(text).length > frame_bytes_max) return false;
    this.#socket.send(text);
    return true;
  }

  /** @param {unknown} data */
  #receive(data) {
    const message = typeof data === "string" ? parseServerMessage(data) : null;
    if (message === null) return;
    if (!this.#greeted && message.t === "welcome") {
      clearTimeout(this.#timer);
      this.#greeted = true;
      this.#attempts = 0;
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
    const socket = this.#socket;
    this.#socket = null;
    this.#greeted = false;
    socket?.close(1000);
  }
}
