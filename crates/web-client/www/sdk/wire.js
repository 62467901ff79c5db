/**
 * What carries messages to the server and back: a WebSocket, or a stream of a WebTransport session. It opens
 * once, knows no message and tries nothing again.
 * @module
 */

import { concat, utf8 } from "./bytes.js";
import { frame_bytes_max, transports_ms_max } from "./limits.js";
import { SUBPROTOCOL } from "./protocol.js";

/** @typedef {"websocket" | "webtransport"} Kind */
/**
 * `closed` comes once, whatever happened; nothing comes after it.
 * @typedef {{ opened: () => void, text: (text: string) => void, closed: () => void }} Listener
 */
/** @typedef {{ send: (text: string) => boolean, close: () => void }} Wire */

/**
 * Which of these a browser can use for a server at this address.
 * @param {Kind[]} kinds
 * @param {URL} url the server's `/signal`, as an http: or https: URL
 */
export function usableKinds(kinds, url) {
  // WebTransport is always encrypted, and has the port of HTTPS.
  const hasWebTransport = url.protocol === "https:" && "WebTransport" in globalThis;
  return kinds.filter((kind) => kind === "websocket" || hasWebTransport);
}

/**
 * Opens one.
 * @param {Kind} kind
 * @param {URL} url the server's `/signal`, as an http: or https: URL
 * @param {Listener} listener
 * @returns {Wire}
 */
export function openWire(kind, url, listener) {
  return kind === "websocket" ? new Socket(url, listener) : new Stream(url, listener);
}

/** @implements {Wire} */
class Socket {
  /** @type {WebSocket} */
  #socket;

  /** @param {URL} url @param {Listener} listener */
  constructor(url, listener) {
    const socketUrl = new URL(url);
    socketUrl.protocol = url.protocol.replace("http", "ws");
    this.#socket = new WebSocket(socketUrl, SUBPROTOCOL);
    this.#socket.addEventListener("open", () => listener.opened());
    this.#socket.addEventListener("close", () => listener.closed());
    this.#socket.addEventListener("message", ({ data }) => typeof data === "string" && listener.text(data));
  }

  /** @param {string} text */
  send(text) {
    if (this.#socket.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(text);
    return true;
  }

  close() {
    this.#socket.close(1000);
  }
}

/** @implements {Wire} */
class Stream {
  #listener;
  #isClosed = false;
  /** @type {WebTransport | null} */
  #transport = null;
  /** @type {WritableStreamDefaultWriter<Uint8Array> | null} */
  #writer = null;

  /** @param {URL} url @param {Listener} listener */
  constructor(url, listener) {
    this.#listener = listener;
    // However it ends, the reader is the first to know.
    this.#run(url).catch(() => {}).finally(() => this.close());
  }

  /** @param {string} text */
  send(text) {
    if (this.#writer === null || this.#isClosed) return false;
    // A stream that takes no more has ended, which the reader notices.
    this.#writer.write(frame(text)).catch(() => {});
    return true;
  }

  close() {
    if (this.#isClosed) return;
    this.#isClosed = true;
    // A session that was never established cannot be closed, and need not be.
    this.#transport?.ready.then(() => this.#transport?.close(), () => {});
    this.#listener.closed();
  }

  /** @param {URL} url */
  async #run(url) {
    const hashes = await certificateHashes(url);
    if (this.#isClosed) return;
    const known = hashes.length > 0 ? { serverCertificateHashes: hashes } : {};
    const transport = new WebTransport(url, known);
    this.#transport = transport;
    // Its end is the reader's; unhandled, it would be reported as a fault of the page.
    transport.closed.catch(() => {});
    await transport.ready;
    const { readable, writable } = await transport.createBidirectionalStream();
    if (this.#isClosed) return;
    this.#writer = writable.getWriter();
    this.#listener.opened();
    const frames = new Frames();
    const reader = readable.getReader();
    for (let { value, done } = await reader.read(); !done; { value, done } = await reader.read()) {
      for (const text of frames.take(value)) {
        if (this.#isClosed) return;
        this.#listener.text(text);
      }
    }
  }
}

/** Puts messages together from what a stream brings, each behind its length. */
export class Frames {
  #bytes = new Uint8Array(0);
  #decoder = new TextDecoder("utf-8", { fatal: true });

  /**
   * The messages that are whole now. Throws where the server sends what no server of ours does.
   * @param {Uint8Array} chunk
   * @returns {string[]}
   */
  take(chunk) {
    const bytes = concat(this.#bytes, chunk);
    const texts = [];
    let start = 0;
    while (bytes.length - start >= length_bytes) {
      const length = new DataView(bytes.buffer, start).getUint32(0);
      if (length > frame_bytes_max) throw new RangeError("a message that is too large");
      const end = start + length_bytes + length;
      if (end > bytes.length) break;
      texts.push(this.#decoder.decode(bytes.subarray(start + length_bytes, end)));
      start = end;
    }
    this.#bytes = bytes.slice(start);
    return texts;
  }
}

/**
 * A message behind its length.
 * @param {string} text
 */
export function frame(text) {
  const body = utf8(text);
  const length = new Uint8Array(length_bytes);
  new DataView(length.buffer).setUint32(0, body.length);
  return concat(length, body);
}

/**
 * By what the server's certificate is known there besides a CA's word. Throws where the server has no
 * WebTransport.
 * @param {URL} url
 * @returns {Promise<WebTransportHash[]>}
 */
async function certificateHashes(url) {
  let answer;
  try {
    const signal = AbortSignal.timeout(transports_ms_max);
    answer = await (await fetch(new URL("/transports.json", url), { cache: "no-store", signal })).json();
  } catch {
    // Where nothing gets through over TCP, a certificate of a CA is still enough.
    return [];
  }
  const hashes = answer?.webtransport?.sha256;
  if (!Array.isArray(hashes)) throw new Error("no WebTransport here");
  return hashes.map((hash) => ({ algorithm: "sha-256", value: fromHex(String(hash)) }));
}

/** @param {string} hex */
function fromHex(hex) {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}

const length_bytes = 4;
