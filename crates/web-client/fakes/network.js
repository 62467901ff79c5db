/**
 * What the SDK takes for a browser's calls, for tests in Node: connections that find each other by their
 * descriptions, show certificates to each other and carry what is written to the data channel. It carries no
 * media and encrypts nothing.
 */

import { createHash, randomBytes } from "node:crypto";

export class Network {
  /** To put in place of the global one. */
  RTCPeerConnection;
  /** Every connection that was made, in order. */
  connections = [];
  /** Do browsers compare certificates with descriptions, as they must? */
  compares = true;
  /** What is shown in place of a certificate. */
  shown = (certificate) => certificate;

  constructor() {
    const network = this;
    this.RTCPeerConnection = class extends Connection {
      constructor(configuration) {
        super(network, configuration);
        network.connections.push(this);
      }
    };
  }
}

/** As a description tells it. */
export function fingerprint(certificate) {
  const digest = createHash("sha256").update(certificate).digest("hex").toUpperCase();
  return `sha-256 ${digest.match(/../g)?.join(":")}`;
}

/** What a stream is to the SDK where nothing is sent. */
export class MediaStream {
  id = randomBytes(16).toString("hex");

  getTracks() {
    return [];
  }
}

class Connection extends EventTarget {
  certificate = randomBytes(64);
  connectionState = "new";
  iceConnectionState = "new";
  iceGatheringState = "new";
  signalingState = "stable";
  /** How often ICE was restarted. */
  restarts = 0;
  /** Of which type the candidates are by which packets go. */
  way = "relay";
  configuration;
  localDescription = null;
  remoteDescription = null;
  sctp = null;
  channel = null;
  /** What was set, as a sender would send it. */
  sent = new Map();
  /** The partner's candidates. */
  candidates = [];
  #network;
  #name = randomBytes(8).toString("hex");

  constructor(network, configuration) {
    super();
    this.#network = network;
    this.configuration = configuration;
  }

  createDataChannel() {
    this.channel = new Channel();
    return this.channel;
  }

  async setLocalDescription() {
    const type = this.signalingState === "have-remote-offer" ? "answer" : "offer";
    this.localDescription = { type, sdp: this.#sdp() };
    this.signalingState = type === "answer" ? "stable" : "have-local-offer";
    const text = "candidate:1 1 udp 41885439 127.0.0.1 50000 typ relay raddr 192.0.2.7 rport 4242";
    const candidate = { toJSON: () => ({ candidate: text, sdpMid: "0", sdpMLineIndex: 0 }) };
    this.dispatchEvent(Object.assign(new Event("icecandidate"), { candidate }));
    this.#meet();
  }

  async setRemoteDescription(description) {
    this.remoteDescription = description;
    this.signalingState = description.type === "offer" ? "have-remote-offer" : "stable";
    this.#meet();
  }

  async addIceCandidate(candidate) {
    this.candidates.push(candidate);
  }

  async getStats() {
    const stats = [
      { id: "all", type: "transport", selectedCandidatePairId: "pair" },
      { id: "pair", type: "candidate-pair", localCandidateId: "here", remoteCandidateId: "there" },
      { id: "here", candidateType: this.way },
    ];
    return new Map(stats.map((one) => [one.id, one]));
  }

  /** Packets go another way from now on. */
  take(way) {
    this.way = way;
    this.sctp.transport.iceTransport.dispatchEvent(new Event("selectedcandidatepairchange"));
  }

  /** Packets get through no more, or again. */
  turn(state) {
    this.connectionState = state;
    this.iceConnectionState = state;
    this.dispatchEvent(new Event("connectionstatechange"));
  }

  getTransceivers() {
    return [];
  }

  addTrack(track) {
    const { kind } = track;
    this.sent.set(kind, track);
    return { replaceTrack: (other) => this.replaceTrack(kind, other) };
  }

  /** What its senders do; a test may put something else here. */
  async replaceTrack(kind, track) {
    this.sent.set(kind, track);
  }

  setConfiguration(configuration) {
    this.configuration = configuration;
  }

  restartIce() {
    this.restarts += 1;
  }

  close() {
    this.connectionState = "closed";
  }

  #sdp() {
    return [
      ...["v=0", "o=- 46117 2 IN IP4 192.0.2.7", "s=-", "t=0 0"],
      ...["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 192.0.2.7", "a=mid:0"],
      ...[`a=ice-ufrag:${this.#name}`, "a=ice-pwd:0123456789012345678901"],
      ...[`a=fingerprint:${fingerprint(this.certificate)}`, "a=setup:actpass", ""],
    ].join("\r\n");
  }

  /** Both have agreed: packets get through, and each is shown the other's certificate. */
  #meet() {
    const other = this.#network.connections.find((one) => this.remoteDescription?.sdp.includes(one.#name));
    const agreed = (one) => one.signalingState === "stable" && one.localDescription;
    if (!other || !agreed(this) || !agreed(other) || this.connectionState !== "new") return;
    for (const [one, partner] of [
      [this, other],
      [other, this],
    ]) {
      queueMicrotask(() => one.#connect(partner));
    }
  }

  #connect(other) {
    if (this.connectionState === "closed") return;
    const certificate = this.#network.shown(other.certificate);
    this.iceConnectionState = "connected";
    const expected = this.remoteDescription.sdp.includes(fingerprint(certificate));
    if (this.#network.compares && !expected) {
      this.connectionState = "failed";
    } else {
      this.connectionState = "connected";
      const iceTransport = new EventTarget();
      this.sctp = { transport: { getRemoteCertificates: () => [certificate], iceTransport } };
      if (this.channel && other.channel) this.channel.open(other.channel);
    }
    this.dispatchEvent(new Event("connectionstatechange"));
  }
}

class Channel extends EventTarget {
  readyState = "connecting";
  bufferedAmount = 0;
  /** Every message that was written to it. */
  sent = [];
  #other = null;

  open(other) {
    this.#other = other;
    this.readyState = "open";
    this.dispatchEvent(new Event("open"));
  }

  send(data) {
    const other = this.#other;
    this.sent.push(JSON.parse(data));
    queueMicrotask(() => other?.dispatchEvent(new MessageEvent("message", { data })));
  }

  close() {
    this.readyState = "closed";
  }
}
