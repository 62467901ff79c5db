/**
 * One call with one partner: drives an `RTCPeerConnection` by perfect negotiation (the callee is polite, the
 * caller starts) and lets nothing past the gate, either way. It deliberately knows no server and no page.
 * RFC 8829 (JSEP), RFC 8840 (trickle), RFC 8832 (data channels).
 * @module
 */

import { incomingCandidate, outgoingCandidate } from "./candidates.js";
import { Emitter } from "./emitter.js";
import { GateError, gate, tellsWhoSpeaks } from "./gate.js";
import * as limits from "./limits.js";
import { parseDescription } from "./protocol.js";

/** @typedef {import("./protocol.js").Body} Body */
/** @typedef {import("./protocol.js").Matched} Matched */
/** @typedef {import("./protocol.js").Media} Media */
/** @typedef {"connecting" | "connected" | "interrupted"} State */
/** @typedef {"relay-unreachable" | "media-lost" | "payload-refused"} Failure */
/** @typedef {{ microphone: boolean, camera: boolean }} Devices */
/**
 * `failed` is the last event of a session; it has been closed.
 * @typedef {{
 *   body: Body, state: State, stream: MediaStream, text: string, devices: Devices,
 *   failed: { code: Failure, text: string },
 * }} Events
 */

/** @extends {Emitter<Events>} */
export class Session extends Emitter {
  #pc;
  #polite;
  /** @type {Media} */
  #media;
  #channel;
  #remote = new MediaStream();
  /** Only a label: tracks that share it are played in step. */
  #together = new MediaStream();
  /** @type {Map<"audio" | "video", MediaStreamTrack | null>} */
  #local;
  /** @type {Map<"audio" | "video", RTCRtpSender>} */
  #senders = new Map();
  /** Before the first offer was made (caller) or answered (callee), nothing is negotiated. */
  #started = false;
  #makingOffer = false;
  #ignoredOffer = false;
  #closed = false;
  #wasConnected = false;
  /** ICE is being restarted, once for every interruption. */
  #restarted = false;
  /** Of the last description sent. */
  #sentCandidates = 0;
  #hasRelay = false;
  #receivedCandidates = 0;
  /** @type {RTCIceCandidateInit[]} */
  #batch = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #batchTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #stateTimer;
  #inbox = Promise.resolve();
  #inboxMessages = 0;
  #textBudget = limits.text_burst_max;
  #textBudgetAt_ms = performance.now();
  /** @type {Devices} */
  #devices = { microphone: false, camera: false };

