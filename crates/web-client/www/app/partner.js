/**
 * One partner on the screen: a tile on the stage, and beside the chat what vouches for them and what can be
 * done about them. It decides nothing; what happens and why is in `call.js`.
 * @module
 */

import { Privacy } from "./privacy.js";
import { copyOf, element, part } from "./view.js";

/** @typedef {import("../sdk/protocol.js").Media} Media */
/** @typedef {import("../sdk/protocol.js").Exposure} Exposure */
/** @typedef {import("../sdk/session.js").Devices} Devices */
/** @typedef {import("../sdk/session.js").Path} Path */

export class Partner {
  #tile = copyOf("tile");
  #video = part(this.#tile, "video", HTMLVideoElement);
  #off = part(this.#tile, ".placeholder", HTMLElement);
  #offText = part(this.#tile, ".placeholder span", HTMLElement);
  #play = part(this.#tile, ".play", HTMLButtonElement);
  #caption = part(this.#tile, "figcaption", HTMLElement);
  #media;
  /** What stands beside the chat. */
  privacy;
  /** Which way the packets take. @type {Path} */
  path = "relay";
  isConnected = false;
  /** By which they are called where there are several. */
  name;

  /**
   * @param {string} name
   * @param {{ media: Media, exposure: Exposure }} about
   * @param {import("./privacy.js").Decisions} decisions
   */
  constructor(name, { media, exposure }, decisions) {
    this.name = name;
    this.#media = media;
    this.#caption.textContent = name;
    this.#play.addEventListener("click", () => this.#tryPlay());
    this.privacy = new Privacy(name, { media, exposure }, decisions);
    element("tiles", HTMLElement).append(this.#tile);
    element("privacy", HTMLElement).append(this.privacy.panel);
  }

  /** @param {MediaStream} stream */
  showStream(stream) {
    if (this.#video.srcObject !== stream) this.#video.srcObject = stream;
    this.#tryPlay();
  }

  /** There is a way to them. */
  connect() {
    this.isConnected = true;
    this.#caption.textContent = this.name;
    if (this.#media === "audio") this.#showOff("Talking by voice");
  }

  /** The way to them is broken, for now. */
  interrupt() {
    this.#caption.textContent = `${this.name}: interrupted`;
  }

  /** @param {Devices} devices */
  showDevices({ microphone, camera }) {
    if (this.#media === "text") return;
    const speaks = microphone ? "Talking by voice" : "Your partner's microphone is off";
    const off = microphone ? "Your partner's camera is off" : "Your partner's camera and microphone are off";
    this.#showOff(this.#media === "audio" ? speaks : camera ? "" : off);
  }

  /** They are gone: nothing of them stays on the stage. */
  clear() {
    this.#video.srcObject = null;
    this.#tile.remove();
  }

  /** Nothing more can be done about them either. */
  forget() {
    this.clear();
    this.privacy.panel.remove();
  }

  /** What stands in for a picture that they do not send. @param {string} text empty: there is a picture */
  #showOff(text) {
    this.#off.hidden = text === "";
    this.#offText.textContent = text;
  }

  #tryPlay() {
    this.#video.play().then(
      () => {
        this.#play.hidden = true;
      },
      // A stream that takes another's place interrupts its start: only a refusal needs the person's help.
      (error) => {
        this.#play.hidden = error?.name !== "NotAllowedError";
      },
    );
  }
}
