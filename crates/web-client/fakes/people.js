/**
 * Who takes part in a test of the SDK in Node: a person whose `Ginnel` meets the server and the network of
 * the test, and, where a test has to say what no `Ginnel` would, a partner who is only played.
 */

import assert from "node:assert/strict";

import { Courier } from "../www/sdk/courier.js";
import { Ginnel } from "../www/sdk/ginnel.js";
import { until } from "./until.js";

/** Somebody with the SDK: what they are told, and the line that they were greeted by. */
export class Person {
  ginnel;
  /** What their listeners got, by event. */
  told = {};
  line = null;
  #server;

  constructor(server, options) {
    this.#server = server;
    this.ginnel = new Ginnel({ url: "wss://chat.example.org/signal", transports: ["websocket"], ...options });
    for (const event of EVENTS) {
      this.told[event] = [];
      this.ginnel.on(event, (value) => this.told[event].push(value));
    }
  }

  /** Connects, and is greeted. */
  async arrive() {
    const count = this.#server.lines.length;
    this.ginnel.connect();
    await until(() => this.ginnel.isOpen);
    this.line = this.#server.lines[count];
    return this;
  }

  /** Loses the connection to the server, and is back on another one. */
  async returns() {
    const count = this.#server.lines.length;
    this.line.cut();
    assert.ok(!this.ginnel.isOpen);
    await this.arrive();
    assert.equal(this.#server.lines.length, count + 1);
    return this.line;
  }

  /** The server says something. */
  hears(message) {
    this.#server.say(this.line, message);
  }

  /** What of one kind they have said on this line. */
  said(kind) {
    return this.line.heardOf(kind);
  }

  /** Is introduced to a played partner, as the caller. */
  introduced(network, secret = null) {
    const partner = new Partner(this, network, secret);
    this.#server.introduce(this.line, partner);
    return partner;
  }

  /** The same, and there are signs. */
  async meets(network, secret) {
    const partner = this.introduced(network, secret);
    await until(() => this.ginnel.verify(partner.session));
    return partner;
  }
}

/** The callee of a session: its keys and its end of the connection. To the server it is a line. */
class Partner {
  /** As the server sees to it. */
  partners = new Map();
  session = "";
  courier;
  /** The person's end of the connection, and this one. */
  facing;
  own;
  #person;
  #network;
  #secret;
  #offers = [];

  constructor(person, network, secret) {
    this.#person = person;
    this.#network = network;
    this.#secret = secret;
  }

  toPage(message) {
    if (message.t === "matched") this.#begin(message);
    else if (message.t === "seal") this.courier.receive(message);
  }

  #begin(matched) {
    this.session = matched.session;
    this.facing = this.#network.connections.at(-1);
    this.own = new this.#network.RTCPeerConnection();
    this.own.createDataChannel();
    this.courier = new Courier(matched, this.#secret);
    this.courier.on("frame", (frame) => this.#person.hears({ t: "seal", session: this.session, ...frame }));
    this.courier.on("body", ({ desc }) => desc && this.#offers.push(desc));
    // There are signs when something was opened.
    this.courier.send({ cand: [] });
  }

  /** The two are connected in that way, and each has shown the other who it is. */
  async connects(way = "relay") {
    this.facing.way = way;
    await until(() => this.#offers.length > 0);
    await this.own.setRemoteDescription(this.#offers[0]);
    await this.own.setLocalDescription();
    this.answers();
    await until(() => this.own.channel.readyState === "open");
    this.says({ proof: await this.courier.proof() });
    await until(() => this.#person.told.path.some(({ session }) => session === this.session));
    await until(() => this.hears.length > 1);
  }

  /** Says what its end of the connection is. */
  answers() {
    this.courier.send({ desc: this.own.localDescription });
  }

  /** Writes to the data channel. */
  says(message) {
    this.own.channel.send(JSON.stringify(message));
  }

  /** What the person has written to the data channel. */
  get hears() {
    return this.facing.channel.sent;
  }
}

const EVENTS = [
  ...["open", "lost", "waiting", "room", "matched", "verify", "state", "consent", "path"],
  ...["text", "devices", "gone", "failed", "error"],
];
