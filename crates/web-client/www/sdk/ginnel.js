/**
 * The SDK's entrance: one object that finds partners, opens and joins rooms, and carries calls and texts. All
 * that goes through the server is sealed; see `verify` for what that is worth.
 *
 * ```js
 * const ginnel = new Ginnel();
 * ginnel.on("stream", ({ stream }) => { video.srcObject = stream; });
 * ginnel.on("text", ({ text }) => { log.append(text); });
 * ginnel.connect();
 * ginnel.setTracks({ audio, video });
 * ginnel.find({ media: "video", tags: ["music"], langs: ["en"] });
 * ```
 * @module
 */

import { toBase64url } from "./bytes.js";
import { Courier, parseInvitation } from "./courier.js";
import { Emitter } from "./emitter.js";
import { link_secret_bytes } from "./limits.js";
import { stricter } from "./protocol.js";
import { Session } from "./session.js";
import { Signaling } from "./signaling.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** @typedef {import("./protocol.js").Exposure} Exposure */
/** @typedef {import("./protocol.js").Want} Want */
/** @typedef {import("./protocol.js").Media} Media */
/** @typedef {import("./protocol.js").ServerMessage} ServerMessage */
/** @typedef {import("./protocol.js").Welcome} Welcome */
/** @typedef {import("./session.js").Consent} Consent */
/** @typedef {import("./session.js").Path} Path */
/** @typedef {import("./session.js").State} State */
/** @typedef {import("./session.js").Devices} Devices */
/** @typedef {import("./session.js").Tracks} Tracks */
/** @typedef {import("./string.js").Sign} Sign */
/**
 * What vouches for a session: the short authentication string, and whether both came by the same invite link
 * and so need not compare it.
 * @typedef {{ signs: Sign[], invited: boolean }} Verification
 */
/**
 * Whatever belongs to a partner says to which `session`; in a room for two and with a stranger there is one.
 *
 * | event | when |
 * | --- | --- |
 * | `open` | the server greeted us; again after a loss: `resumed` where we were, or `cut` sessions ended |
 * | `lost` | the server is gone; a call goes on, and its set-up when the server knows us again in time |
 * | `waiting` | we wait for a stranger; `bin` is about how many do |
 * | `room` | our room is open; whoever is to come needs the `invitation`, `CODE.SECRET` |
 * | `matched` | there is a partner; `common` are the interests shared, `exposure`: who may see addresses |
 * | `verify` | the string to compare can be shown |
 * | `state` | how the connection to the partner does |
 * | `path` | whether packets go through the relay or directly |
 * | `consent` | who has agreed to go direct |
 * | `stream` | what the partner sends; the same object grows as tracks arrive |
 * | `text` | the partner wrote; plain text, never markup |
 * | `devices` | whether the partner's microphone and camera are on |
 * | `gone` | the session is over, by the partner or the server: `left`, `lost` or `ended` |
 * | `failed` | the session is over because it could not be carried on |
 * | `error` | the server refused something; the codes are stable |
 * @typedef {{
 *   open: { welcome: Welcome, resumed: boolean, cut: number },
 *   lost: { retry_ms: number, attempts: number }, waiting: { bin: number },
 *   room: { code: string, invitation: string },
 *   matched: { session: string, common: string[], relays: string[], exposure: Exposure },
 *   verify: Verification & { session: string }, state: { session: string, state: State },
 *   path: { session: string, path: Path }, consent: Consent & { session: string },
 *   stream: { session: string, stream: MediaStream }, text: { session: string, text: string },
 *   devices: Devices & { session: string }, gone: { session: string, why: string },
 *   failed: { session: string, code: string, text: string },
 *   error: { code: string, text: string, retry_ms?: number },
 * }} Events
 */
/** @typedef {{ call: Session, courier: Courier, verification: Verification | null }} Partner */

/** @extends {Emitter<Events>} */
export class Ginnel extends Emitter {
  #signaling;
  /** @type {Exposure} */
  #exposure;
  /** By their session's identifier. @type {Map<string, Partner>} */
  #partners = new Map();
  /** What to come back with after a loss; each greeting brings another. */
  #resumeToken = "";
  /** Of the room we are in. @type {Bytes | null} */
  #linkSecret = null;
  /** @type {Media} */
  #media = "video";
  /** @type {Tracks} */
  #tracks = {};
  /** @type {Devices} */
  #devices = { microphone: false, camera: false };

