/**
 * One call with one partner: drives an `RTCPeerConnection` by perfect negotiation (the callee is polite, the
 * caller starts) and lets nothing past the gate, either way. It deliberately knows no server and no page.
 * RFC 8829 (JSEP), RFC 8840 (trickle), RFC 8832 (data channels).
 * @module
 */

import { incomingCandidate, isRelayHere, outgoingCandidate } from "./candidates.js";
import { Channel } from "./channel.js";
import { Emitter } from "./emitter.js";
import { Aliases, GateError, fingerprints, gate, tellsWhoSpeaks } from "./gate.js";
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
/** @typedef {import("./channel.js").Devices} Devices */
/** @typedef {import("./channel.js").Prover} Prover */
/** What is sent. @typedef {{ audio?: MediaStreamTrack | null, video?: MediaStreamTrack | null }} Tracks */
/**
 * `failed` is the last event of a session; it has been closed. `left`: the partner says goodbye;
 * `replaced`: it has met somebody in another session, perhaps us.
 * @typedef {{
 *   body: Body, state: State, stream: MediaStream, text: string, devices: Devices, consent: Consent,
 *   path: Path, left: null, replaced: string,
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
  /** @type {() => void} */
  #settle = () => {};
  /** @type {Promise<void>} */
  #end = new Promise((settle) => (this.#settle = settle));
  #wasConnected = false;
  /** Nothing gets to the partner any more but by this call. */
  #isAlone = false;
  #exposure;
  /** @type {RTCConfiguration} */
  #configuration;
  /** Where the relay is, while it is kept out of a direct call. @type {RTCIceServer[] | null} */
  #withheld = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #directTimer;
  /** Which candidates pass now, both ways. @type {Path} */
  #allowed;
  /** The relay is on this machine. */
  #here;
  #aliases = new Aliases();
  /** Which way the packets take. @type {Path | null} */
  #path = null;
  /** How often it was asked for unbidden. */
  #pathAsks = 0;
  /** @type {Consent} */
  #consent = { own: false, partner: false };
  /** The partner has shown that it holds this session's keys. */
  #proven = false;
  /** ICE is being restarted, once for every interruption. */
  #restarted = false;
  /** Of the last description sent. */
  #sentCandidates = 0;
  #hasCandidate = false;
  /** Since the last description received. */
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
  #inboxMessages = 0;

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
    this.#allowed = exposure === "direct" ? "direct" : "relay";
    this.#here = isRelayHere(matched.ice.flatMap(({ urls }) => urls));
    this.#local = new Map([
      ["audio", audio],
      ["video", video],
    ]);
    // Asked for an address, a relay gives one at once; where a direct way is found it would be for nothing.
    if (exposure === "direct") this.#withheld = matched.ice;
    this.#configuration = {
      iceServers: exposure === "direct" ? stunServers(matched.ice) : matched.ice,
      iceTransportPolicy: exposure === "direct" ? "all" : "relay",
      bundlePolicy: "max-bundle",
    };
    this.#pc = new RTCPeerConnection(this.#configuration);
    // Agreed on by its number, so that both sides can use it without a negotiation of its own.
    const channel = this.#pc.createDataChannel("text", { negotiated: true, id: 0 });
    this.#channel = new Channel(channel, prover, () => this.#isPartnersCertificate());
    this.#listen();
  }

  /** The caller makes the first offer; the callee waits for it. */
  start() {
    this.emit("state", "connecting");
    this.#stateTimer = setTimeout(
      () => this.#fail("relay-unreachable", "no connection in time"),
      limits.connect_ms_max,
    );
    if (this.#withheld) this.#directTimer = setTimeout(() => this.#useRelay(), limits.direct_ms_max);
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
    return this.#channel.sendText(text);
  }

  /** @param {string} text @returns {boolean} whether it could be sent now */
  canSendText(text) {
    return this.#channel.canSendText(text);
  }

  /** Can the partner be written to at all? */
  get isOpen() {
    return this.#channel.isOpen;
  }

  /**
   * Replaces what is sent, or stops sending it with `null`, without a new negotiation where the kind was sent
   * before. It settles with the session at the latest, which some browsers' `replaceTrack` does not.
   * @param {"audio" | "video"} kind
   * @param {MediaStreamTrack | null} track
   */
  async setTrack(kind, track) {
    if (this.#closed) return;
    this.#local.set(kind, track);
    const sender = this.#senders.get(kind);
    if (sender) await Promise.race([sender.replaceTrack(track), this.#end]);
    else if (track && this.#started) this.#attachTracks();
  }

  /**
   * Agrees to show the partner this side's addresses, once the partner agrees to the same. It cannot be taken
   * back in this session.
   * @returns {boolean} false where the exposure allows no such thing, or it was done
   */
  goDirect() {
    if (this.#exposure !== "consent" || this.#consent.own || this.#closed || this.#isAlone) return false;
    this.emit("body", { direct: true });
    this.#agree({ ...this.#consent, own: true });
    return true;
  }

  /**
   * Tells the partner what to show in place of a picture that is off.
   * @param {Devices} devices
   */
  setDevices(devices) {
    this.#channel.setDevices(devices);
  }

  /** Does it need nobody else to go on? */
  get isDirect() {
    return this.isOpen && this.#pc.connectionState === "connected" && this.#path === "direct";
  }

  /** From here on there is no way to the partner but this call: it ends with it, and cannot be mended. */
  goAlone() {
    this.#isAlone = true;
  }

  /** Tells the partner over the call itself that it ends, where nobody else can. */
  sayGoodbye() {
    this.#channel.sayGoodbye();
  }

  /** Tells the partner by the call itself in which session we have met somebody. @param {string} session */
  sayMet(session) {
    this.#channel.sayMet(session);
  }

  /** Ends the call on this side and frees everything. The tracks belong to the page and go on. */
  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.#settle();
    this.silence();
    clearTimeout(this.#batchTimer);
    clearTimeout(this.#stateTimer);
    clearTimeout(this.#proofTimer);
    clearTimeout(this.#directTimer);
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
      if (this.#started && !this.#isAlone) void this.#offer();
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
    this.#channel.on("proven", (isPartner) => this.#acceptProof(isPartner));
    this.#channel.on("text", (text) => this.emit("text", text));
    this.#channel.on("devices", (devices) => this.emit("devices", devices));
    this.#channel.on("left", () => this.emit("left", null));
    this.#channel.on("replaced", (session) => this.emit("replaced", session));
    this.#channel.on("closed", () => this.#isAlone && this.emit("left", null));
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
    const sdp = gate(description.sdp, this.#allowed, this.#aliases, this.#here);
    this.#sentCandidates = candidatesIn(sdp);
    this.emit("body", { desc: { type: description.type, sdp } });
  }

  /** @param {unknown} value */
  async #acceptDescription(value) {
    const description = parseDescription(value);
    if (description === null) throw new GateError("it is not a session description");
    const sdp = gate(description.sdp, this.#allowed, this.#aliases, this.#here);
    this.#receivedCandidates = candidatesIn(sdp);
    const isOffer = description.type === "offer";
    const collides = isOffer && (this.#makingOffer || this.#pc.signalingState !== "stable");
    this.#ignoredOffer = !this.#polite && collides;
    if (this.#ignoredOffer) return;
    // The caller has found no direct way.
    if (isOffer && this.#started) this.#admitRelay();
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
    if (!Array.isArray(value)) throw new GateError("it is not a list of candidates");
    this.#receivedCandidates += value.length;
    if (this.#receivedCandidates > limits.description_candidates_max) {
      throw new GateError("it has too many candidates");
    }
    for (const candidate of value.map((each) => incomingCandidate(each, this.#allowed, this.#here))) {
      if (candidate === null) continue;
      // A candidate of an offer that was ignored, or of a generation that is over, fits nothing: not an
      // error.
      await this.#pc.addIceCandidate(candidate).catch(() => {});
    }
  }

  /** @param {RTCIceCandidate | null} candidate */
  #collect(candidate) {
    const outgoing = candidate && outgoingCandidate(candidate.toJSON(), this.#allowed, this.#here);
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
      clearTimeout(this.#directTimer);
      this.#wasConnected = true;
      this.#restarted = false;
      if (this.#proven) this.emit("state", "connected");
      else this.#awaitProof();
    } else if (state === "failed" && this.#isReached()) {
      this.#fail("not-your-partner", "the other end has another certificate than your partner");
    } else if (state === "failed" && !this.#wasConnected && this.#withheld) {
      this.#useRelay();
    } else if (state === "failed" && !this.#wasConnected) {
      this.#fail("relay-unreachable", "no path through the relay");
    } else if (state === "failed" && (this.#restarted || this.#isAlone)) {
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

  #awaitProof() {
    this.#proofTimer ??= setTimeout(
      () => this.#fail("not-your-partner", "it did not show in time that it is your partner"),
      limits.proof_ms_max,
    );
  }

  /** @param {boolean} isPartner */
  #acceptProof(isPartner) {
    if (!isPartner) {
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
    this.#awaitPath();
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

  /**
   * Firefox tells nothing when the packets go directly at last; and now and then Chromium keeps to the relay
   * on the one side while the other side has a direct way, or goes back to it. Another restart mends that.
   */
  #awaitPath() {
    if (this.#closed || this.#path === "direct" || this.#pathAsks === limits.path_asks_max) return;
    this.#pathAsks += 1;
    if (this.#pathAsks === limits.path_asks_again) this.#pc.restartIce();
    void this.#tellPath();
    setTimeout(() => this.#awaitPath(), limits.figures_ms_max);
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
    const isLost = this.#path === "direct" && this.#consent.own && this.#consent.partner;
    this.#path = path;
    this.emit("path", path);
    if (isLost) this.#awaitPath();
  }

  /** There is no direct way, it seems: both sides try the relay too, and the caller says so. */
  #useRelay() {
    this.#admitRelay();
    if (!this.#polite) this.#pc.restartIce();
  }

  /** Lets the relay in from the next gathering on, unless the two are connected without. */
  #admitRelay() {
    if (!this.#withheld || this.#closed || this.#pc.connectionState === "connected") return;
    clearTimeout(this.#directTimer);
    this.#configuration = { ...this.#configuration, iceServers: this.#withheld };
    this.#withheld = null;
    this.#pc.setConfiguration(this.#configuration);
  }

  #restart() {
    this.#restarted = true;
    if (!this.#isAlone) {
      this.#admitRelay();
      this.#pc.restartIce();
    }
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
}

/**
 * Who tells a browser what its address looks like from outside: the same servers, without their relay. RFC
 * 7064.
 * @param {RTCIceServer[]} servers
 * @returns {RTCIceServer[]}
 */
export function stunServers(servers) {
  const urls = servers.flatMap((server) => server.urls).map((url) => TURN_OVER_UDP.exec(url)?.[1]);
  const found = [...new Set(urls)].filter((host) => host !== undefined).map((host) => `stun:${host}`);
  return found.length > 0 ? [{ urls: found }] : [];
}

/** How many candidates a description that has passed the gate holds. @param {string} sdp */
function candidatesIn(sdp) {
  return sdp.split("\r\na=candidate:").length - 1;
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

const TURN_OVER_UDP = /^turn:([^?]+)(?:\?transport=udp)?$/;
