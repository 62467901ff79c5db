/**
 * A server that puts keys or certificates of its own in place of the partner's: the SDK shows another string
 * on each side, and lets no text and no picture pass.
 */

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { Mallory } from "../fakes/mallory.js";
import { MediaStream, Network, fingerprint } from "../fakes/network.js";
import { Person } from "../fakes/people.js";
import { Server } from "../fakes/server.js";
import { until } from "../fakes/until.js";

const FOREIGN = Buffer.alloc(64, 7);

let network;
let people = [];

beforeEach(() => {
  network = new Network();
  Object.assign(globalThis, { RTCPeerConnection: network.RTCPeerConnection, MediaStream });
});

afterEach(() => {
  for (const { ginnel } of people.splice(0)) ginnel.close();
});

/** Two who are introduced by a server that does this with what it passes on. */
async function meet(ways = []) {
  const server = new Server(...ways);
  globalThis.WebSocket = server.WebSocket;
  people = [new Person(server), new Person(server)];
  for (const person of people) await person.arrive();
  server.introduce(...server.lines);
}

/** The string that each of them sees, in words. */
async function words() {
  await until(() => people.every(({ told }) => told.verify.length > 0));
  return people.map(({ told }) => told.verify[0].signs.map(({ name }) => name).join(" "));
}

/** Whoever sees it first is told why and leaves; neither was ever connected. */
async function isRefused(code) {
  await until(() => people.some(({ told }) => told.failed[0]?.code === code));
  for (const { ginnel, told } of people) {
    assert.ok(!told.state.some(({ state }) => state === "connected"));
    assert.ok(!ginnel.sendText("is it you?"));
    assert.deepEqual(told.text, []);
  }
}

test("row 158: with an honest server the strings are the same, and texts pass", async () => {
  await meet();
  await until(() => people.every(({ told }) => told.state.some(({ state }) => state === "connected")));
  const [one, other] = await words();
  assert.notEqual(one, "");
  assert.equal(one, other);
  assert.ok(people[0].ginnel.sendText("good evening"));
  await until(() => people[1].told.text.length > 0);
});

test("row 158: keys and fingerprints swapped, and every packet passed on", async () => {
  network.shown = () => FOREIGN;
  const mallory = new Mallory((body) => {
    if (!body.desc) return body;
    const sdp = body.desc.sdp.replace(/(a=fingerprint:).*/, `$1${fingerprint(FOREIGN)}`);
    return { desc: { ...body.desc, sdp } };
  });
  await meet(mallory.ways);
  const [one, other] = await words();
  assert.notEqual(one, other);
  await isRefused("not-your-partner");
  const swapped = ({ remoteDescription }) => remoteDescription.sdp.includes(fingerprint(FOREIGN));
  assert.ok(network.connections.every(swapped), "no browser could have noticed it");
});

test("row 158: keys swapped, certificates not", async () => {
  await meet(new Mallory((body) => body).ways);
  const [one, other] = await words();
  assert.notEqual(one, other);
  await isRefused("not-your-partner");
});

test("row 158: another certificate than the sealed fingerprint's", async () => {
  network.shown = () => FOREIGN;
  await meet();
  await isRefused("not-your-partner");
});

test("row 158: another certificate, and a browser that was told not to look", async () => {
  network.shown = () => FOREIGN;
  network.compares = false;
  await meet();
  await isRefused("not-your-partner");
});

test("row 158: an offer with another fingerprint in place of the sealed one", async () => {
  const body = { desc: { type: "offer", sdp: "v=0" } };
  const isSealed = ({ t, n }) => t === "seal" && n > 2;
  await meet([(message) => [isSealed(message) ? { ...message, t: "plain", body } : message]]);
  await isRefused("not-sealed");
  assert.ok(network.connections.every(({ remoteDescription }) => remoteDescription === null));
});
