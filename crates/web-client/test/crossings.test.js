/**
 * What an application can count on, whatever it does in its listeners, and whatever crosses on the way.
 */

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { setImmediate } from "node:timers/promises";

import { MediaStream, Network } from "../fakes/network.js";
import { Person } from "../fakes/people.js";
import { Server } from "../fakes/server.js";
import { until } from "../fakes/until.js";
import { parseInvitation } from "../www/sdk/courier.js";

/** What listeners threw and nobody caught. */
const reported = [];

let network, server, people;

beforeEach(() => {
  network = new Network();
  server = new Server();
  people = [];
  const { RTCPeerConnection } = network;
  const reportError = (error) => reported.push(error);
  Object.assign(globalThis, { RTCPeerConnection, MediaStream, WebSocket: server.WebSocket, reportError });
});

afterEach(() => {
  for (const { ginnel } of people) ginnel.close();
});

/** Somebody who is gone afterwards. */
function appear(options) {
  const person = new Person(server, options);
  people.push(person);
  return person;
}

/** The server numbers its sessions. */
const id = (number) => Buffer.alloc(16, number).toString("base64url");

test("a listener that throws is reported, and breaks nothing", async () => {
  const person = await appear().arrive();
  for (const name of ["matched", "verify", "state", "text", "devices", "path"]) {
    person.ginnel.on(name, () => {
      throw new Error(name);
    });
  }
  person.ginnel.find({ media: "text" });
  const partner = await person.meets(network);
  await partner.connects();
  partner.says({ text: "one" });
  partner.says({ devices: { microphone: true, camera: true } });
  partner.says({ text: "two" });
  await until(() => person.told.text.length === 2);
  assert.deepEqual(person.told.failed, []);
  const names = new Set(reported.splice(0).map(({ message }) => message));
  assert.deepEqual([...names].sort(), ["devices", "matched", "path", "state", "text", "verify"]);
});

test("a search that came too often is told, and breaks no connection", async () => {
  const person = await appear().arrive();
  await person.meets(network);
  person.hears({ t: "error", code: "too-fast", for: "find", text: "", retry_ms: 1000 });
  assert.deepEqual([person.told.error.length, person.told.lost.length], [1, 0]);
  assert.equal(person.told.error[0].for, "find");
});

test("a message that was too fast is made up for without a goodbye", async () => {
  const person = await appear().arrive();
  const { session, courier, facing } = await person.meets(network);
  const { line: first, told } = person;
  let received;
  server.welcome = () => {
    received = courier.received;
    return { got: { [session]: received - 1 } };
  };
  person.hears({ t: "error", code: "too-fast", text: "", retry_ms: 1 });
  assert.deepEqual([told.error, told.lost.length], [[], 1]);
  assert.ok(told.lost[0].retry_ms >= 1);
  assert.equal(first.readyState, 1, "closing it would be a goodbye");
  await until(() => person.ginnel.isOpen);
  assert.equal(told.open.at(-1).resumed, true);
  assert.equal(first.readyState, 3, "the server knows us on the other");
  const again = server.lines.at(-1);
  assert.deepEqual(again.heard[0].resume.got, { [session]: 2 });
  await until(() => again.heardOf("seal").length > 0);
  assert.deepEqual(again.heardOf("seal")[0], first.heardOf("seal")[received - 1], "byte for byte");
  assert.notEqual(facing.connectionState, "closed");
  assert.deepEqual([told.failed, told.gone], [[], []]);
});

test("of a session that is over nothing is sent again", async () => {
  const person = await appear().arrive();
  const [over, lives] = [await person.meets(network), await person.meets(network)];
  server.welcome = () => ({ got: { [lives.session]: lives.courier.received - 1 } });
  await person.returns();
  await until(() => person.said("seal").length > 0);
  assert.deepEqual(person.said("seal").map(({ session }) => session), [id(2)]);
  person.hears({ t: "gone", session: id(1), why: "left" });
  assert.deepEqual(person.told.gone.map(({ session, why }) => [session, why]), [[over.session, "left"]]);
  assert.deepEqual(person.told.failed, []);
});

test("tracks reach every partner, whether another one refuses or hangs", async () => {
  const person = await appear().arrive();
  const partners = [];
  while (partners.length < 3) partners.push(await person.meets(network));
  const track = (kind) => ({ kind, id: kind });
  await person.ginnel.setTracks({ audio: track("audio") });
  const got = [];
  partners[0].facing.replaceTrack = () => Promise.reject(new Error("no such sender"));
  partners[1].facing.replaceTrack = () => new Promise(() => {});
  partners[2].facing.replaceTrack = async (_, given) => got.push(given);
  const other = track("audio");
  const done = person.ginnel.setTracks({ audio: other });
  await setImmediate();
  assert.deepEqual(got, [other]);
  person.ginnel.leave(partners[1].session);
  await done;
  assert.deepEqual(reported.splice(0).map(({ message }) => message), ["no such sender"]);
  await assert.rejects(person.ginnel.setTracks({ video: track("audio") }), TypeError);
});

