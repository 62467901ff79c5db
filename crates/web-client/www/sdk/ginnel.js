/**
 * The SDK's entrance: one object that finds partners, opens and joins rooms, and carries calls and texts. All
 * that goes through the server is sealed; see `verify` for what that is worth.
 *
 * ```js
 * const ginnel = new Ginnel();
 * ginnel.on("stream", ({ stream }) => { video.srcObject = stream; });
 * ginnel.on("text", ({ text }) => { log.append(text); });
 * ginnel.on("open", ({ resumed }) => {
 *   if (!resumed) ginnel.find({ media: "video", tags: ["music"], langs: ["en"] });
 * });
 * ginnel.setTracks({ audio, video });
 * ginnel.connect();
 * ```
 * @module
 */

import { toBase64url } from "./bytes.js";
import { Courier, parseInvitation } from "./courier.js";
import { Emitter, report } from "./emitter.js";
import { link_secret_bytes } from "./limits.js";
import { stricter } from "./protocol.js";
import { Requests } from "./requests.js";
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
 * | `open` | the server greeted us; after a loss: `resumed` where we were; `cut` calls ended, `kept` go on |
 * | `lost` | the server is gone; a call goes on, and its set-up when the server knows us again in time |
 * | `work` | the server asks for a proof of work, which is being computed; `share`: how far, from 0 to 1 |
 * | `waiting` | we wait for a stranger; `bin` is about how many do |
 * | `room` | we are in a room, nobody else is yet; they need the `invitation`, `CODE.SECRET` |
 * | `matched` | there is a partner; `common` are the interests shared, `exposure`: who may see addresses |
 * | `verify` | the string to compare can be shown |
 * | `state` | how the connection to the partner does |
 * | `path` | whether packets go through the relay or directly |
 * | `consent` | who has agreed to go direct |
 * | `stream` | what the partner sends; the same object grows as tracks arrive |
 * | `text` | the partner wrote; plain text, never markup |
 * | `devices` | whether the partner's microphone and camera are on |
 * | `gone` | the session is over, by the partner or the server: `left`, `lost` or `ended` |
 * | `failed` | the session is over because it could not be carried on; others, and the room, go on |
 * | `error` | the server refused something: a message (`for`), of a `session` perhaps; the codes are stable |
 * @typedef {{
 *   open: { welcome: Welcome, resumed: boolean, cut: number, kept: number },
 *   lost: { retry_ms: number, attempts: number }, work: { bits: number, share: number },
 *   waiting: { bin: number },
 *   room: { code: string, invitation: string },
 *   matched: { session: string, common: string[], relays: string[], exposure: Exposure },
 *   verify: Verification & { session: string }, state: { session: string, state: State },
 *   path: { session: string, path: Path }, consent: Consent & { session: string },
 *   stream: { session: string, stream: MediaStream }, text: { session: string, text: string },
 *   devices: Devices & { session: string }, gone: { session: string, why: string },
 *   failed: { session: string, code: string, text: string },
 *   error: { code: string, text: string, for?: string, session?: string, retry_ms?: number },
 * }} Events
 */
/**
 * `isAlone`: the server knows nothing of this session any more, and the call goes on. `met`: in which session
 * such a partner has met somebody since.
 * @typedef {{
 *   call: Session, courier: Courier, verification: Verification | null, isAlone: boolean, met: string,
 * }} Partner
 */

/** @extends {Emitter<Events>} */
export class Ginnel extends Emitter {
  #signaling;
  /** @type {Exposure} */
  #exposure;
  /** By their session's identifier. @type {Map<string, Partner>} */
  #partners = new Map();
  /** Of whoever came last. */
  #lastSession = "";
  /** Sessions that we have left and the server may not know of yet. @type {Set<string>} */
  #left = new Set();
  /** What to come back with after a loss; each greeting brings another. */
  #resumeToken = "";
  #requests = new Requests();
  /** What was looked for last, with which `next` goes on. @type {Want | undefined} */
  #want;
  /** Was the server told so that is there now? */
  #knowsWant = true;
  /** @type {Tracks} */
  #tracks = {};
  /** @type {Devices} */
  #devices = { microphone: false, camera: false };

