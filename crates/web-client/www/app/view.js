/**
 * What is on the screen. It knows elements and sentences; what happens and why is decided in `call.js`.
 * @module
 */

import { ACTION_LABELS } from "./notices.js";

/** @typedef {import("../sdk/protocol.js").Media} Media */
/** @typedef {import("./notices.js").Action} Action */
/** @typedef {import("./notices.js").Notice} Notice */
/** @typedef {import("./media.js").LocalMedia} LocalMedia */
/**
 * What lies over the stage while there is no picture.
 * @typedef {{ title: string, text?: string, busy?: boolean, again?: boolean, link?: string }} Overlay
 */

/**
 * An element of the page that must exist.
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no #${id}`);
  return found;
}

export class View {
  #server = element("server", HTMLElement);
  #notice = element("notice", HTMLElement);
  #call = element("call", HTMLElement);
  #overlay = element("overlay", HTMLElement);
  #status = element("status", HTMLElement);
  #remote = element("remote", HTMLVideoElement);
  #self = element("self", HTMLVideoElement);
  #play = element("play", HTMLButtonElement);
  #link = element("link", HTMLInputElement);
  #copy = element("copy", HTMLButtonElement);
  #onAction;
  #invited = false;
  #hasRooms = true;

  /** @param {(action: Action) => void} onAction a button of a notice was pressed */
  constructor(onAction) {
    this.#onAction = onAction;
    this.#play.addEventListener("click", () => this.#tryPlay());
    this.#copy.addEventListener("click", () => this.#copyLink());
    this.#link.addEventListener("focus", () => this.#link.select());
  }

  /** @param {"open" | "connecting" | "lost"} state */
  showServer(state) {
    this.#server.dataset.state = state;
    const words = {
      open: "Server connected",
      connecting: "Connecting to the server",
      lost: "Server unreachable",
    };
    this.#server.textContent = words[state];
  }

  /**
   * The first view: choose, and start.
   * @param {boolean} invited whether the page was opened by a room's link
   */
  showStart(invited) {
    document.body.dataset.view = "start";
    const texts = invited
      ? [
          "You are invited to a private room",
          "Somebody sent you this link. Choose how to talk, then join.",
          "Join the room",
        ]
      : [START.title, START.text, "Start"];
    const ids = ["start-title", "start-text", "go"];
    ids.forEach((id, at) => {
      element(id, HTMLElement).textContent = texts[at];
    });
    element("wishes", HTMLElement).hidden = invited;
    element("decline", HTMLElement).hidden = !invited;
    this.#invited = invited;
    this.offerRooms(this.#hasRooms);
    this.clearRemote();
  }

  /** @param {boolean} hasRooms whether this server lets people open rooms */
  offerRooms(hasRooms) {
    this.#hasRooms = hasRooms;
    for (const id of ["open", "open-hint"]) element(id, HTMLElement).hidden = this.#invited || !hasRooms;
  }

  /** @param {Media} media @param {boolean} inRoom */
  showCall(media, inRoom) {
    document.body.dataset.view = "call";
    this.#call.dataset.media = media;
    element("mute", HTMLElement).hidden = media === "text";
    element("camera", HTMLElement).hidden = media !== "video";
    element("next", HTMLElement).hidden = inRoom;
    this.#call.focus({ preventScroll: true });
  }

  /** @param {boolean} enabled whether there is a partner to leave for the next one */
  enableNext(enabled) {
    element("next", HTMLButtonElement).disabled = !enabled;
  }

  /** @param {Overlay | null} overlay */
  showOverlay(overlay) {
    this.#overlay.hidden = overlay === null;
    const { title = "", text = "", busy = false, again = false, link = "" } = overlay ?? {};
    element("overlay-title", HTMLElement).textContent = title;
    element("overlay-text", HTMLElement).textContent = text;
    element("pulse", HTMLElement).hidden = !busy;
    element("overlay-actions", HTMLElement).hidden = !again;
    element("room", HTMLElement).hidden = link === "";
    this.#link.value = link;
    this.#copy.textContent = "Copy link";
  }

  /** @param {string} text @param {"good" | "busy" | "bad"} mood */
  showStatus(text, mood) {
    this.#status.textContent = text;
    this.#status.dataset.mood = mood;
  }

  /** @param {LocalMedia} local */
  showSelf(local) {
    this.#self.srcObject = local.video ? new MediaStream([local.video]) : null;
    element("self-off", HTMLElement).hidden = local.isCameraOn;
    press("mute", local.audio !== null && !local.isMicrophoneOn, "Mute", "Unmute");
    press("camera", !local.isCameraOn, "Camera off", "Camera on");
    element("mute", HTMLButtonElement).disabled = local.audio === null;
  }

  /** @param {MediaStream} stream */
  showRemote(stream) {
    if (this.#remote.srcObject !== stream) this.#remote.srcObject = stream;
    this.#tryPlay();
  }

  /**
   * What stands in for a picture that the partner does not send.
   * @param {string} text empty: there is a picture
   */
  showRemoteOff(text) {
    element("remote-off", HTMLElement).hidden = text === "";
    element("remote-off-text", HTMLElement).textContent = text;
  }

  clearRemote() {
    this.#play.hidden = true;
    this.#remote.srcObject = null;
    this.showRemoteOff("");
  }

  /** @param {Notice} notice */
  showNotice({ title, text, actions }) {
    element("notice-title", HTMLElement).textContent = title;
    element("notice-text", HTMLElement).textContent = text;
    const buttons = actions.map((action, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.action = action;
      button.textContent = ACTION_LABELS[action];
      if (at === 0) button.className = "primary";
      button.addEventListener("click", () => this.#onAction(action));
      return button;
    });
    element("notice-actions", HTMLElement).replaceChildren(...buttons);
    this.#notice.hidden = false;
    this.#notice.focus();
  }

  hideNotice() {
    this.#notice.hidden = true;
  }

  #tryPlay() {
    this.#remote.play().then(
      () => {
        this.#play.hidden = true;
      },
      // A new partner's stream interrupts the old one's start: only a refusal needs the person's help.
      (error) => {
        this.#play.hidden = error?.name !== "NotAllowedError";
      },
    );
  }

  async #copyLink() {
    try {
      await navigator.clipboard.writeText(this.#link.value);
      this.#copy.textContent = "Copied";
    } catch {
      this.#link.focus();
      this.#copy.textContent = "Press Ctrl+C";
    }
  }
}

/**
 * A toggle: pressed means that the device is off, and the label says what pressing will do.
 * @param {string} id
 * @param {boolean} off
 * @param {string} whenOn
 * @param {string} whenOff
 */
function press(id, off, whenOn, whenOff) {
  const button = element(id, HTMLButtonElement);
  button.dataset.off = String(off);
  const label = button.querySelector("span");
  if (label) label.textContent = off ? whenOff : whenOn;
}

const START = {
  title: element("start-title", HTMLElement).textContent ?? "",
  text: element("start-text", HTMLElement).textContent ?? "",
};