test("a text leaves to everybody who is connected, or to nobody", async () => {
  const person = await appear().arrive();
  const partners = [];
  while (partners.length < 3) partners.push(await person.meets(network));
  assert.equal(person.ginnel.sendText("to nobody"), false);
  await partners[0].connects();
  await partners[1].connects();
  const heard = (partner) => partner.hears.flatMap(({ text }) => text ?? []);
  assert.equal(person.ginnel.sendText("to two"), true);
  partners[1].facing.channel.bufferedAmount = 1e9;
  assert.equal(person.ginnel.sendText("to none of them"), false);
  assert.equal(person.ginnel.sendText("to the first", id(1)), true);
  assert.equal(person.ginnel.sendText("to the third", id(3)), false);
  assert.deepEqual(partners.map(heard), [["to two", "to the first"], ["to two"], []]);
  for (const text of ["", "x".repeat(2_001), 7]) assert.equal(person.ginnel.sendText(text, id(1)), false);
});

test("a text that would be dropped does not leave, and all others arrive", async () => {
  const person = await appear().arrive();
  const partner = await person.meets(network);
  await partner.connects();
  let sent = 0;
  while (sent < 100 && person.ginnel.sendText(`text ${sent}`)) sent += 1;
  assert.ok(sent > 20 && sent <= 30, `${sent} texts`);
  await until(() => person.ginnel.sendText("later"));
  // A partner who was interrupted says all that it was allowed to in the meantime.
  for (let number = 0; number < 250; number++) partner.says({ text: `${number}` });
  await until(() => person.told.text.length === 250);
});

test("candidates are counted for one description, not for the session", async () => {
  const person = await appear().arrive();
  const partner = await person.meets(network);
  await partner.connects();
  const line = "candidate:1 1 udp 41885439 192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9";
  const cand = Array(20).fill({ candidate: line, sdpMid: "0" });
  for (let restart = 1; restart <= 14; restart++) {
    partner.answers();
    partner.courier.send({ cand });
    await until(() => partner.facing.candidates.length === 20 * restart);
  }
  partner.courier.send({ cand });
  await until(() => person.told.failed.length === 1);
  assert.equal(person.told.failed[0].code, "payload-refused");
});

test("a request that is refused or not sent changes nothing", async () => {
  const person = await appear().arrive();
  person.ginnel.open("text");
  person.hears({ t: "room", code: "A".repeat(22) });
  const [{ invitation }] = person.told.room;
  const secret = parseInvitation(invitation).secret;
  for (const ask of [
    () => person.ginnel.find({ media: "video" }),
    () => person.ginnel.open("video"),
    () => person.ginnel.join("B".repeat(22), "video"),
  ]) {
    ask();
    person.hears({ t: "error", code: "bad-state", text: "" });
  }
  // The guest has the link that was made before all this.
  const guest = await person.meets(network, secret);
  await guest.connects();
  assert.ok(person.ginnel.verify().invited);
  person.line.cut();
  assert.equal(person.ginnel.find({ media: "text" }), false);
  server.welcome = () => ({ got: { [guest.session]: guest.courier.received } });
  await person.returns();
  person.hears({ t: "room", code: "A".repeat(22) });
  assert.equal(person.told.room.at(-1).invitation, invitation);
  assert.deepEqual(person.told.failed, []);
});

test("who has not come by a link is not said to, whatever was asked meanwhile", async () => {
  const person = await appear().arrive();
  person.ginnel.find({ media: "text" });
  const partner = person.introduced(network);
  person.ginnel.open("text");
  await until(() => person.told.verify.length === 1);
  assert.equal(person.told.verify[0].invited, false);
  person.hears({ t: "error", code: "bad-state", text: "" });
  await partner.connects();
  assert.deepEqual(person.told.failed, []);
});

test("answers are for what was asked, though leaving is not answered", async () => {
  const person = await appear().arrive();
  person.ginnel.open("text");
  person.ginnel.leave();
  person.hears({ t: "room", code: "A".repeat(22) });
  person.ginnel.find({ media: "text" });
  person.hears({ t: "waiting", bin: 0 });
  await person.meets(network);
  assert.equal(person.ginnel.verify().invited, false);
  person.ginnel.cancel();
  person.ginnel.leave();
  person.hears({ t: "error", code: "bad-state", text: "" });
  person.ginnel.open("text");
  person.hears({ t: "room", code: "C".repeat(22) });
  assert.ok(parseInvitation(person.told.room.at(-1).invitation).secret);
});

