/**
 * One call with one partner: drives an `RTCPeerConnection` by perfect negotiation (the callee is polite, the
 * caller starts) and lets nothing past the gate, either way. It deliberately knows no server and no page.
 * RFC 8829 (JSEP), RFC 8840 (trickle), RFC 8832 (data channels).
 * @module
 */

import { incomingCandidate, outgoingCandidate } from "./candidates.js";
import { Emitter } from "./emitter.js";
import { GateError, fingerprints, gate, tellsWhoSpeaks } from "./gate.js";
import * as limits from "./limits.js";
import { parseDescription } from "./protocol.js";

/** @typedef {import("./candidates.js").Path} Path */
/** @typedef {import("./protocol.js").Exposure} Exposure */
/** @typedef {import("./protocol.js").Body} Body */
/** @typedef {import("./protocol.js").Matched} Matched */
/** @typedef {import("./protocol.js").Media} Media */
/** @typedef {"connecting" | "connected" | "interrupted"} State */
/** @typedef {"relay-unreachable" | "media-lost" | "payload-refused" | "not-your-partner"} Failure */
/** Who has agreed to show the other an address. @typedef {{ own: boolean, partner: boolean }} Consent */
/**
 * What is shown over the data channel.
 * @typedef {Pick<import("./courier.js").Courier, "proof" | "isPartnersProof">} Prover
 */