  /**
   * `url`: the server's `/signal`, by default beside the page. `exposure`: who may learn this side's address,
   * by default what the server says; the stricter of both holds. `transports`: what may carry the signaling,
   * in the order in which to try. `token`: what lets us in where the server asks for it, asked for at each
   * greeting if it is a function.
   * @throws {TypeError} for a `url` that is none, and for a word that is not listed here
   * @param {{
   *   url?: string | URL, exposure?: Exposure, transports?: import("./wire.js").Kind[],
   *   token?: string | (() => string),
   * }} [options]
   */
  constructor({
    url = "/signal",
    exposure = "direct",
    transports = ["websocket", "webtransport"],
    token = "",
  } = {}) {
    super();
    if (!EXPOSURES.includes(exposure)) throw new TypeError(`exposure is ${exposure}`);
    const unknown = transports.find((kind) => !KINDS_OF_WIRE.includes(kind));
    if (unknown !== undefined) throw new TypeError(`no transport is called ${unknown}`);
    const signal = new URL(url, globalThis.location?.href);
    signal.protocol = signal.protocol.replace(/^ws/, "http");
    this.#exposure = exposure;
    this.#signaling = new Signaling(signal, transports, () => this.#resume(), token);
    this.#signaling.on("open", (welcome) => this.#greet(welcome));
    this.#signaling.on("message", (message) => this.#receive(message));
    this.#signaling.on("work", (work) => this.emit("work", work));
    this.#signaling.on("lost", (lost) => {
      for (const { courier } of this.#partners.values()) courier.pause();
      this.#requests.lose();
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
    return this.#ask({ t: "find", want }, want.media, null);
  }

  /**
   * Leaves the partner and waits for another.
   * @param {Want} [want] default: as before
   */
  next(want) {
    this.#endAll();
    const told = want ?? (this.#knowsWant ? undefined : this.#want);
    if (told) [this.#want, this.#knowsWant] = [told, true];
    return this.#part({ t: "next", ...(told ? { want: told } : {}) });
  }

  /**
   * Opens a room. The `room` event brings the invitation.
   * @param {Media} media
   * @param {{ size?: number }} [options] `size`: how many it holds, two by default
   */
  open(media, { size = 2 } = {}) {
    return this.#ask({ t: "open", size }, media, crypto.getRandomValues(new Uint8Array(link_secret_bytes)));
  }

  /**
   * Enters a room. Where nobody else is there just now the `room` event says so.
   * @param {string} invitation what its `room` event brought: `CODE.SECRET`, or a code alone
   * @param {Media} media
   */
  join(invitation, media) {
    const parsed = parseInvitation(invitation);
    if (parsed === null) {
      // Not even a part of a secret is the server's business.
      this.emit("error", { code: "bad-invitation", text: "the invitation is not whole" });
      return false;
    }
    return this.#ask({ t: "join", room: parsed.code }, media, parsed.secret);
  }

  /**
   * Tells the server that a partner did what they should not. It counts once, and after a conversation of 20
   * seconds; when three different networks have reported one address within an hour, nobody from there is let
   * in for a while. They are not told of it. It ends nothing: `leave` or `next` does.
   * @param {import("./protocol.js").Reason} why
   * @param {string} [session] default: the partner who came last, whether they are still there or not
   */
  report(why, session = this.#lastSession) {
    return session !== "" && this.#signaling.send({ t: "report", session, why });
  }

  /** Stops waiting for a stranger. */
  cancel() {
    return this.#part({ t: "cancel" });
  }

  /**
   * Leaves the partner, and the room if there is one.
   * @param {string} [session] leaves only this partner, and stays in the room
   */
  leave(session) {
    if (session !== undefined) return this.#leavePartner(session);
    const partners = [...this.#partners.values()];
    const isAlone = partners.length > 0 && partners.every((partner) => partner.isAlone);
    this.#endAll();
    return (isAlone && this.#requests.isNowhere) || this.#part({ t: "leave" });
  }

  /**
   * Sends a text to the partner, past the server; in a larger room to everybody who is connected, or to one.
   * @param {string} text
   * @param {string} [session] default: all
   * @returns {boolean} whether it left; if not, nobody got it: it is empty, longer than 2,000 characters,
   * nobody is connected, or one of them cannot take it now because there was too much
   */
  sendText(text, session) {
    const partners = session === undefined ? this.#partners.values() : [this.#partner(session)];
    const calls = [...partners].flatMap((partner) => (partner?.call.isOpen ? [partner.call] : []));
    if (calls.length === 0 || !calls.every((call) => call.canSendText(text))) return false;
    return calls.map((call) => call.sendText(text)).every(Boolean);
  }

  /**
   * What is sent to this and every later partner. `null` stops a kind. The tracks stay the caller's to stop.
   * @param {Tracks} tracks
   * @returns {Promise<void>} settled when all partners get it, or are gone
   * @throws {TypeError} for a track of another kind; nothing was changed
   */
  async setTracks(tracks) {
    for (const kind of KINDS) {
      const given = tracks[kind]?.kind;
      if (given !== undefined && given !== kind) throw new TypeError(`${kind} is a track of ${given}`);
    }
    this.#tracks = { ...this.#tracks, ...tracks };
    const changes = KINDS.flatMap((kind) => {
      const track = tracks[kind];
      if (track === undefined) return [];
      return [...this.#partners.values()].map(({ call }) => call.setTrack(kind, track));
    });
    // One partner's browser may refuse, or be gone by then: the others are not to wait for it.
    for (const change of await Promise.allSettled(changes)) {
      if (change.status === "rejected") report(change.reason);
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
   * @param {string} [session] default: the one who came last
   * @returns {boolean} false where the server or this page allows no such thing, or it was done
   */
  goDirect(session) {
    return this.#partner(session)?.call.goDirect() ?? false;
  }

  /**
   * What two people compare, by voice or over another channel, to know that nobody sits between them, the
   * operator included. `null` before a sealed message was opened.
   * @param {string} [session] default: the one who came last
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
    const known = [...this.#partners].filter(([, { isAlone }]) => !isAlone);
    const got = Object.fromEntries(known.map(([id, { courier }]) => [id, courier.received]));
    return token === "" ? undefined : { token, got };
  }

  /** @param {Welcome} welcome */
  #greet(welcome) {
    this.#resumeToken = welcome.resume ?? "";
    const got = welcome.got;
    const ended = got ? [] : this.#startAnew();
    this.#left = new Set([...this.#left].filter((id) => got && id in got));
    // Of the others the server says at once that they are gone, but only if it knows us.
    for (const [id, { courier }] of this.#partners) if (got && id in got) courier.resume(got[id]);
    const kept = [...this.#partners.values()].filter(({ isAlone }) => isAlone).length;
    this.emit("open", { welcome, resumed: got !== undefined, cut: kept > 0 ? 0 : ended.length, kept });
    // Where anything goes on it matters which sessions do not.
    if (kept > 0) for (const session of ended) this.emit("gone", { session, why: "lost" });
  }

  /** The server does not know us: what needs it is over. @returns {string[]} the sessions that were */
  #startAnew() {
    this.#requests.startAnew();
    this.#knowsWant = false;
    const ended = [...this.#partners.keys()].filter((id) => !this.#goesOnAlone(id));
    for (const id of ended) this.#end(id);
    return ended;
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
        // The partner's connection to the server broke, and perhaps no other.
        if (message.why === "lost" && this.#goesOnAlone(message.session)) break;
        if (message.why === "ended") this.#requests.leave();
        if (this.#end(message.session)) this.emit("gone", message);
        break;
      case "waiting":
        this.#requests.wait();
        this.emit("waiting", message);
        break;
      case "room":
        this.#enterRoom(message.code);
        break;
      case "drain":
        // Those who talk stay as long as the server does; the others go to whoever takes over.
        if ([...this.#partners.values()].every(({ isAlone }) => isAlone)) {
          this.#resumeToken = "";
          this.#signaling.renew(message.after_ms);
        }
        break;
      case "error":
        this.#refused(message);
        break;
      default:
    }
  }

  /** @param {import("./protocol.js").ErrorMessage} message */
  #refused(message) {
    const { code, text, session, n, retry_ms } = message;
    // We have left a session that was over already.
    if (session !== undefined && n === undefined && this.#left.has(session) && CROSSINGS.has(code)) return;
    if (session === undefined) this.#requests.refuse(code, message.for);
    // We do nothing, says the server, and we talk.
    if (code === "expired" && this.#hasCallAlone) return;
    if (session !== undefined && n !== undefined) {
      // Not passed on, so the partner would wait for it without end; or it crossed the session's end.
      if (this.#partners.get(session)?.isAlone === false) this.#abandon(session, "payload-refused", text);
    } else if (code === "too-fast" && (message.for ?? session) === undefined && this.#partners.size > 0) {
      // One of ours is lost that was not even read, whichever: a new connection makes up for it.
      this.#signaling.replace(retry_ms ?? 0);
    } else this.emit("error", message);
  }

  /** @param {import("./protocol.js").Matched} matched */
  #meet(matched) {
    const id = matched.session;
    if (this.#left.has(id)) {
      this.#leaveOne(id);
      return;
    }
    if (this.#partners.has(id)) return;
    const { media, secret } = this.#requests.meet() ?? this.#lastTerms;
    const exposure = stricter(matched.exposure, this.#exposure);
    let courier, call;
    try {
      courier = new Courier(matched, secret);
      call = new Session(matched, media, this.#tracks, exposure, courier);
    } catch {
      this.#abandon(id, "payload-refused", "The browser does not understand where the relay is.");
      return;
    }
    const partner = { call, courier, verification: null, isAlone: false, met: "" };
    this.#partners.set(id, partner);
    this.#lastSession = id;
    this.#follow(id, partner);
    call.setDevices(this.#devices);
    const relays = matched.ice.flatMap(({ urls }) => urls);
    for (const [other, { isAlone, call: alone, met }] of [...this.#partners]) {
      if (!isAlone) continue;
      alone.sayMet(id);
      if (met === id) this.#replace(other);
    }
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
      partner.verification = { signs, invited: courier.hasLinkSecret };
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
    call.on("left", () => this.#partnerLeft(session));
    call.on("replaced", (by) => {
      partner.met = by;
      if (partner.isAlone && this.#partners.has(by)) this.#replace(session);
    });
    call.on("failed", ({ code, text }) => {
      if (!partner.isAlone) this.#abandon(session, code, text);
      // Of such a call the server has said before that the partner is lost.
      else if (this.#end(session)) this.emit("gone", { session, why: "lost" });
    });
  }

  /**
   * Keeps a call that needs no server, where the server has given it up. Whatever the partner's connection to
   * the server does, it ends when the call's own connection fails, or when either of the two leaves.
   * @param {string} session
   */
  #goesOnAlone(session) {
    const partner = this.#partners.get(session);
    if (!partner || !(partner.isAlone || partner.call.isDirect)) return false;
    partner.isAlone = true;
    this.#requests.endMeeting();
    partner.courier.close();
    partner.call.goAlone();
    return true;
  }

  /** In a room the server has brought us together with the same partner again. @param {string} session */
  #replace(session) {
    this.#end(session);
    this.emit("gone", { session, why: "lost" });
  }

  /** @param {string} session */
  #partnerLeft(session) {
    this.#leavePartner(session);
    this.emit("gone", { session, why: "left" });
  }

  /** @param {string} session */
  #leavePartner(session) {
    const isAlone = this.#partners.get(session)?.isAlone === true;
    this.#sayGoodbye(session);
    return this.#end(session) && (isAlone || this.#leaveOne(session));
  }

  /** Where the server cannot tell a partner that we leave, the call itself may. @param {string} session */
  #sayGoodbye(session) {
    const partner = this.#partners.get(session);
    if (partner && (partner.isAlone || !this.#signaling.isOpen)) partner.call.sayGoodbye();
  }

  /**
   * Ends this session, and no other.
   * @param {string} session
   * @param {string} code
   * @param {string} text
   */
  #abandon(session, code, text) {
    this.#sayGoodbye(session);
    this.#end(session);
    this.#leaveOne(session);
    this.emit("failed", { session, code, text });
  }

  /**
   * Tells the server that a session is over. Where that gets lost, it is said when the server speaks of the
   * session again; who has no other comes back as somebody else.
   * @param {string} session
   */
  #leaveOne(session) {
    const sent = this.#signaling.send({ t: "leave", session });
    if (!sent && this.#partners.size === 0) this.#resumeToken = "";
    this.#left.add(session);
    return sent;
  }

  /** @param {string} session */
  #end(session) {
    const partner = this.#partners.get(session);
    partner?.call.close();
    partner?.courier.close();
    const isEnded = this.#partners.delete(session);
    if (isEnded && this.#partners.size === 0) this.#requests.endMeeting();
    return isEnded;
  }

  #endAll() {
    for (const id of [...this.#partners.keys()]) {
      this.#sayGoodbye(id);
      this.#end(id);
    }
  }

  /**
   * Asks to be let in somewhere. Until the server has answered, nothing changes.
   * @param {Extract<import("./protocol.js").ClientMessage, { t: "find" | "open" | "join" }>} message
   * @param {Media} media
   * @param {Bytes | null} secret
   */
  #ask(message, media, secret) {
    // The server knows of no call, and would take us for somebody who is free.
    if (this.#hasCallAlone) {
      this.emit("error", { code: "bad-state", text: "a call goes on; leave it first" });
      return false;
    }
    if (!this.#signaling.send(message)) return false;
    if (message.t === "find") [this.#want, this.#knowsWant] = [message.want, true];
    this.#requests.add(message.t, { media, secret });
    return true;
  }

  get #hasCallAlone() {
    return [...this.#partners.values()].some(({ isAlone }) => isAlone);
  }

  /** Whoever comes when we have just stopped waiting, or do not know any more that we did. */
  get #lastTerms() {
    return { media: this.#want?.media ?? "video", secret: null };
  }

  /** @param {string} code */
  #enterRoom(code) {
    const secret = this.#requests.enterRoom()?.secret ?? null;
    this.emit("room", { code, invitation: secret === null ? code : `${code}.${toBase64url(secret)}` });
  }

  /**
   * Sends what gives up our place. Where that cannot be said, we come back as somebody else.
   * @param {Extract<import("./protocol.js").ClientMessage, { t: "next" | "leave" | "cancel" }>} message
   */
  #part(message) {
    const sent = this.#signaling.send(message);
    if (!sent) this.#resumeToken = "";
    this.#left.clear();
    this.#requests.leave();
    if (sent) this.#requests.add(message.t, this.#lastTerms);
    return sent;
  }
}

/** Answers to what was right when it was said. */
const CROSSINGS = new Set(["bad-session", "bad-state"]);

/** @type {Exposure[]} */
const EXPOSURES = ["relay", "consent", "direct"];
/** @type {import("./wire.js").Kind[]} */
const KINDS_OF_WIRE = ["websocket", "webtransport"];
const KINDS = /** @type {const} */ (["audio", "video"]);
