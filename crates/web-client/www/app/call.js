/**
 * What happens, in which order, and what the person is told: the page's decisions between the SDK, this
 * side's devices and the screen.
 * @module
 */

import { Ginnel } from "../sdk/ginnel.js";
import { Chat } from "./chat.js";
import { LocalMedia } from "./media.js";
import { noticeFor } from "./notices.js";
import { Partner } from "./partner.js";
import { View } from "./view.js";

/** @typedef {import("../sdk/protocol.js").Want} Want */
/** @typedef {import("../sdk/session.js").Devices} Devices */
/** @typedef {import("./notices.js").Action} Action */
/**
 * What the person asked for. It outlives partners and reconnections, and ends with Stop. `size`: how many the
 * room holds that is to be opened.
 * @typedef {{ kind: "stranger" | "host" | "guest", want: Want, code: string, size: number }} Goal
 */
/**
 * `asking` for devices, `requesting` at the server (or waiting for a connection to it), `waiting` for a
 * partner, `connecting` to one, `connected`, `gone`: the partner is, we are not.
 * @typedef {"start" | "asking" | "requesting" | "waiting" | "connecting" | "connected" | "gone"} Phase
 */

export class Call {
  /** What lets us in, where the server asks for it. */
  #token = "";
  #ginnel = new Ginnel({ token: () => this.#token });
  #local = new LocalMedia((kind) => this.#loseDevice(kind));
  #view = new View(
    (action) => this.#act(action),
    (token) => this.#comeIn(token),
  );
  #chat = new Chat((text) => this.#ginnel.sendText(text));
  /** By their session, in the order in which they came. @type {Map<string, Partner>} */
  #partners = new Map();
  /** The last one who left, who may still be reported. @type {Partner | null} */
  #lastPartner = null;
  /** How many partners this conversation has had: what the next one is called by. */
  #met = 0;
  /** @type {Goal | null} */
  #goal = null;
  /** The last goal, for "Try again". @type {Goal | null} */
  #lastGoal = null;
  /** @type {Phase} */
  #phase = "start";
  /** Others may come by the link; not where a call has outlived its server. */
  #hasRoom = true;
  /** Which notice is on the screen. */
  #notice = "";
  /** @type {string[]} */
  #relays = [];

  constructor() {
    const ginnel = this.#ginnel;
    ginnel.on("open", ({ welcome, resumed, cut, kept }) => {
      if (kept > 0 && !resumed) this.#hasRoom = false;
      this.#serverIsBack(welcome, resumed, cut);
    });
    ginnel.on("lost", ({ attempts, retry_ms }) => this.#serverIsGone(attempts, retry_ms));
    ginnel.on("work", ({ share }) => this.#view.showWork(share));
    ginnel.on("waiting", ({ bin }) => this.#wait(bin));
    ginnel.on("room", ({ invitation }) => this.#waitInRoom(invitation));
    ginnel.on("matched", (matched) => this.#meet(matched));
    ginnel.on("verify", ({ session, ...verification }) => this.#privacyOf(session)?.showString(verification));
    ginnel.on("state", ({ session, state }) => this.#follow(session, state));
    ginnel.on("path", ({ session, path }) => this.#showPath(session, path));
    ginnel.on("consent", ({ session, ...consent }) => this.#privacyOf(session)?.showConsent(consent));
    ginnel.on("stream", ({ session, stream }) => this.#partners.get(session)?.showStream(stream));
    ginnel.on("text", ({ session, text }) => this.#chat.receive(text, this.#nameOf(session)));
    ginnel.on("devices", ({ session, ...devices }) => this.#showPartnersDevices(session, devices));
    ginnel.on("gone", ({ session, why }) => this.#partnerGone(session, why));
    ginnel.on("failed", ({ session, code, text }) => this.#sessionFailed(session, code, text));
    ginnel.on("error", ({ code, text }) => this.#refused(code, text));
    this.#view.showServer("connecting");
    ginnel.connect();
  }

  /**
   * Asks for the devices, then for a partner.
   * @param {Goal} goal
   */
  async begin(goal) {
    this.#hideNotice();
    this.#hasRoom = true;
    this.#goal = goal;
    this.#lastGoal = goal;
    const { media } = goal.want;
    this.#enter("asking");
    this.#view.showCall(media, goal.kind !== "stranger");
    this.#view.showSelf(this.#local);
    if (media !== "text") {
      const devices = media === "video" ? "camera and microphone" : "microphone";
      this.#view.showOverlay({
        title: `Allow your ${devices}`,
        text: "Your browser asks you. Only your partner sees and hears you.",
      });
    }
    const problem = await this.#local.acquire(media);
    if (this.#goal !== goal) return;
    if (problem) {
      this.stop();
      this.#showNotice(problem);
      return;
    }
    this.#useDevices();
    this.#request();
  }

  /** Leaves the partner for another. */
  next() {
    const goal = this.#goal;
    if (goal?.kind !== "stranger") return;
    this.#hideNotice();
    const hasPartner = this.#phase === "connecting" || this.#phase === "connected";
    this.#dropPartners();
    this.#met = 0;
    if (hasPartner && this.#ginnel.next(goal.want)) this.#enter("requesting");
    else this.#request();
    this.#chat.clear();
  }

  /** Ends everything and frees the devices. */
  stop() {
    if (this.#goal !== null) {
      if (this.#goal.kind === "stranger" && this.#phase === "waiting") this.#ginnel.cancel();
      else if (this.#phase !== "asking" && this.#phase !== "gone") this.#ginnel.leave();
    }
    this.#goal = null;
    this.#local.release();
    this.#useDevices();
    this.#dropPartners();
    this.#met = 0;
    this.#chat.clear();
    this.#enter("start");
    this.#view.showStart(false);
  }

  /** The page is being left. */
  leavePage() {
    this.#ginnel.close();
    this.#local.release();
  }

  /** Puts the room's link where it can be pasted. */
  async copyLink() {
    const link = this.#link();
    if (await this.#view.copy(link)) this.#view.showCopied();
    else this.#chat.note(link);
  }

  /** There is a network again, says the browser. */
  reconnect() {
    this.#ginnel.connect();
  }

  /** @param {string} code */
  invite(code) {
    this.stop();
    this.#hideNotice();
    this.#view.showStart(code !== "");
  }

  /** @param {string} code what the person should know, as in `notices.js` */
  say(code) {
    this.#showNotice(code, ["dismiss"]);
  }

  toggleMicrophone() {
    this.#local.toggleMicrophone();
    this.#showDevices();
  }

  async toggleCamera() {
    const goal = this.#goal;
    const problem = await this.#local.toggleCamera();
    if (this.#goal !== goal) return;
    this.#useDevices();
    if (problem) this.say(problem);
  }

  #request() {
    const goal = this.#goal;
    if (goal === null) return;
    this.#enter("requesting");
    // A person's wish ends whatever pause there is; where there is none it changes nothing.
    this.#ginnel.connect();
    const { kind, want, code } = goal;
    if (kind === "stranger") this.#ginnel.find(want);
    else if (kind === "host") this.#ginnel.open(want.media, { size: goal.size });
    else this.#ginnel.join(code, want.media);
  }

  /** @param {number} bin */
  #wait(bin) {
    if (this.#goal?.kind !== "stranger") return;
    this.#enter("waiting");
    this.#view.showOverlay({
      title: "Waiting for somebody",
      text:
        bin > 1
          ? `About ${bin} people are waiting.`
          : "Nobody else is waiting just now. Stay here, and you are connected as soon as somebody comes.",
      busy: true,
    });
  }

  /** @param {string} invitation */
  #waitInRoom(invitation) {
    if (this.#goal === null || this.#goal.kind === "stranger") {
      this.#ginnel.leave();
      return;
    }
    this.#goal.code = invitation;
    // Back after a loss: with a partner there is nothing to wait for, and who waits has read so.
    if (["connected", "connecting", "waiting"].includes(this.#phase)) return;
    this.#enter("waiting");
    if (this.#goal.kind === "guest") {
      this.#view.showOverlay({
        title: "Nobody is here just now",
        text: "Stay here, and you are connected as soon as somebody comes.",
        busy: true,
      });
      return;
    }
    const whom = this.#goal.size > 2 ? `to up to ${this.#goal.size - 1} people` : "to one person";
    this.#showRoom("Your room is open", `Send this link ${whom}, and stay here until they join.`);
  }

  /** @param {string} title @param {string} text */
  #showRoom(title, text) {
    this.#view.showOverlay({ title, text, link: this.#link() });
  }

  #link() {
    return new URL(`#${this.#goal?.code ?? ""}`, location.href).href;
  }

  /** @param {import("../sdk/ginnel.js").Events["matched"]} matched */
  #meet({ session, common, relays, exposure }) {
    const goal = this.#goal;
    if (goal === null) {
      this.#ginnel.leave();
      return;
    }
    this.#hideNotice();
    this.#relays = relays;
    if (this.#partners.size === 0) this.#chat.clear();
    this.#forgetLast();
    this.#met += 1;
    const partner = new Partner(`Guest ${this.#met}`, { media: goal.want.media, exposure }, {
      goDirect: () => this.#ginnel.goDirect(session),
      differs: () => this.#endForSafety(),
      report: (why) => this.#report(session, why),
    });
    this.#partners.set(session, partner);
    this.#view.arrange(this.#partners.size);
    if (this.#phase !== "connected") this.#enter("connecting");
    if (common.length > 0) this.#chat.note(`You share: ${common.join(", ")}`);
  }

  /** @param {string} session @param {import("../sdk/session.js").State} state */
  #follow(session, state) {
    const partner = this.#partners.get(session);
    if (state === "connected" && partner?.isConnected === false) {
      partner.connect();
      if (this.#phase !== "connected") {
        this.#enter("connected");
        if (matchMedia("(hover: hover)").matches) this.#chat.focus();
      } else this.#chat.note(`${partner.name} is here.`);
    } else if (state === "connected") partner?.connect();
    else if (state === "interrupted") partner?.interrupt();
    if (this.#phase !== "connected") return;
    if (state === "interrupted" && this.#partners.size === 1)
      this.#view.showStatus("Connection interrupted, trying to mend it", "bad");
    else this.#view.showStatus(this.#connectedWords(), "good");
  }

  /** @param {string} session @param {Devices} devices */
  #showPartnersDevices(session, devices) {
    this.#partners.get(session)?.showDevices(devices);
    if (this.#phase !== "connected" || this.#goal?.want.media === "text") return;
    const muted = this.#partners.size === 1 && devices.camera && !devices.microphone;
    this.#view.showStatus(this.#connectedWords() + (muted ? ", your partner is muted" : ""), "good");
  }

  /** @param {string} session @param {import("../sdk/session.js").Path} path */
  #showPath(session, path) {
    const partner = this.#partners.get(session);
    if (partner) partner.path = path;
    this.#privacyOf(session)?.showPath(path);
    if (this.#phase === "connected") this.#view.showStatus(this.#connectedWords(), "good");
  }

  #connectedWords() {
    const partners = [...this.#partners.values()].filter(({ isConnected }) => isConnected);
    if (partners.length > 1) return `Connected with ${partners.length} people`;
    return CONNECTED[partners[0]?.path ?? "relay"];
  }

  /** @param {string} session */
  #privacyOf(session) {
    return this.#partners.get(session)?.privacy;
  }

  /** How the chat calls somebody; alone with them there is nothing to tell apart. @param {string} session */
  #nameOf(session) {
    return (this.#met > 1 && this.#partners.get(session)?.name) || "Partner";
  }

  /**
   * Tells the server of a partner, and leaves: who has to be reported need not be borne with.
   * @param {string} session
   * @param {import("../sdk/protocol.js").Reason} why
   */
  #report(session, why) {
    if (!this.#ginnel.report(why, session)) return this.say("server-gone");
    if (this.#goal?.kind === "stranger") {
      if (this.#partners.size > 0) this.#ginnel.leave();
      this.#dropPartners();
      this.#enter("gone");
      this.#view.showOverlay({ title: "You left and reported your partner", again: true });
    } else {
      this.stop();
      this.say("reported");
    }
  }

  /** Takes a partner off the stage; they can be reported until there is another. @param {string} session */
  #retire(session) {
    const partner = this.#partners.get(session);
    if (!partner) return;
    this.#partners.delete(session);
    this.#forgetLast();
    this.#lastPartner = partner;
    partner.clear();
    partner.privacy.end();
    this.#view.arrange(this.#partners.size);
  }

  #forgetLast() {
    this.#lastPartner?.forget();
    this.#lastPartner = null;
  }

  /** Nobody is on the stage any more, and nobody can be reported. */
  #dropPartners() {
    for (const partner of this.#partners.values()) partner.forget();
    this.#partners.clear();
    this.#forgetLast();
    this.#view.arrange(0);
  }

  /** The two strings differ: nothing that was said is private, and who sits there may sit everywhere. */
  #endForSafety() {
    if (this.#goal?.kind === "stranger") {
      this.#ginnel.leave();
      this.#dropPartners();
      this.#showOver();
    } else this.stop();
    this.#showNotice("strings-differ");
  }

  /** @param {string} session @param {string} why */
  #partnerGone(session, why) {
    const name = this.#partners.size > 1 ? this.#nameOf(session) : "Your partner";
    const title = (GONE[why] ?? GONE.ended)(name);
    this.#retire(session);
    this.#chat.note(`${title}.`);
    if (this.#partners.size > 0) {
      this.#showRest();
      return;
    }
    if (this.#goal?.kind === "stranger") {
      this.#enter("gone");
      this.#view.showOverlay({ title, again: true });
    } else if (why === "ended" || !this.#hasRoom) {
      // Its time was up, and the room's with it; or there has been no room for some time.
      this.#phase = "gone";
      this.stop();
      this.#showNotice(why === "ended" ? "time-up" : "outlived-room");
      return;
    } else {
      this.#waitAlone(title);
    }
    this.#view.showStatus(title, "bad");
  }

  /** The last one has gone, and the room is open. @param {string} title */
  #waitAlone(title) {
    this.#enter("waiting");
    this.#showRoom(title, "The room stays open as long as you are in it. This link still works.");
  }

  /** One of several has gone. */
  #showRest() {
    const isTalking = [...this.#partners.values()].some(({ isConnected }) => isConnected);
    this.#enter(isTalking ? "connected" : "connecting");
  }

  /** @param {string} session @param {string} code @param {string} text */
  #sessionFailed(session, code, text) {
    const goal = this.#goal;
    this.#retire(session);
    // Others notice nothing of it, nor does a room that others are still to come to.
    const goesOn = this.#partners.size > 0 || (goal?.kind === "host" && goal.size > 2);
    if (this.#partners.size > 0) this.#showRest();
    else if (goesOn) this.#waitAlone("Your room is still open");
    else if (goal?.kind !== "stranger") this.stop();
    else this.#showOver();
    this.#showNotice(code, goesOn ? ["dismiss"] : undefined, text);
  }

  #showOver() {
    this.#enter("gone");
    this.#view.showOverlay({ title: "The conversation is over", again: true });
    this.#view.showStatus("Not connected", "bad");
  }

  /** @param {string} code @param {string} text */
  #refused(code, text) {
    const answersUs = this.#phase === "requesting";
    // The partner left while we pressed Next: there is nothing to leave any more, only somebody to find.
    if (answersUs && code === "bad-state" && this.#goal?.kind === "stranger") {
      this.#ginnel.find(this.#goal.want);
      return;
    }
    // Something of ours crossed the end of the session on its way, or a page that nobody uses was let go.
    const isShut = SHUT.has(code);
    const isRoom = code === "expired" && this.#goal?.kind === "host";
    if (!answersUs && !isShut && (CROSSINGS.has(code) || this.#phase === "start")) return;
    if (answersUs || code === "expired" || (isShut && this.#phase !== "start")) {
      this.#phase = "gone";
      this.stop();
    }
    this.#showNotice(isRoom ? "room-expired" : code, undefined, text);
  }

  /** @param {number} attempts how many had failed before @param {number} retry_ms until the next one */
  #serverIsGone(attempts, retry_ms) {
    // The notice about it is there already.
    if (retry_ms === Infinity) return this.#view.showServer("refused");
    this.#view.showServer("lost");
    // A call needs no server; whether it can go on is seen when the server is back, or by the call itself.
    const isTalking = this.#phase === "connecting" || this.#phase === "connected";
    // Nothing was cut off, and the next attempt is a moment away: no reason to alarm anybody yet.
    if (this.#phase === "start" && attempts === 0) return;
    if (isTalking && attempts === 0) return;
    if (this.#notice === "") this.#showNotice("server-gone");
  }

  /**
   * @param {import("../sdk/protocol.js").Welcome} welcome
   * @param {boolean} resumed whether we are where we were
   * @param {number} cut how many sessions were cut off
   */
  #serverIsBack(welcome, resumed, cut) {
    this.#view.showServer("open");
    this.#view.offerRooms(welcome.policy.rooms === false ? 0 : welcome.policy.room_size);
    if (this.#notice === "server-gone") this.#hideNotice();
    if (resumed) return;
    const wasWaiting = this.#phase === "requesting" || this.#phase === "waiting";
    if (wasWaiting && this.#goal?.kind === "stranger") {
      this.#request();
    } else if (cut > 0 || this.#phase === "waiting" || this.#phase === "connecting") {
      this.#phase = "gone";
      this.stop();
      this.#showNotice("cut-off");
    } else if (this.#phase === "requesting") this.#request();
  }

  /** @param {Phase} phase */
  #enter(phase) {
    this.#phase = phase;
    const isTalking = phase === "connected";
    const hasPartner = isTalking || phase === "connecting";
    this.#chat.enable(isTalking);
    this.#view.enableNext(hasPartner || phase === "gone");
    if (isTalking) this.#view.showOverlay(null);
    else if (phase === "connecting")
      this.#view.showOverlay({ title: "Somebody is here", text: "Connecting you.", busy: true });
    else if (phase === "requesting") this.#view.showOverlay({ title: "Asking the server", busy: true });
    const [words, mood] = isTalking
      ? [this.#connectedWords(), /** @type {const} */ ("good")]
      : PHASES[phase];
    this.#view.showStatus(words, mood);
    document.title = words === "" ? "Ginnel" : `${words} · Ginnel`;
  }

  /** @param {Action} action */
  #act(action) {
    this.#hideNotice();
    if (action === "reconnect") this.#ginnel.connect();
    else if (action === "find") this.next();
    else if (this.#lastGoal === null || action === "dismiss") return;
    else if (action === "retry") void this.begin(this.#lastGoal);
    else void this.begin({ ...this.#lastGoal, want: { ...this.#lastGoal.want, media: action } });
  }

  /** @param {string} token */
  #comeIn(token) {
    this.#hideNotice();
    this.#token = token;
    this.#ginnel.connect();
  }

  /** @param {"audio" | "video"} kind */
  #loseDevice(kind) {
    void this.#ginnel.setTracks({ [kind]: null });
    this.#showDevices();
    this.#showNotice("device-lost");
  }

  #useDevices() {
    void this.#ginnel.setTracks({ audio: this.#local.audio, video: this.#local.video });
    this.#showDevices();
  }

  #showDevices() {
    this.#view.showSelf(this.#local);
    this.#ginnel.setDevices({ microphone: this.#local.isMicrophoneOn, camera: this.#local.isCameraOn });
  }

  /**
   * @param {string} code
   * @param {Action[]} [actions] instead of the usual ones
   * @param {string} [text] the server's words
   */
  #showNotice(code, actions, text) {
    this.#notice = code;
    const inRoom = this.#lastGoal !== null && this.#lastGoal.kind !== "stranger";
    const notice = noticeFor(code, { text, relays: this.#relays, inRoom });
    this.#view.showNotice(actions ? { ...notice, actions } : notice);
  }

  #hideNotice() {
    this.#notice = "";
    this.#view.hideNotice();
  }
}

const CONNECTED = { relay: "Connected via relay", direct: "Connected directly" };

/** @type {Record<Exclude<Phase, "connected">, [string, "good" | "busy" | "bad"]>} */
const PHASES = {
  start: ["", "busy"],
  asking: ["", "busy"],
  requesting: ["Waiting", "busy"],
  waiting: ["Waiting", "busy"],
  connecting: ["Connecting", "busy"],
  gone: ["Not connected", "bad"],
};

/** @type {Record<string, (name: string) => string>} */
const GONE = {
  left: (name) => `${name} left`,
  lost: (name) => `${name}'s connection was lost`,
  ended: () => "The conversation ended",
};

/** The server lets nobody in from here; a call that runs without it is over too. */
const SHUT = new Set(["banned", "not-admitted"]);

/** Answers to messages that were right when they were sent. */
const CROSSINGS = new Set(["bad-session", "bad-state"]);