  /**
   * `url`: the server's `/signal`, by default beside the page. `exposure`: who may learn this side's address,
   * by default what the server says; the stricter of both holds. `transports`: what may carry the signaling,
   * in the order in which to try.
   * @param {{
   *   url?: string | URL, exposure?: Exposure, transports?: import("./wire.js").Kind[],
   * }} [options]
   */
  constructor({ url = "/signal", exposure = "direct", transports = ["websocket", "webtransport"] } = {}) {
    super();
    const signal = new URL(url, globalThis.location?.href);
    signal.protocol = signal.protocol.replace(/^ws/, "http");
    this.#exposure = exposure;
    this.#signaling = new Signaling(signal, transports, () => this.#resume());
    this.#signaling.on("open", (welcome) => this.#greet(welcome));
    this.#signaling.on("message", (message) => this.#receive(message));
    this.#signaling.on("lost", (lost) => {
      for (const { courier } of this.#partners.values()) courier.pause();
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
    this.#linkSecret = null;
    return this.#signaling.send({ t: "find", want });
  }

  /**
   * Leaves the partner and waits for another.
   * @param {Want} [want] default: as before
   */
  next(want) {
    this.#endAll();
    if (want) this.#media = want.media;
    return this.#part({ t: "next", ...(want ? { want } : {}) });
  }

  /**
   * Opens a room. The `room` event brings the invitation.
   * @param {Media} media
   * @param {{ size?: number }} [options] `size`: how many it holds, two by default
   */
  open(media, { size = 2 } = {}) {
    this.#media = media;
    this.#linkSecret = crypto.getRandomValues(new Uint8Array(link_secret_bytes));
    return this.#signaling.send({ t: "open", size });
  }

  /**
   * Enters a room.
   * @param {string} invitation what its `room` event brought: `CODE.SECRET`, or a code alone
   * @param {Media} media
   */
  join(invitation, media) {
    const parsed = parseInvitation(invitation);
    this.#media = media;
    this.#linkSecret = parsed?.secret ?? null;
    return this.#signaling.send({ t: "join", room: parsed?.code ?? invitation });
  }

  /** Stops waiting for a stranger. */
  cancel() {
    return this.#part({ t: "cancel" });
  }

  /** Leaves the partner, and the room if there is one. */
  leave() {
    this.#endAll();
    return this.#part({ t: "leave" });
  }

  /**
   * Sends a text to the partner, past the server; in a larger room to everybody there.
   * @param {string} text
   * @returns {boolean} whether it left, to everybody
   */
  sendText(text) {
    const partners = [...this.#partners.values()];
    return partners.length > 0 && partners.map(({ call }) => call.sendText(text)).every(Boolean);
  }

  /**
   * What is sent to this and every later partner. `null` stops a kind. The tracks stay the caller's to stop.
   * @param {Tracks} tracks
   */
  async setTracks(tracks) {
    this.#tracks = { ...this.#tracks, ...tracks };
    for (const { call } of [...this.#partners.values()]) {
      if (tracks.audio !== undefined) await call.setTrack("audio", tracks.audio);
      if (tracks.video !== undefined) await call.setTrack("video", tracks.video);
    }
  }

  /** Tells this and every later partner which devices are on. @param {Devices} devices */
  setDevices(devices) {
    this.#devices = devices;
    for (const { call } of this.#partners.values()) call.setDevices(devices);
  }

  /**
   * Agrees that this partner may learn our address for a direct connection, if it agrees to the same. It
   * cannot be taken back in this session.
   * @param {string} [session] default: the only one
   * @returns {boolean} false where the server or this page allows no such thing, or it was done
   */
  goDirect(session) {
    return this.#partner(session)?.call.goDirect() ?? false;
  }

  /**
   * What two people compare, by voice or over another channel, to know that nobody sits between them, the
   * operator included. `null` before a sealed message was opened.
   * @param {string} [session] default: the only one
   * @returns {Verification | null}
   */
  verify(session) {
    return this.#partner(session)?.verification ?? null;
  }

  /** Ends everything for good, as when the page is left. */
  close() {
    if (this.#partners.size > 0) this.leave();
    this.silence();
    this.#signaling.close();
  }

  /** @param {string} [session] */
  #partner(session) {
    return session === undefined ? [...this.#partners.values()].at(-1) : this.#partners.get(session);
  }

  /** @returns {import("./protocol.js").Resume | undefined} */
  #resume() {
    const token = this.#resumeToken;
    const got = Object.fromEntries([...this.#partners].map(([id, { courier }]) => [id, courier.received]));
    return token === "" ? undefined : { token, got };
  }

  /** @param {Welcome} welcome */
  #greet(welcome) {
    this.#resumeToken = welcome.resume ?? "";
    const got = welcome.got;
    // Of those that the server knows no more it says so itself, but only if it knows us.
    const cut = got ? 0 : this.#partners.size;
    if (!got) this.#endAll();
    for (const [id, { courier }] of this.#partners) courier.resume(got?.[id] ?? 0);
    this.emit("open", { welcome, resumed: got !== undefined, cut });
  }

  /** @param {ServerMessage} message */
  #receive(message) {
    switch (message.t) {
      case "matched":
        this.#meet(message);
        break;
      case "seal":
        this.#partners.get(message.session)?.courier.receive(message);
        break;
      case "plain":
        if (this.#partners.has(message.session)) {
          this.#abandon(message.session, "not-sealed", "The partner's program does not seal.");
        }
        break;
      case "gone":
        if (this.#end(message.session)) this.emit("gone", message);
        break;
      case "waiting":
        this.emit("waiting", message);
        break;
      case "room":
        this.emit("room", { code: message.code, invitation: this.#invitation(message.code) });
        break;
      case "error":
        if (this.#partners.size > 0 && LOST_MESSAGES.has(message.code)) {
          for (const id of [...this.#partners.keys()]) this.#abandon(id, "payload-refused", message.text);
        } else this.emit("error", message);
        break;
      default:
    }
  }

  /** @param {import("./protocol.js").Matched} matched */
  #meet(matched) {
    const id = matched.session;
    const exposure = stricter(matched.exposure, this.#exposure);
    let courier, call;
    try {
      courier = new Courier(matched, this.#linkSecret);
      call = new Session(matched, this.#media, this.#tracks, exposure, courier);
    } catch {
      this.#abandon(id, "payload-refused", "The browser does not understand where the relay is.");
      return;
    }
    const partner = { call, courier, verification: null };
    this.#end(id);
    this.#partners.set(id, partner);
    this.#follow(id, partner);
    call.setDevices(this.#devices);
    const relays = matched.ice.flatMap(({ urls }) => urls);
    this.emit("matched", { session: id, common: matched.common, relays, exposure });
    // Whoever no longer wants a partner has left by now.
    if (this.#partners.get(id) !== partner) return;
    courier.start();
    call.start();
  }

  /** @param {string} session @param {Partner} partner */
  #follow(session, partner) {
    const { call, courier } = partner;
    courier.on("frame", (frame) => this.#signaling.send({ t: "seal", session, ...frame }));
    courier.on("body", (body) => (body.bye === true ? this.#partnerLeft(session) : call.handleBody(body)));
    courier.on("signs", (signs) => {
      partner.verification = { signs, invited: this.#linkSecret !== null };
      this.emit("verify", { session, ...partner.verification });
    });
    courier.on("failed", (text) => this.#abandon(session, "seal-broken", text));
    call.on("body", (body) => courier.send(body));
    call.on("state", (state) => this.emit("state", { session, state }));
    call.on("path", (path) => this.emit("path", { session, path }));
    call.on("consent", (consent) => this.emit("consent", { session, ...consent }));
    call.on("stream", (stream) => this.emit("stream", { session, stream }));
    call.on("text", (text) => this.emit("text", { session, text }));
    call.on("devices", (devices) => this.emit("devices", { session, ...devices }));
    call.on("failed", ({ code, text }) => this.#abandon(session, code, text));
  }

  /** @param {string} session */
  #partnerLeft(session) {
    this.#end(session);
    if (this.#partners.size === 0) this.#part({ t: "leave" });
    this.emit("gone", { session, why: "left" });
  }

  /**
   * @param {string} session
   * @param {string} code
   * @param {string} text
   */
  #abandon(session, code, text) {
    this.#end(session);
    if (this.#partners.size === 0) this.#part({ t: "leave" });
    this.emit("failed", { session, code, text });
  }

  /** @param {string} session */
  #end(session) {
    const partner = this.#partners.get(session);
    partner?.call.close();
    partner?.courier.close();
    return this.#partners.delete(session);
  }

  #endAll() {
    for (const id of [...this.#partners.keys()]) this.#end(id);
  }

  /**
   * Sends what gives up our place. Where that cannot be said, we come back as somebody else.
   * @param {import("./protocol.js").ClientMessage} message
   */
  #part(message) {
    const sent = this.#signaling.send(message);
    if (!sent) this.#resumeToken = "";
    if (message.t !== "cancel") this.#linkSecret = null;
    return sent;
  }

  /** @param {string} code */
  #invitation(code) {
    return this.#linkSecret === null ? code : `${code}.${toBase64url(this.#linkSecret)}`;
  }
}

/** The server did not pass a message on, so the partner would wait for it without end. */
const LOST_MESSAGES = new Set([
  "bad-counter",
  "bad-message",
  "bad-payload",
  "sealed-required",
  "too-fast",
  "too-large",
]);
