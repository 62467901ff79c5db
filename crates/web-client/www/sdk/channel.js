/**
 * What two partners tell each other over the data channel, past the server: first who they are, then texts,
 * which devices are on, and that they leave. It deliberately knows no connection and ends none.
 * @module
 */

import { Budget } from "./budget.js";
import { Emitter, report } from "./emitter.js";
import * as limits from "./limits.js";

/** @typedef {{ microphone: boolean, camera: boolean }} Devices */
/**
 * What is shown first, and checked.
 * @typedef {Pick<import("./courier.js").Courier, "proof" | "isPartnersProof">} Prover
 */
/**
 * `proven` comes once and before all others, and says whether the other end is the partner; if not, nothing
 * follows. `left`: the partner says goodbye; `replaced`: it has met us again in that session; `closed`: there
 * is no channel any more.
 * @typedef {{
 *   proven: boolean, text: string, devices: Devices, left: null, replaced: string, closed: null,
 * }} Events
 */

/** @extends {Emitter<Events>} */
export class Channel extends Emitter {
  #channel;
  #prover;
  #isPartnersCertificate;
  /** We have shown that we hold this session's keys. */
  #hasShown = false;
  /** The partner has shown that it does. */
  #isProven = false;
  #closed = false;
  #inbox = Promise.resolve();
  #outgoing = new Budget(limits.text_burst_max, limits.text_per_s_max);
  #incoming = new Budget(limits.heard_burst_max, limits.text_per_s_max);
  /** @type {Devices} */
  #devices = { microphone: false, camera: false };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #devicesTimer;

  /**
   * @param {RTCDataChannel} channel
   * @param {Prover} prover
   * @param {() => Promise<boolean>} isPartnersCertificate is the live connection with whom it should be
   */
  constructor(channel, prover, isPartnersCertificate) {
    super();
    this.#channel = channel;
    this.#prover = prover;
    this.#isPartnersCertificate = isPartnersCertificate;
    channel.addEventListener("open", () => void this.#show());
    channel.addEventListener("message", ({ data }) => this.#receive(data));
    channel.addEventListener("close", () => this.emit("closed", null));
  }

  /** Have both shown who they are, and is there a channel? */
  get isOpen() {
    return this.#hasShown && this.#isProven && this.#channel.readyState === "open";
  }

  /**
   * Would this text leave now? Not if it is empty or too long, if the partner cannot be reached, or if so
   * much has been written that the partner might drop it.
   * @param {string} text
   */
  canSendText(text) {
    if (typeof text !== "string" || text === "" || text.length > limits.text_chars_max) return false;
    return this.#canSend && this.#outgoing.has();
  }

  /** @param {string} text @returns {boolean} whether it left */
  sendText(text) {
    return this.canSendText(text) && this.#send({ text });
  }

  /** Tells the partner, at once or as soon as it can be told. @param {Devices} devices */
  setDevices(devices) {
    this.#devices = devices;
    clearTimeout(this.#devicesTimer);
    if (this.#closed || !this.isOpen || this.#send({ devices })) return;
    this.#devicesTimer = setTimeout(() => this.setDevices(devices), limits.devices_retry_ms);
  }

  /** Says goodbye, if anybody hears it. */
  sayGoodbye() {
    if (this.isOpen) this.#channel.send(JSON.stringify({ bye: true }));
  }

  /** Says that we have met somebody, perhaps this partner. @param {string} session */
  sayMet(session) {
    if (this.isOpen) this.#channel.send(JSON.stringify({ met: session }));
  }

  close() {
    this.#closed = true;
    this.silence();
    clearTimeout(this.#devicesTimer);
    this.#channel.close();
  }

  get #canSend() {
    return this.isOpen && this.#channel.bufferedAmount <= limits.text_buffered_bytes_max;
  }

  /** @param {{ text: string } | { devices: Devices }} message */
  #send(message) {
    if (!this.#canSend || !this.#outgoing.take()) return false;
    this.#channel.send(JSON.stringify(message));
    return true;
  }

  /** Shows that this end holds the session's keys, before it says anything else. */
  async #show() {
    const proof = await this.#prover.proof();
    if (this.#closed || this.#channel.readyState !== "open") return;
    this.#channel.send(JSON.stringify({ proof }));
    this.#hasShown = true;
    this.setDevices(this.#devices);
  }

  /** @param {unknown} data */
  #receive(data) {
    if (!this.#incoming.take() || typeof data !== "string" || data.length > limits.text_chars_max * 8) return;
    this.#inbox = this.#inbox.then(() => this.#handle(data)).catch(report);
  }

  /** @param {string} data */
  async #handle(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    // The first thing the partner says is who it is.
    if (!this.#isProven) return await this.#check(message?.proof);
    if (this.#closed) return;
    if (typeof message?.text === "string" && message.text !== "") {
      this.emit("text", message.text.slice(0, limits.text_chars_max));
    } else if (typeof message?.devices === "object" && message.devices !== null) {
      const { microphone, camera } = message.devices;
      this.emit("devices", { microphone: microphone === true, camera: camera === true });
    } else if (message?.bye === true) this.emit("left", null);
    else if (typeof message?.met === "string") this.emit("replaced", message.met);
  }

  /** @param {unknown} proof */
  async #check(proof) {
    const isPartner = (await this.#prover.isPartnersProof(proof)) && (await this.#isPartnersCertificate());
    if (this.#closed) return;
    this.#isProven = isPartner;
    this.emit("proven", isPartner);
    this.setDevices(this.#devices);
  }
}
