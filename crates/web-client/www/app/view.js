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

/**
 * A new copy of a template's only element.
 * @param {string} id
 */
export function copyOf(id) {
  const copy = document.importNode(element(id, HTMLTemplateElement).content, true).firstElementChild;
  if (!(copy instanceof HTMLElement)) throw new Error(`the template #${id} is empty`);
  return copy;
}

/**
 * A part of such a copy, which must exist.
 * @template {HTMLElement} T
 * @param {HTMLElement} whole
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 */
export function part(whole, selector, type) {
  const found = whole.querySelector(selector);
  if (!(found instanceof type)) throw new Error(`the page has no ${selector}`);
  return found;
}

export class View {
  #server = element("server", HTMLElement);
  #work = element("work", HTMLProgressElement);
  #notice = element("notice", HTMLElement);
  #admission = element("admission", HTMLFormElement);
  #token = element("token", HTMLInputElement);
  #call = element("call", HTMLElement);
  #overlay = element("overlay", HTMLElement);
  #status = element("status", HTMLElement);
  #self = element("self", HTMLVideoElement);
  #link = element("link", HTMLInputElement);
  #copy = element("copy", HTMLButtonElement);
  #onAction;
  #invited = false;
  #room_size = 2;

  /**
   * @param {(action: Action) => void} onAction a button of a notice was pressed
   * @param {(token: string) => void} onToken somebody has a token of admission
   */
  constructor(onAction, onToken) {
    this.#onAction = onAction;
    this.#admission.addEventListener("submit", (event) => {
      event.preventDefault();
      onToken(this.#token.value.trim());
      this.#token.value = "";
    });
    this.#copy.addEventListener("click", () => this.#copyLink());
    this.#link.addEventListener("focus", () => this.#link.select());
  }

  /** @param {"connecting" | "open" | "working" | "lost" | "refused"} state */
  showServer(state) {
    const words = {
      connecting: "Connecting to the server",
      open: "Server connected",
      working: "The server is busy: a small task first",
      lost: "Server unreachable",
      refused: "The server lets nobody in from here",
    };
    this.#work.hidden = state !== "working";
    this.#server.dataset.state = state === "refused" ? "lost" : state;
    // Said once, not at each step of the work.
    if (this.#server.textContent !== words[state]) this.#server.textContent = words[state];
  }

  /** @param {number} share how far the task is, from 0 to 1 */
  showWork(share) {
    this.showServer("working");
    this.#work.value = share;
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
    this.offerRooms(this.#room_size);
    this.#rescueFocus();
  }

  /** @param {number} size how many a room may hold on this server; 0: it has none */
  offerRooms(size) {
    this.#room_size = size;
    for (const id of ["open", "open-hint"]) element(id, HTMLElement).hidden = this.#invited || size === 0;
    element("size-label", HTMLElement).hidden = size <= 2;
    const choice = element("size", HTMLSelectElement);
    const sizes = Array.from({ length: Math.max(size - 1, 1) }, (_, at) => new Option(String(at + 2)));
    if (choice.length !== sizes.length) choice.replaceChildren(...sizes);
  }

  /** @param {Media} media @param {boolean} inRoom */
  showCall(media, inRoom) {
    document.body.dataset.view = "call";
    this.#call.dataset.media = media;
    element("mute", HTMLElement).hidden = media === "text";
    element("camera", HTMLElement).hidden = media !== "video";
    element("next", HTMLElement).hidden = inRoom;
    element("invite", HTMLElement).hidden = !inRoom || this.#room_size <= 2;
    this.#call.focus({ preventScroll: true });
  }

  /** @param {number} count how many partners are on the stage */
  arrange(count) {
    this.#call.dataset.partners = String(count);
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
    this.#rescueFocus();
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

  /** @param {Notice} notice */
  showNotice({ title, text, actions, asksToken = false }) {
    this.#admission.hidden = !asksToken;
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

  /** The link to the room was copied by the button below the stage. */
  showCopied() {
    say(part(element("invite", HTMLButtonElement), "span", HTMLElement), "Copied", "Copy link");
  }

  /** Puts a link where it can be pasted. @param {string} link @returns {Promise<boolean>} whether it could */
  async copy(link) {
    try {
      await navigator.clipboard.writeText(link);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Who had the focus on something that is gone now, or can do nothing any more, has it where things go on:
   * otherwise the next key would begin at the top of the page.
   */
  #rescueFocus() {
    const active = document.activeElement;
    const isLost = active === null || active === document.body || active.matches(":disabled");
    if (!isLost && active.checkVisibility?.() !== false) return;
    const again = element("again", HTMLButtonElement);
    const start = element("start-title", HTMLElement);
    const view = document.body.dataset.view === "start" ? start : this.#call;
    (again.checkVisibility?.() ? again : view).focus({ preventScroll: true });
  }

  async #copyLink() {
    const isCopied = (await this.copy(this.#link.value)) || this.#copySelected();
    say(this.#copy, isCopied ? "Copied" : "Copy it from the line", "Copy link");
  }

  /** The old way, which works where browsers do not let a page at the clipboard. */
  #copySelected() {
    this.#link.focus();
    this.#link.select();
    return document.execCommand("copy");
  }
}

/**
 * A button answers, and says after a while again what it does.
 * @param {HTMLElement} label
 * @param {string} answer
 * @param {string} usual
 */
function say(label, answer, usual) {
  label.textContent = answer;
  setTimeout(() => (label.textContent = usual), answer_ms);
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

/** How long a button shows that it has done what it does. */
const answer_ms = 3_000;
