/**
 * What happens, in which order, and what the person is told: the page's decisions between the SDK, this
 * side's devices and the screen.
 * @module
 */

import { Ginnel } from "../sdk/ginnel.js";
import { Chat } from "./chat.js";
import { LocalMedia } from "./media.js";
import { noticeFor } from "./notices.js";
import { Privacy } from "./privacy.js";
import { View } from "./view.js";

/** @typedef {import("../sdk/protocol.js").Want} Want */
/** @typedef {import("../sdk/session.js").Devices} Devices */
/** @typedef {import("./notices.js").Action} Action */
/**
 * What the person asked for. It outlives partners and reconnections, and ends with Stop.
 * @typedef {{ kind: "stranger" | "host" | "guest", want: Want, code: string }} Goal
 */
/**
 * `asking` for devices, `requesting` at the server (or waiting for a connection to it), `waiting` for a
 * partner, `connecting` to one, `connected`, `gone`: the partner is, we are not.
 * @typedef {"start" | "asking" | "requesting" | "waiting" | "connecting" | "connected" | "gone"} Phase
 */

export class Call {
  #ginnel = new Ginnel();
  #local = new LocalMedia((kind) => this.#loseDevice(kind));
  #view = new View((action) => this.#act(action));
  #chat = new Chat((text) => this.#ginnel.sendText(text));
  #privacy = new Privacy({
    goDirect: () => this.#ginnel.goDirect(),
    differs: () => this.#endForSafety(),
  });
  /** @type {Goal | null} */
  #goal = null;
  /** The last goal, for "Try again". @type {Goal | null} */
  #lastGoal = null;
  /** @type {Phase} */
  #phase = "start";
  /** Which notice is on the screen. */
  #notice = "";
  /** @type {string[]} */
  #common = [];
  /** @type {string[]} */
  #relays = [];
  /** Which way the packets take. @type {import("../sdk/session.js").Path} */
  #path = "relay";

  constructor() {
    const ginnel = this.#ginnel;
    ginnel.on("open", ({ welcome, resumed, cut }) => this.#serverIsBack(welcome, resumed, cut));
    ginnel.on("lost", ({ attempts }) => this.#serverIsGone(attempts));
    ginnel.on("waiting", ({ bin }) => this.#wait(bin));
    ginnel.on("room", ({ invitation }) => this.#waitInRoom(invitation));
    ginnel.on("matched", ({ common, relays, exposure }) => this.#meet(common, relays, exposure));
    ginnel.on("verify", (verification) => this.#privacy.showString(verification));
    ginnel.on("state", ({ state }) => this.#follow(state));
    ginnel.on("path", ({ path }) => this.#showPath(path));
    ginnel.on("consent", (consent) => this.#privacy.showConsent(consent));
    ginnel.on("stream", ({ stream }) => this.#view.showRemote(stream));
    ginnel.on("text", ({ text }) => this.#chat.receive(text));
    ginnel.on("devices", (devices) => this.#showPartnersDevices(devices));
    ginnel.on("gone", ({ why }) => this.#partnerGone(why));
    ginnel.on("failed", ({ code, text }) => this.#sessionFailed(code, text));
    ginnel.on("error", ({ code, text }) => this.#refused(code, text));
    ginnel.connect();
  }

  /**
   * Asks for the devices, then for a partner.
   * @param {Goal} goal
   */
  async begin(goal) {
    this.#hideNotice();
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
    this.#chat.clear();
    this.#enter("start");
    this.#view.showStart(false);
  }

  /** The page is being left. */
  leavePage() {
    this.#ginnel.close();
    this.#local.release();
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
    const { kind, want, code } = goal;
    if (kind === "stranger") this.#ginnel.find(want);
    else if (kind === "host") this.#ginnel.open(want.media);
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
    // Back after a loss, with a partner in the room: there is nothing to wait for.
    if (this.#phase === "connected" || this.#phase === "connecting") return;
    this.#enter("waiting");
    this.#showRoom("Your room is open", "Send this link to one person, and stay here until they join.");
  }

  /** @param {string} title @param {string} text */
  #showRoom(title, text) {
    const link = new URL(`#${this.#goal?.code ?? ""}`, location.href).href;
    this.#view.showOverlay({ title, text, link });
  }

  /**
   * @param {string[]} common
   * @param {string[]} relays
   * @param {import("../sdk/protocol.js").Exposure} exposure
   */
  #meet(common, relays, exposure) {
    if (this.#goal === null) {
      this.#ginnel.leave();
      return;
    }
    this.#hideNotice();
    this.#common = common;
    this.#relays = relays;
    this.#path = "relay";
    this.#privacy.begin(exposure, this.#goal.want.media);
    this.#chat.clear();
    this.#enter("connecting");
  }

  /** @param {import("../sdk/session.js").State} state */
  #follow(state) {
    if (state === "connected" && this.#phase !== "connected") {
      this.#enter("connected");
      if (this.#common.length > 0) this.#chat.note(`You share: ${this.#common.join(", ")}`);
      if (this.#goal?.want.media === "audio") this.#view.showRemoteOff("Talking by voice");
      if (matchMedia("(hover: hover)").matches) this.#chat.focus();
    } else if (state === "connected") {
      this.#view.showStatus(CONNECTED[this.#path], "good");
    } else if (state === "interrupted") {
      this.#view.showStatus("Connection interrupted, trying to mend it", "bad");
    }
  }

  /** @param {Devices} devices */
  #showPartnersDevices({ microphone, camera }) {
    const media = this.#goal?.want.media;
    if (media === "text") return;
    const speaks = microphone ? "Talking by voice" : "Your partner's microphone is off";
    const off = microphone ? "Your partner's camera is off" : "Your partner's camera and microphone are off";
    this.#view.showRemoteOff(media === "audio" ? speaks : camera ? "" : off);
    const connected = CONNECTED[this.#path];
    this.#view.showStatus(camera && !microphone ? `${connected}, your partner is muted` : connected, "good");
  }

  /** @param {import("../sdk/session.js").Path} path */
  #showPath(path) {
    this.#path = path;
    this.#privacy.showPath(path);
    if (this.#phase === "connected") this.#view.showStatus(CONNECTED[path], "good");
  }

  /** The two strings differ: nothing that was said is private. */
  #endForSafety() {
    this.#ginnel.leave();
    this.#sessionFailed("strings-differ", "");
  }

  /** @param {string} why */
  #partnerGone(why) {
    const title = GONE[why] ?? GONE.ended;
    this.#chat.note(`${title}.`);
    if (this.#goal?.kind === "stranger") {
      this.#enter("gone");
      this.#view.showOverlay({ title, again: true });
    } else if (why === "ended") {
      // Its time was up, and the room's with it.
      this.#phase = "gone";
      this.stop();
      this.#showNotice("expired");
      return;
    } else {
      this.#enter("waiting");
      this.#showRoom(title, "The room stays open as long as you are in it. This link still works.");
    }
    this.#view.showStatus(title, "bad");
  }

  /** @param {string} code @param {string} text */
  #sessionFailed(code, text) {
    const inRoom = this.#goal?.kind !== "stranger";
    if (inRoom) {
      // The SDK has left the room with the session.
      this.#phase = "gone";
      this.stop();
    } else {
      this.#enter("gone");
      this.#view.showOverlay({ title: "The conversation is over", again: true });
      this.#view.showStatus("Not connected", "bad");
    }
    this.#showNotice(code, undefined, text);
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
    if (!answersUs && (CROSSINGS.has(code) || this.#phase === "start")) return;
    if (answersUs || code === "expired") {
      this.#phase = "gone";
      this.stop();
    }
    this.#showNotice(code, undefined, text);
  }

  /** @param {number} attempts how many had failed before */
  #serverIsGone(attempts) {
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
    this.#view.offerRooms(welcome.policy.rooms !== false);
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
    if (!hasPartner) {
      this.#view.clearRemote();
      this.#privacy.end();
    }
    if (isTalking) this.#view.showOverlay(null);
    else if (phase === "connecting")
      this.#view.showOverlay({ title: "Somebody is here", text: "Connecting you.", busy: true });
    else if (phase === "requesting") this.#view.showOverlay({ title: "Asking the server", busy: true });
    const [words, mood] = isTalking ? [CONNECTED[this.#path], /** @type {const} */ ("good")] : PHASES[phase];
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

/** @type {Record<string, string>} */
const GONE = {
  left: "Your partner left",
  lost: "Your partner's connection was lost",
  ended: "The conversation ended",
};

/** Answers to messages that were right when they were sent. */
const CROSSINGS = new Set(["bad-session", "bad-state"]);