  /**
   * Call {@link start} once the listeners are in place.
   * @param {Matched} matched
   * @param {Media} media what this side takes part in; the partner's other kinds are declined
   * @param {{ audio?: MediaStreamTrack | null, video?: MediaStreamTrack | null }} tracks
   */
  constructor(matched, media, { audio = null, video = null }) {
    super();
    this.#polite = matched.role === "callee";
    this.#media = media;
    this.#local = new Map([
      ["audio", audio],
      ["video", video],
    ]);
    this.#pc = new RTCPeerConnection({
      iceServers: matched.ice,
      iceTransportPolicy: "relay",
      bundlePolicy: "max-bundle",
    });
    // Agreed on by its number, so that both sides can use it without a negotiation of its own.
    this.#channel = this.#pc.createDataChannel("text", { negotiated: true, id: 0 });
    this.#listen();
  }

  /** The caller makes the first offer; the callee waits for it. */
  start() {
    this.emit("state", "connecting");
    this.#stateTimer = setTimeout(
      () => this.#fail("relay-unreachable", "no connection in time"),
      limits.connect_ms_max,
    );
    if (this.#polite) return;
    this.#attachTracks();
    this.#started = true;
    void this.#offer();
  }

  /**
   * Takes what the partner sent, in order.
   * @param {Record<string, unknown>} body
   */
  handleBody(body) {
    if (this.#closed) return;
    if (this.#inboxMessages >= limits.inbox_messages_max) {
      this.#fail("payload-refused", "the partner sent too much at once");
      return;
    }
    this.#inboxMessages += 1;
    this.#inbox = this.#inbox.then(async () => {
      this.#inboxMessages -= 1;
      if (this.#closed) return;
      try {
        if ("desc" in body) await this.#acceptDescription(body.desc);
        else if ("cand" in body) await this.#acceptCandidates(body.cand);
      } catch (error) {
        this.#refuse(error);
      }
    });
  }

  /**
   * Sends a text to the partner, past the server.
   * @param {string} text
   * @returns {boolean} false where it is empty, too long, or cannot be sent now
   */
  sendText(text) {
    if (text === "" || text.length > limits.text_chars_max) return false;
    return this.#sendOnChannel({ text });
  }

  /**
   * Replaces what is sent, or stops sending it with `null`, without a new negotiation where the kind was sent
   * before.
   * @param {"audio" | "video"} kind
   * @param {MediaStreamTrack | null} track
   */
  async setTrack(kind, track) {
    this.#local.set(kind, track);
    const sender = this.#senders.get(kind);
    if (sender) await sender.replaceTrack(track);
    else if (track && this.#started && !this.#closed) this.#attachTracks();
  }

  /**
   * Tells the partner what to show in place of a picture that is off.
   * @param {Devices} devices
   */
  setDevices(devices) {
    this.#devices = devices;
    this.#sendOnChannel({ devices });
  }

  /** Ends the call on this side and frees everything. The tracks belong to the page and go on. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.silence();
    clearTimeout(this.#batchTimer);
    clearTimeout(this.#stateTimer);
    for (const track of this.#remote.getTracks()) {
      track.stop();
      this.#remote.removeTrack(track);
    }
    this.#channel.close();
    this.#pc.close();
  }

  #listen() {
    const pc = this.#pc;
    pc.addEventListener("negotiationneeded", () => {
      if (this.#started) void this.#offer();
    });
    pc.addEventListener("icecandidate", ({ candidate }) => this.#collect(candidate));
    pc.addEventListener("icegatheringstatechange", () => {
      if (pc.iceGatheringState !== "complete" || this.#hasRelay) return;
      this.#fail("relay-unreachable", "the relay gave no address");
    });
    pc.addEventListener("connectionstatechange", () => this.#follow(pc.connectionState));
    pc.addEventListener("track", ({ track }) => {
      for (const old of this.#remote.getTracks()) {
        if (old.kind === track.kind) this.#remote.removeTrack(old);
      }
      this.#remote.addTrack(track);
      this.emit("stream", this.#remote);
    });
    this.#channel.addEventListener("open", () => this.setDevices(this.#devices));
    this.#channel.addEventListener("message", ({ data }) => this.#receiveOnChannel(data));
  }

  #attachTracks() {
    for (const [kind, track] of this.#local) {
      if (track && !this.#senders.has(kind))
        this.#senders.set(kind, this.#pc.addTrack(track, this.#together));
    }
    this.#restrict();
  }

  /** Declines kinds of media this side did not ask for, and header extensions that show who speaks. */
  #restrict() {
    for (const transceiver of this.#pc.getTransceivers()) {
      const kind = transceiver.receiver.track.kind;
      const wanted = this.#media === "video" || (this.#media === "audio" && kind === "audio");
      if (!wanted && transceiver.direction !== "stopped") transceiver.direction = "inactive";
      hideWhoSpeaks(transceiver);
    }
  }

  async #offer() {
    if (this.#closed) return;
    try {
      this.#makingOffer = true;
      await this.#pc.setLocalDescription();
      this.#sendDescription();
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.#makingOffer = false;
    }
  }

  #sendDescription() {
    const description = this.#pc.localDescription;
    if (this.#closed || !description || (description.type !== "offer" && description.type !== "answer"))
      return;
    this.#flush();
    const sdp = gate(description.sdp);
    this.#sentCandidates = sdp.split("\r\na=candidate:").length - 1;
    this.emit("body", { desc: { type: description.type, sdp } });
  }

  /** @param {unknown} value */
  async #acceptDescription(value) {
    const description = parseDescription(value);
    if (description === null) throw new GateError("it is not a session description");
    const sdp = gate(description.sdp);
    const isOffer = description.type === "offer";
    const collides = isOffer && (this.#makingOffer || this.#pc.signalingState !== "stable");
    this.#ignoredOffer = !this.#polite && collides;
    if (this.#ignoredOffer) return;
    // Tracks added now join the offered sections; added later they would ask for sections of their own.
    if (isOffer && !this.#started) this.#attachTracks();
    await this.#pc.setRemoteDescription({ type: description.type, sdp });
    this.#restrict();
    if (!isOffer) return;
    await this.#pc.setLocalDescription();
    this.#started = true;
    this.#sendDescription();
  }

  /** @param {unknown} value */
  async #acceptCandidates(value) {
    if (!Array.isArray(value) || value.length > limits.session_candidates_max) {
      throw new GateError("it is not a list of candidates");
    }
    this.#receivedCandidates += value.length;
    if (this.#receivedCandidates > limits.session_candidates_max)
      throw new GateError("it has too many candidates");
    for (const candidate of value.map(incomingCandidate)) {
      if (candidate === null) continue;
      // A candidate of an offer that was ignored, or of a generation that is over, fits nothing: not an
      // error.
      await this.#pc.addIceCandidate(candidate).catch(() => {});
    }
  }

  /** @param {RTCIceCandidate | null} candidate */
  #collect(candidate) {
    const outgoing = candidate && outgoingCandidate(candidate.toJSON());
    if (!outgoing || this.#closed || this.#sentCandidates >= limits.description_candidates_max) return;
    this.#hasRelay = true;
    const pause_ms = this.#sentCandidates === 0 ? limits.batch_first_ms : limits.batch_ms;
    this.#sentCandidates += 1;
    this.#batch.push(outgoing);
    this.#batchTimer ??= setTimeout(() => this.#flush(), pause_ms);
  }

  #flush() {
    clearTimeout(this.#batchTimer);
    this.#batchTimer = undefined;
    if (this.#batch.length > 0) this.emit("body", { cand: this.#batch.splice(0) });
  }

  /** @param {RTCPeerConnectionState} state */
  #follow(state) {
    if (this.#closed) return;
    if (state === "connected") {
      clearTimeout(this.#stateTimer);
      this.#wasConnected = true;
      this.emit("state", "connected");
      this.#restarted = false;
    } else if (state === "failed" && !this.#wasConnected) {
      this.#fail("relay-unreachable", "no path through the relay");
    } else if (state === "failed" && this.#restarted) {
      this.#fail("media-lost", "the connection did not come back");
    } else if ((state === "failed" || state === "disconnected") && !this.#restarted) {
      this.emit("state", "interrupted");
      clearTimeout(this.#stateTimer);
      this.#stateTimer = setTimeout(() => this.#restart(), state === "failed" ? 0 : limits.heal_ms_max);
    }
  }

  #restart() {
    this.#restarted = true;
    this.#pc.restartIce();
    this.#stateTimer = setTimeout(
      () => this.#fail("media-lost", "the connection did not come back"),
      limits.restart_ms_max,
    );
  }

  /** @param {unknown} error */
  #refuse(error) {
    if (this.#closed) return;
    const why = error instanceof GateError ? error.message : "the browser refused it";
    this.#fail("payload-refused", `A call set-up was refused: ${why}.`);
  }

  /**
   * @param {Failure} code
   * @param {string} text
   */
  #fail(code, text) {
    if (this.#closed) return;
    this.emit("failed", { code, text });
    this.close();
  }

  /** @param {{ text: string } | { devices: Devices }} message */
  #sendOnChannel(message) {
    const channel = this.#channel;
    if (channel.readyState !== "open" || channel.bufferedAmount > limits.text_buffered_bytes_max)
      return false;
    channel.send(JSON.stringify(message));
    return true;
  }

  /** @param {unknown} data */
  #receiveOnChannel(data) {
    const now_ms = performance.now();
    const grown = ((now_ms - this.#textBudgetAt_ms) / 1_000) * limits.text_per_s_max;
    this.#textBudget = Math.min(limits.text_burst_max, this.#textBudget + grown) - 1;
    this.#textBudgetAt_ms = now_ms;
    if (this.#textBudget < 0 || typeof data !== "string" || data.length > limits.text_chars_max * 8) return;
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    if (typeof message?.text === "string" && message.text !== "") {
      this.emit("text", message.text.slice(0, limits.text_chars_max));
    } else if (typeof message?.devices === "object" && message.devices !== null) {
      const { microphone, camera } = message.devices;
      this.emit("devices", { microphone: microphone === true, camera: camera === true });
    }
  }
}

/**
 * Takes the audio level extensions out of what this browser offers, where it lets us; the gate takes them out
 * of the text in every browser.
 * @param {RTCRtpTransceiver} transceiver
 */
function hideWhoSpeaks(transceiver) {
  /** @typedef {{ uri: string, direction: string }} Extension */
  const { setHeaderExtensionsToNegotiate, getHeaderExtensionsToNegotiate } =
    /** @type {Partial<Record<string, Function>>} */ (/** @type {unknown} */ (transceiver));
  if (!setHeaderExtensionsToNegotiate || !getHeaderExtensionsToNegotiate) return;
  const extensions = /** @type {Extension[]} */ (getHeaderExtensionsToNegotiate.call(transceiver));
  for (const extension of extensions) if (tellsWhoSpeaks(extension.uri)) extension.direction = "stopped";
  setHeaderExtensionsToNegotiate.call(transceiver, extensions);
}