/** @typedef {{ microphone: boolean, camera: boolean }} Devices */
/** What is sent. @typedef {{ audio?: MediaStreamTrack | null, video?: MediaStreamTrack | null }} Tracks */
/**
 * `failed` is the last event of a session; it has been closed.
 * @typedef {{
 *   body: Body, state: State, stream: MediaStream, text: string, devices: Devices, consent: Consent,
 *   path: Path,
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
  #exposure;
  #prover;
  /** @type {RTCConfiguration} */
  #configuration;
  /** Which candidates pass now, both ways. @type {Path} */
  #allowed;
  /** Which way the packets take. @type {Path | null} */
  #path = null;
  /** @type {Consent} */
  #consent = { own: false, partner: false };
  /** We have shown that we hold this session's keys. */
  #hasShown = false;
  /** The partner has shown that it holds this session's keys. */
  #proven = false;
  /** ICE is being restarted, once for every interruption. */
  #restarted = false;
  /** Of the last description sent. */
  #sentCandidates = 0;
  #hasCandidate = false;
  #receivedCandidates = 0;
  /** @type {RTCIceCandidateInit[]} */
  #batch = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #batchTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #stateTimer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #proofTimer;
  #inbox = Promise.resolve();
  #channelInbox = Promise.resolve();
  #inboxMessages = 0;
  #textBudget = limits.text_burst_max;
  #textBudgetAt_ms = performance.now();
  /** @type {Devices} */
  #devices = { microphone: false, camera: false };

  /**
   * Call {@link start} once the listeners are in place.
   * @param {Matched} matched
   * @param {Media} media what this side takes part in; the partner's other kinds are declined
   * @param {Tracks} tracks
   * @param {Exposure} exposure the stricter of the server's and our own
   * @param {Prover} prover
   */
  constructor(matched, media, { audio = null, video = null }, exposure, prover) {
    super();
    this.#polite = matched.role === "callee";
    this.#media = media;
    this.#exposure = exposure;
    this.#prover = prover;
    this.#allowed = exposure === "direct" ? "direct" : "relay";
    this.#local = new Map([
      ["audio", audio],
      ["video", video],
    ]);
    this.#configuration = {
      iceServers: matched.ice,
      iceTransportPolicy: exposure === "direct" ? "all" : "relay",
      bundlePolicy: "max-bundle",
    };
    this.#pc = new RTCPeerConnection(this.#configuration);
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
        else if (body.direct === true) this.#agree({ ...this.#consent, partner: true });
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
   * Agrees to show the partner this side's addresses, once the partner agrees to the same. It cannot be taken
   * back in this session.
   * @returns {boolean} false where the exposure allows no such thing, or it was done
   */
  goDirect() {
    if (this.#exposure !== "consent" || this.#consent.own || this.#closed) return false;
    this.emit("body", { direct: true });
    this.#agree({ ...this.#consent, own: true });
    return true;
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
    clearTimeout(this.#proofTimer);
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
      if (pc.iceGatheringState !== "complete" || this.#hasCandidate) return;
      this.#fail("relay-unreachable", "the relay gave no address");
    });
    pc.addEventListener("connectionstatechange", () => this.#follow(pc.connectionState));
    pc.addEventListener("track", ({ track }) => {
      for (const old of this.#remote.getTracks()) {
        if (old.kind === track.kind) this.#remote.removeTrack(old);
      }
      this.#remote.addTrack(track);
      if (this.#proven) this.emit("stream", this.#remote);
    });
    this.#channel.addEventListener("open", () => void this.#prove());
    this.#channel.addEventListener("message", ({ data }) => this.#receiveOnChannel(data));
    pc.addEventListener("iceconnectionstatechange", () => void this.#tellPath());
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
    const sdp = gate(description.sdp, this.#allowed);
    this.#sentCandidates = sdp.split("\r\na=candidate:").length - 1;
    this.emit("body", { desc: { type: description.type, sdp } });
  }

  /** @param {unknown} value */
  async #acceptDescription(value) {
    const description = parseDescription(value);
    if (description === null) throw new GateError("it is not a session description");
    const sdp = gate(description.sdp, this.#allowed);
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
    for (const candidate of value.map((each) => incomingCandidate(each, this.#allowed))) {
      if (candidate === null) continue;
      // A candidate of an offer that was ignored, or of a generation that is over, fits nothing: not an
      // error.
      await this.#pc.addIceCandidate(candidate).catch(() => {});
    }
  }

  /** @param {RTCIceCandidate | null} candidate */
  #collect(candidate) {
    const outgoing = candidate && outgoingCandidate(candidate.toJSON(), this.#allowed);
    if (!outgoing || this.#closed || this.#sentCandidates >= limits.description_candidates_max) return;
    this.#hasCandidate = true;
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
      this.#restarted = false;
      if (this.#proven) this.emit("state", "connected");
      else this.#awaitProof();
    } else if (state === "failed" && this.#isReached()) {
      this.#fail("not-your-partner", "the other end has another certificate than your partner");
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

  /** Packets get through: what failed is the encryption. */
  #isReached() {
    return ["connected", "completed"].includes(this.#pc.iceConnectionState);
  }

  /** Shows that this end of the data channel holds the session's keys, before it says anything else. */
  async #prove() {
    const proof = await this.#prover.proof();
    if (this.#closed || this.#channel.readyState !== "open") return;
    this.#channel.send(JSON.stringify({ proof }));
    this.#hasShown = true;
    this.setDevices(this.#devices);
  }

  #awaitProof() {
    this.#proofTimer ??= setTimeout(
      () => this.#fail("not-your-partner", "it did not show in time that it is your partner"),
      limits.proof_ms_max,
    );
  }

  /** @param {unknown} proof */
  async #acceptProof(proof) {
    const isPartner = await this.#prover.isPartnersProof(proof);
    if (this.#closed) return;
    if (!isPartner || !(await this.#isPartnersCertificate())) {
      this.#fail("not-your-partner", "the other end of the connection is not your partner");
      return;
    }
    clearTimeout(this.#proofTimer);
    this.#proven = true;
    this.#followPath();
    void this.#tellPath();
    if (this.#remote.getTracks().length > 0) this.emit("stream", this.#remote);
    if (this.#pc.connectionState === "connected") this.emit("state", "connected");
  }

  /**
   * The live connection's certificate is the one in the sealed description. Browsers check that themselves;
   * this is for one that was told to do otherwise. Where the browser does not tell, there is nothing to
   * check.
   */
  async #isPartnersCertificate() {
    const transport = this.#pc.sctp?.transport;
    const certificate = transport?.getRemoteCertificates?.()[0];
    if (!certificate) return true;
    const promised = fingerprints(this.#pc.remoteDescription?.sdp ?? "");
    for (const { hash, digest } of promised) {
      const bytes = new Uint8Array(await crypto.subtle.digest(hash, certificate));
      if (Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("") === digest) return true;
    }
    return false;
  }

  /** @param {Consent} consent */
  #agree(consent) {
    if (this.#exposure !== "consent") return;
    this.#consent = consent;
    this.emit("consent", consent);
    if (!consent.own || !consent.partner || this.#allowed === "direct") return;
    this.#allowed = "direct";
    this.#configuration = { ...this.#configuration, iceTransportPolicy: "all" };
    this.#pc.setConfiguration(this.#configuration);
    // One side is enough, and both at once would collide.
    if (!this.#polite) this.#pc.restartIce();
  }

  /** Browsers that have it tell when the packets take another way; the others when ICE does something. */
  #followPath() {
    const ice = this.#pc.sctp?.transport?.iceTransport;
    ice?.addEventListener?.("selectedcandidatepairchange", () => {
      void this.#tellPath();
      // The figures may lag behind the event, and no other one follows.
      setTimeout(() => void this.#tellPath(), limits.figures_ms_max);
    });
  }

  async #tellPath() {
    if (this.#closed || !this.#proven) return;
    /** @type {any[]} */
    const stats = [...(await this.#pc.getStats().catch(() => new Map())).values()];
    const chosen = stats.find(({ type }) => type === "transport")?.selectedCandidatePairId;
    const pair = stats.find(({ id, type, selected }) =>
      chosen ? id === chosen : type === "candidate-pair" && selected,
    );
    if (this.#closed || !pair) return;
    const ends = stats.filter(({ id }) => id === pair.localCandidateId || id === pair.remoteCandidateId);
    const path = ends.some(({ candidateType }) => candidateType === "relay") ? "relay" : "direct";
    if (path === this.#path) return;
    this.#path = path;
    this.emit("path", path);
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
    if (!this.#hasShown) return false;
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
    this.#channelInbox = this.#channelInbox.then(() => this.#handleOnChannel(data));
  }

  /** @param {string} data */
  async #handleOnChannel(data) {
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return;
    }
    // The first thing the partner says is who it is.
    if (!this.#proven) return await this.#acceptProof(message?.proof);
    if (this.#closed) return;
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
