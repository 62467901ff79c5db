/**
 * The SDK's entrance: one object that finds partners, opens and joins rooms, and carries calls and texts.
 *
 * ```js
 * const ginnel = new Ginnel();
 * ginnel.on("stream", (stream) => { video.srcObject = stream; });
 * ginnel.on("text", (text) => { log.append(text); });
 * ginnel.connect();
 * ginnel.setTracks({ audio, video });
 * ginnel.find({ media: "video", tags: ["music"], langs: ["en"] });
 * ```
 * @module
 */

import { Emitter } from "./emitter.js";
import { Session } from "./session.js";
import { Signaling } from "./signaling.js";

/** @typedef {import("./protocol.js").Want} Want */
/** @typedef {import("./protocol.js").Media} Media */
/** @typedef {import("./protocol.js").ServerMessage} ServerMessage */
/** @typedef {import("./session.js").State} State */
/** @typedef {import("./session.js").Devices} Devices */
/**
 * | event | when |
 * | --- | --- |
 * | `open` | the server greeted us; again after every reconnection |
 * | `lost` | the server is gone; a running call, a place in the queue and a room went with it |
 * | `waiting` | we wait for a stranger; `bin` is about how many do |
 * | `room` | our room is open under this code |
 * | `matched` | there is a partner; `common` are the interests shared |
 * | `state` | how the media path does |
 * | `stream` | what the partner sends; the same object grows as tracks arrive |
 * | `text` | the partner wrote; plain text, never markup |
 * | `devices` | whether the partner's microphone and camera are on |
 * | `gone` | the session is over, by the partner or the server: `left`, `lost` or `ended` |
 * | `failed` | the session is over because it could not be carried on |
 * | `error` | the server refused something; the codes are stable |
 * @typedef {{
 *   open: import("./protocol.js").Welcome, lost: { retry_ms: number, attempts: number },
 *   waiting: { bin: number }, room: { code: string },
 *   matched: { common: string[], relays: string[] }, state: State, stream: MediaStream, text: string,
 *   devices: Devices, gone: { why: string }, failed: { code: string, text: string },
 *   error: { code: string, text: string, retry_ms?: number },
 * }} Events
 */

/** @extends {Emitter<Events>} */
export class Ginnel extends Emitter {
  #signaling;
  /** @type {Session | null} */
  #session = null;
  #sessionId = "";
  #sent = 0;
  #received = 0;
  /** @type {Media} */
  #media = "video";
  /** @type {{ audio?: MediaStreamTrack | null, video?: MediaStreamTrack | null }} */
  #tracks = {};
  /** @type {Devices} */
  #devices = { microphone: false, camera: false };

