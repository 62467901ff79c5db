/**
 * The SDK's entrance against a server that is only a test: what is asked for, what is told, what is left, and
 * what happens when the connection or the server's patience breaks.
 */

import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";

import { MediaStream, Network } from "../fakes/network.js";
import { Person } from "../fakes/people.js";
import { Server } from "../fakes/server.js";
import { until } from "../fakes/until.js";

const CODE = "q83vEjRWeJCrze8SNFZ4kA";
const SECRET = "AAECAwQFBgcICQoLDA0ODw";

let network, server, people;

beforeEach(() => {
  network = new Network();
  server = new Server();
  people = [];
  const { RTCPeerConnection } = network;
  Object.assign(globalThis, { RTCPeerConnection, MediaStream, WebSocket: server.WebSocket });
});

afterEach(() => {
  for (const { ginnel } of people) ginnel.close();
});

/** Somebody who is greeted. */
async function arrive(options) {
  const person = new Person(server, options);
  people.push(person);
  return await person.arrive();
}

/** Two of them, connected. */
async function pair() {
  await arrive();
  await arrive();
  const session = server.introduce(...people.map(({ line }) => line));
  const connected = ({ told }) => told.state.some(({ state }) => state === "connected");
  await until(() => people.every(connected));
  return session;
}

test("requests say what the protocol says, and false where there is no connection", async () => {
  const { ginnel, told, line } = await arrive({ token: "let me in" });
  const want = { media: "text", tags: ["music"], langs: ["en"] };
  assert.ok(ginnel.find(want) && ginnel.cancel() && ginnel.next() && ginnel.next(want));
  assert.ok(ginnel.open("text", { size: 3 }) && ginnel.leave() && ginnel.join(`${CODE}.${SECRET}`, "text"));
  assert.deepEqual(line.heard, [
    { t: "hello", v: 1, token: "let me in" },
    { t: "find", want },
    { t: "cancel" },
    { t: "next" },
    { t: "next", want },
    { t: "open", size: 3 },
    { t: "leave" },
    { t: "join", room: CODE },
  ]);
  assert.ok(!ginnel.report("spam"), "there was nobody");
  assert.ok(!ginnel.join(`${CODE}.short`, "text"));
  assert.deepEqual(told.error.map(({ code }) => code), ["bad-invitation"]);
  assert.ok(!ginnel.sendText("hello") && !ginnel.goDirect());
  assert.equal(ginnel.verify(), null);

  line.cut();
  assert.equal(told.lost.length, 1);
  assert.ok(![ginnel.find(want), ginnel.next(), ginnel.open("text"), ginnel.leave()].includes(true));
  assert.ok(!ginnel.cancel() && !ginnel.join(CODE, "text"));
  ginnel.close();
  ginnel.connect();
  assert.equal(server.lines.length, 1, "closed is for good");
});

test("a token may be asked for at each greeting", async () => {
  let token = "first";
  const person = await arrive({ token: () => token });
  token = "second";
  await person.returns();
  assert.deepEqual(server.lines.map(({ heard }) => heard[0].token), ["first", "second"]);
});

test("a listener stops when it is told to", async () => {
  const { ginnel, line } = await arrive();
  let waiting = 0;
  const stop = ginnel.on("waiting", ({ bin }) => (waiting += bin));
  server.say(line, { t: "waiting", bin: 2 });
  stop();
  server.say(line, { t: "waiting", bin: 2 });
  assert.equal(waiting, 2);
});