test("next goes on as before, also at a server that does not know what that was", async () => {
  const person = await appear().arrive();
  const want = { media: "text" };
  person.ginnel.find(want);
  await person.meets(network);
  person.ginnel.next();
  assert.deepEqual(person.said("next"), [{ t: "next" }]);
  await person.returns();
  person.ginnel.next();
  person.ginnel.next();
  assert.deepEqual(person.said("next"), [{ t: "next", want }, { t: "next" }]);
});

test("a direct call goes on where the server gives it up, until somebody leaves", async () => {
  const person = await appear().arrive();
  const partners = [await person.meets(network), await person.meets(network), await person.meets(network)];
  await partners[0].connects("host");
  await partners[1].connects("relay");
  for (const number of [1, 2, 3]) person.hears({ t: "gone", session: id(number), why: "lost" });
  // One that needs the relay and one that is not connected do not.
  assert.deepEqual(person.told.gone.map(({ session }) => session), [id(2), id(3)]);
  await person.returns();
  assert.deepEqual(person.line.heard[0].resume.got, {});
  const { resumed, cut, kept } = person.told.open.at(-1);
  assert.deepEqual({ resumed, cut, kept }, { resumed: false, cut: 0, kept: 1 });
  assert.equal(person.ginnel.find({ media: "text" }), false);
  assert.equal(person.told.error[0].code, "bad-state");
  assert.ok(person.ginnel.sendText("still here"));
  partners[0].says({ text: "so am I" });
  await until(() => person.told.text.length === 1);
  partners[0].says({ bye: true });
  await until(() => person.told.gone.length === 3);
  assert.deepEqual(person.told.gone.at(-1), { session: id(1), why: "left" });
  assert.ok(person.ginnel.find({ media: "text" }));
  assert.deepEqual(person.said("leave"), []);
});

test("whoever is met again in the room is not there twice", async () => {
  const person = await appear().arrive();
  const before = [await person.meets(network), await person.meets(network)];
  for (const partner of before) await partner.connects("host");
  for (const number of [1, 2]) person.hears({ t: "gone", session: id(number), why: "lost" });
  await person.meets(network);
  assert.deepEqual(before[0].hears.at(-1), { met: id(3) });
  before[1].says({ met: id(4) });
  before[0].says({ met: id(3) });
  await until(() => person.told.gone.length === 1);
  assert.equal(person.told.gone[0].session, id(1));
  assert.equal(person.ginnel.sendText("still here", id(2)), true);
  person.introduced(network);
  assert.deepEqual(person.told.gone.map(({ session }) => session), [id(1), id(2)]);
});

test("a call without a server ends with its connection, and is not mended", async () => {
  const person = await appear().arrive();
  const partner = await person.meets(network);
  await partner.connects("host");
  await person.returns();
  assert.deepEqual(person.told.gone, []);
  partner.facing.turn("disconnected");
  partner.facing.turn("failed");
  assert.deepEqual(person.told.gone.map(({ why }) => why), ["lost"]);
  assert.deepEqual([partner.facing.restarts, person.told.failed], [0, []]);
});

test("who leaves a call without a server says so over the call", async () => {
  const person = await appear().arrive();
  const partner = await person.meets(network);
  await partner.connects("host");
  person.line.cut();
  assert.equal(person.ginnel.leave(), false);
  assert.deepEqual(partner.hears.at(-1), { bye: true });
  assert.equal(partner.facing.connectionState, "closed");
});

test("a constructor that is told nonsense throws, and nothing else does", () => {
  for (const options of [{ url: "http://" }, { exposure: "all" }, { transports: ["carrier pigeon"] }]) {
    assert.throws(() => appear(options), TypeError);
  }
});

test("where no transport can be used none is tried for ever", () => {
  const person = appear({ transports: ["webtransport"] });
  person.ginnel.connect();
  assert.deepEqual(person.told.lost, [{ retry_ms: Infinity, attempts: 0 }]);
});

test("a token that cannot be had is reported, and the server says what is missing", async () => {
  const token = () => {
    throw new Error("no token");
  };
  const person = await appear({ token }).arrive();
  assert.deepEqual(person.line.heard[0], { t: "hello", v: 1 });
  assert.deepEqual(reported.splice(0).map(({ message }) => message), ["no token"]);
});