  /** @param {{ url?: string | URL }} [options] `url`: the server's `/signal`; default: beside the page */
  constructor({ url = "/signal" } = {}) {
    super();
    const signal = new URL(url, globalThis.location?.href);
    signal.protocol = signal.protocol.replace("http", "ws");
    this.#signaling = new Signaling(signal.href);
    this.#signaling.on("open", (welcome) => this.emit("open", welcome));
    this.#signaling.on("message", (message) => this.#receive(message));
    this.#signaling.on("lost", (lost) => {
      this.#endSession();
      this.emit("lost", lost);
    });
  }

  /** Connects, and from then on reconnects by itself. Also ends a pause before the next attempt. */
  connect() {
    this.#signaling.connect();
  }

  /** Is there a greeted connection? */
  get isOpen() {
    return this.#signaling.isOpen;
  }

  /**
   * Waits for a stranger. Like all requests: `false` means it was not sent, because there is no connection.
   * @param {Want} want
   */
  find(want) {
    this.#media = want.media;
    return this.#signaling.send({ t: "find", want });
  }

  /**
   * Leaves the partner and waits for another.
   * @param {Want} [want] default: as before
   */
  next(want) {
    this.#endSession();
    if (want) this.#media = want.media;
    return this.#signaling.send({ t: "next", ...(want ? { want } : {}) });
  }

  /** Opens a room for two. The `room` event brings its code. @param {Media} media */
  open(media) {
    this.#media = media;
    return this.#signaling.send({ t: "open", size: 2 });
  }

  /**
   * Enters a room.
   * @param {string} room its code
   * @param {Media} media
   */
  join(room, media) {
    this.#media = media;
    return this.#signaling.send({ t: "join", room });
  }

  /** Stops waiting for a stranger. */
  cancel() {
    return this.#signaling.send({ t: "cancel" });
  }

  /** Leaves the partner, and the room if there is one. */
  leave() {
    this.#endSession();
    return this.#signaling.send({ t: "leave" });
  }

  /** Sends a text to the partner, past the server. @param {string} text @returns {boolean} whether it left */
  sendText(text) {
    return this.#session?.sendText(text) ?? false;
  }

  /**
   * What is sent to this and every later partner. `null` stops a kind. The tracks stay the caller's to stop.
   * @param {{ audio?: MediaStreamTrack | null, video?: MediaStreamTrack | null }} tracks
   */
  async setTracks(tracks) {
    this.#tracks = { ...this.#tracks, ...tracks };
    if (tracks.audio !== undefined) await this.#session?.setTrack("audio", tracks.audio);
    if (tracks.video !== undefined) await this.#session?.setTrack("video", tracks.video);
  }

  /** Tells this and every later partner which devices are on. @param {Devices} devices */
  setDevices(devices) {
    this.#devices = devices;
    this.#session?.setDevices(devices);
  }

  /** Ends everything for good, as when the page is left. */
  close() {
    if (this.#session) this.leave();
    this.silence();
    this.#signaling.close();
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    switch (message.t) {
      case "matched":
        this.#startSession(message);
        break;
      case "plain":
        if (message.session === this.#sessionId) this.#receivePlain(message);
        break;
      case "gone":
        if (message.session !== this.#sessionId) break;
        this.#endSession();
        this.emit("gone", message);
        break;
      case "waiting":
        this.emit("waiting", message);
        break;
      case "room":
        this.emit("room", message);
        break;
      case "error":
        if (this.#session && LOST_MESSAGES.has(message.code)) this.#abandon("payload-refused", message.text);
        else this.emit("error", message);
        break;
      default:
    }
  }

  /** @param {import("./protocol.js").Matched} matched */
  #startSession(matched) {
    this.#endSession();
    let session;
    try {
      session = new Session(matched, this.#media, this.#tracks);
    } catch {
      this.#abandon("payload-refused", "The browser does not understand where the relay is.");
      return;
    }
    this.#session = session;
    this.#sessionId = matched.session;
    session.on("body", (body) => {
      this.#sent += 1;
      if (this.#signaling.send({ t: "plain", session: matched.session, n: this.#sent, body })) return;
      this.#abandon("payload-refused", "A call set-up was too large to send.");
    });
    session.on("state", (state) => this.emit("state", state));
    session.on("stream", (stream) => this.emit("stream", stream));
    session.on("text", (text) => this.emit("text", text));
    session.on("devices", (devices) => this.emit("devices", devices));
    session.on("failed", ({ code, text }) => this.#abandon(code, text));
    session.setDevices(this.#devices);
    this.emit("matched", { common: matched.common, relays: matched.ice.flatMap(({ urls }) => urls) });
    // Whoever no longer wants a partner has left by now.
    if (this.#session === session) session.start();
  }

  /** @param {import("./protocol.js").Plain} message */
  #receivePlain({ n, body }) {
    this.#received += 1;
    if (n !== this.#received) this.#abandon("payload-refused", "A message of the call set-up is missing.");
    else if (body.bye === true) this.#partnerLeft();
    else this.#session?.handleBody(body);
  }

  #partnerLeft() {
    this.#endSession();
    this.#signaling.send({ t: "leave" });
    this.emit("gone", { why: "left" });
  }

  /**
   * @param {string} code
   * @param {string} text
   */
  #abandon(code, text) {
    this.leave();
    this.emit("failed", { code, text });
  }

  #endSession() {
    this.#session?.close();
    this.#session = null;
    this.#sessionId = "";
    this.#sent = 0;
    this.#received = 0;
  }
}

/** The server did not pass a message on, so the partner would wait for it without end. */
const LOST_MESSAGES = new Set(["bad-counter", "bad-message", "bad-payload", "too-fast", "too-large"]);