test("two talk: the string, texts, devices, tracks, consent, a report", async () => {
  const session = await pair();
  const [one, other] = people;
  assert.deepEqual(one.ginnel.verify(session), one.ginnel.verify());
  assert.deepEqual(one.ginnel.verify().signs, other.ginnel.verify().signs);
  assert.equal(one.ginnel.verify("of nobody"), null);
  assert.ok(one.ginnel.sendText("good evening"));
  one.ginnel.setDevices({ microphone: true, camera: false });
  await until(() => other.told.devices.some(({ microphone }) => microphone));
  assert.deepEqual(other.told.text, [{ session, text: "good evening" }]);

  const [track, second] = [{ kind: "audio" }, { kind: "audio" }];
  await one.ginnel.setTracks({ audio: track });
  await one.ginnel.setTracks({ audio: second, video: null });
  assert.equal(network.connections[0].sent.get("audio"), second);
  await one.ginnel.setTracks({ audio: null });
  assert.equal(network.connections[0].sent.get("audio"), null);

  assert.ok(!one.ginnel.goDirect("of nobody"));
  assert.ok(one.ginnel.goDirect(session));
  assert.ok(!one.ginnel.goDirect(session), "once");
  await until(() => other.told.consent.length > 0);
  assert.deepEqual(other.told.consent, [{ session, own: false, partner: true }]);
  assert.ok(other.ginnel.goDirect());
  await until(() => one.told.consent.at(-1).partner);
  assert.equal(network.connections[0].configuration.iceTransportPolicy, "all");
  assert.equal(network.connections[0].restarts, 1, "the caller's");
  assert.equal(network.connections[1].restarts, 0);

  assert.ok(one.ginnel.report("spam"));
  assert.deepEqual(one.line.heardOf("report"), [{ t: "report", session, why: "spam" }]);
  one.ginnel.leave();
  assert.ok(one.ginnel.report("abuse", session), "afterwards too");
});

test("a direct way that is lost again is looked for again", async () => {
  const session = await pair();
  for (const { ginnel } of people) ginnel.goDirect(session);
  await until(() => people.every(({ told }) => told.consent.at(-1)?.own && told.consent.at(-1).partner));
  const [{ told }] = people;
  const [connection] = network.connections;
  for (const way of ["host", "relay"]) {
    connection.take(way);
    await until(() => told.path.at(-1)?.path === (way === "host" ? "direct" : "relay"));
  }
  assert.equal(connection.restarts, 1);
  await until(() => connection.restarts === 2, 20_000);
});

test("a page may be stricter than its server", async () => {
  const { ginnel, told, line } = await arrive({ exposure: "relay" });
  server.introduce(line, undefined, "direct");
  assert.equal(told.matched[0].exposure, "relay");
  assert.equal(network.connections[0].configuration.iceTransportPolicy, "relay");
  assert.ok(!ginnel.goDirect());
});

test("leaving one of several says so of that one, and the others stay", async () => {
  const { ginnel, told, line } = await arrive();
  ginnel.open("text", { size: 3 });
  server.say(line, { t: "room", code: CODE });
  assert.match(told.room[0].invitation, new RegExp(`^${CODE}\\.[\\w-]{22}$`));
  const [first, second] = [server.introduce(line), server.introduce(line)];
  assert.deepEqual(network.connections.map(({ connectionState }) => connectionState), ["new", "new"]);
  assert.ok(ginnel.leave(first));
  assert.deepEqual(line.heardOf("leave"), [{ t: "leave", session: first }]);
  assert.deepEqual(network.connections.map(({ connectionState }) => connectionState), ["closed", "new"]);
  assert.ok(!ginnel.leave(first), "there is nobody any more");
  assert.ok(!ginnel.leave("of nobody"));
  assert.equal(line.heardOf("leave").length, 1);
  server.say(line, { t: "gone", session: first, why: "left" });
  assert.deepEqual(told.gone, [], "who left need not be told");
  server.say(line, { t: "gone", session: second, why: "lost" });
  assert.deepEqual(told.gone.map(({ session, why }) => [session, why]), [[second, "lost"]]);
});

test("a guest whom nobody awaits has the whole link, also after a loss", async () => {
  const person = await arrive();
  const { ginnel, told, line } = person;
  ginnel.join(`${CODE}.${SECRET}`, "text");
  server.say(line, { t: "room", code: CODE });
  // It is refused, since we are in a room, and the answer gets lost.
  ginnel.open("text");
  server.welcome = () => ({ got: {} });
  server.say(await person.returns(), { t: "room", code: CODE });
  assert.deepEqual(told.room.map(({ invitation }) => invitation), Array(2).fill(`${CODE}.${SECRET}`));
});

test("who was left while there was no connection is left when the server speaks of them again", async () => {
  const person = await arrive();
  const { ginnel, told, line } = person;
  const [left, kept] = [server.introduce(line), server.introduce(line)];
  const matched = { ...told.matched[0], t: "matched", role: "caller", ice: [], ends: 2_000_000_000 };
  // The server's words of both are still there when we come back.
  server.welcome = () => ({ got: { [left]: 0, [kept]: 0 } });
  line.cut();
  assert.ok(!ginnel.leave(left), "it could not be said");
  const again = await person.returns();
  assert.deepEqual(again.heard[0].resume, { token: "token-1", got: { [kept]: 0 } });
  assert.deepEqual([told.open.at(-1).resumed, told.open.at(-1).cut], [true, 0]);
  server.say(again, matched);
  assert.deepEqual(again.heardOf("leave"), [{ t: "leave", session: left }]);
  assert.equal(told.matched.length, 2, "nobody is met again");

  // A server that knows nothing of it any more says nothing: then it is forgotten here too.
  server.welcome = () => ({ got: { [kept]: 0 } });
  const later = await person.returns();
  server.say(later, matched);
  assert.equal(told.matched.length, 3);
});

test("who leaves the only partner without a connection comes back as somebody else", async () => {
  for (const leave of [
    ({ ginnel }, session) => ginnel.leave(session),
    ({ ginnel }) => ginnel.leave(),
    ({ ginnel }) => ginnel.next(),
  ]) {
    const person = await arrive();
    const session = server.introduce(person.line);
    person.line.cut();
    assert.ok(!leave(person, session));
    const again = await person.returns();
    assert.equal(again.heard[0].resume, undefined);
    assert.deepEqual([person.told.open.at(-1).resumed, person.told.open.at(-1).cut], [false, 0]);
  }
});

test("a server that does not know us any more has cut our sessions", async () => {
  const person = await arrive();
  const { told, line } = person;
  server.introduce(line);
  await person.returns();
  assert.deepEqual([told.open.at(-1).resumed, told.open.at(-1).cut], [false, 1]);
  assert.equal(network.connections[0].connectionState, "closed");
});

test("too fast is told where it is about a request, or about one session", async () => {
  const { told, line } = await arrive();
  server.say(line, { t: "error", code: "too-fast", text: "", retry_ms: 500 });
  const session = server.introduce(line);
  server.say(line, { t: "error", code: "too-fast", text: "", session, retry_ms: 500 });
  assert.deepEqual(told.error.map(({ code, retry_ms }) => [code, retry_ms]), [
    ["too-fast", 500],
    ["too-fast", 500],
  ]);
  assert.deepEqual(told.lost, []);
});

test("a payload that the server refuses ends its session and no other", async () => {
  const { told, line } = await arrive();
  const [first] = [server.introduce(line), server.introduce(line)];
  server.say(line, { t: "error", code: "bad-payload", text: "too large", session: first, n: 1 });
  assert.deepEqual(told.failed, [{ session: first, code: "payload-refused", text: "too large" }]);
  assert.deepEqual(line.heardOf("leave"), [{ t: "leave", session: first }]);
  assert.deepEqual(network.connections.map(({ connectionState }) => connectionState), ["closed", "new"]);
});

test("a server that lets nobody in is not asked again", async () => {
  const { ginnel, told, line } = await arrive();
  server.say(line, { t: "error", code: "banned", text: "", fatal: true });
  assert.deepEqual(told.error.map(({ code }) => code), ["banned"]);
  assert.deepEqual(told.lost.map(({ retry_ms }) => retry_ms), [Infinity]);
  assert.ok(!ginnel.isOpen);
});

test("from a server that drains goes who is alone, and as somebody new", async () => {
  const alone = await arrive();
  server.say(alone.line, { t: "drain", after_ms: 1 });
  await until(() => alone.ginnel.isOpen);
  assert.equal(server.lines.at(-1).heard[0].resume, undefined);
  const talking = await arrive();
  server.introduce(talking.line);
  server.say(talking.line, { t: "drain", after_ms: 1 });
  assert.ok(talking.ginnel.isOpen);
  assert.deepEqual(talking.told.lost, []);
});

test("the end of everything is said", async () => {
  await pair();
  people[0].ginnel.close();
  assert.deepEqual(people[0].line.heardOf("leave"), [{ t: "leave" }]);
  assert.ok(network.connections[0].connectionState === "closed" && people[0].line.readyState === 3);
});
