/**
 * Payloads arrive once, in order and as they were sent, whatever happens to the connection in between.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { until } from "../fakes/until.js";
import { Courier, parseInvitation } from "../www/sdk/courier.js";
import { toBase64url } from "../www/sdk/bytes.js";

const SESSION = toBase64url(new Uint8Array(16).fill(9));

/** Two couriers, and a server between them that `bend`s what passes; it returns a list of frames. */
function pair({ links = [null, null], bend = (_, frame) => [frame] } = {}) {
  const sides = ["caller", "callee"].map((role, at) => {
    const side = { role, opened: [], signs: null, failed: null, frames: [] };
    side.courier = new Courier({ session: SESSION, role }, links[at]);
    side.courier.on("body", (body) => side.opened.push(body));
    side.courier.on("signs", (signs) => (side.signs = signs.map(({ name }) => name)));
    side.courier.on("failed", (text) => (side.failed = text));
    return side;
  });
  sides.forEach((side, at) => {
    side.courier.on("frame", (frame) => {
      side.frames.push(frame);
      for (const bent of bend(side.role, frame)) sides[1 - at].courier.receive(bent);
    });
  });
  for (const { courier } of sides) courier.start();
  return sides;
}

test("what is sent before there are keys arrives after them, in order", async () => {
  const [caller, callee] = pair();
  for (const n of [1, 2, 3]) caller.courier.send({ n });
  callee.courier.send({ answer: true });
  await until(() => callee.opened.length === 3 && caller.opened.length === 1);
  assert.deepEqual(callee.opened, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  assert.deepEqual(caller.signs, callee.signs);
  assert.ok(await caller.courier.isPartnersProof(await callee.courier.proof()));
  assert.ok(
    !(await caller.courier.isPartnersProof(await caller.courier.proof())),
    "not one's own, reflected",
  );
  for (const wrong of [undefined, "", 7, "AAAA"]) assert.ok(!(await caller.courier.isPartnersProof(wrong)));
});

test("what came again after a resume is dropped, what is missing ends the session", async () => {
  const [caller, callee] = pair({ bend: (_, frame) => [frame, frame] });
  caller.courier.send({ n: 1 });
  await until(() => callee.opened.length === 1);
  callee.courier.receive({ n: callee.courier.received + 2, body: "AAAA" });
  assert.equal(callee.failed, "a message is missing");
});

test("a lost connection is made up for with the same bytes", async () => {
  const [caller, callee] = pair();
  caller.courier.send({ n: 1 });
  await until(() => callee.opened.length === 1);
  caller.courier.pause();
  caller.courier.send({ n: 2 });
  caller.courier.send({ n: 3 });
  const sent = caller.frames.length;
  caller.courier.resume(sent);
  await until(() => callee.opened.length === 3);
  assert.deepEqual(callee.opened.at(-1), { n: 3 });

  // Once more from the beginning: the partner has it all, and what is sent is what was sent.
  caller.courier.pause();
  const before = structuredClone(caller.frames);
  caller.courier.resume(0);
  await until(() => caller.frames.length === 2 * before.length);
  assert.deepEqual(caller.frames.slice(before.length), before);
  caller.courier.send({ n: 4 });
  await until(() => callee.opened.length === 4);
  assert.deepEqual([caller.failed, callee.failed], [null, null]);
});

test("a server that claims to have what was never sent is not believed", async () => {
  const [caller] = pair();
  caller.courier.resume(99);
  await until(() => caller.failed);
});

test("whatever the server does to a sealed message, it does not open", async () => {
  for (const bend of [
    ({ n, body }) => ({ n, body: body.slice(0, -2) + (body.at(-2) === "A" ? "B" : "A") + body.at(-1) }),
    ({ n }) => ({ n, body: "AAAA" }),
    ({ n }) => ({ n, body: "not base64url!" }),
    ({ n }) => ({ n, body: toBase64url(new Uint8Array(1_048)) }),
  ]) {
    const [caller, callee] = pair({
      bend: (role, frame) => [role === "caller" && frame.n === 3 ? bend(frame) : frame],
    });
    caller.courier.send({ n: 1 });
    await until(() => callee.failed);
    assert.deepEqual([callee.opened, callee.signs], [[], null]);
  }
});

test("two messages in another order, or one twice under a new number, end the session", async () => {
  for (const [second, why] of [
    [(frames) => ({ n: 4, body: frames[0].body }), /came twice/],
    [(frames) => ({ n: 4, body: frames[2].body }), /missing/],
  ]) {
    const frames = [];
    const [caller, callee] = pair({
      bend: (role, frame) => {
        if (role === "callee" || frame.n < 3) return [frame];
        frames.push(frame);
        return frames.length < 3 ? [] : [frames[0], second(frames)];
      },
    });
    for (const n of [1, 2, 3]) caller.courier.send({ n });
    await until(() => callee.failed);
    assert.match(callee.failed, why);
    assert.deepEqual(callee.opened, [{ n: 1 }]);
  }
});

test("only who has the link's secret is understood", async () => {
  const [a, b] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2)];
  const [caller, callee] = pair({ links: [a, b] });
  caller.courier.send({});
  await until(() => callee.failed);
  const friends = pair({ links: [a, a] });
  friends[0].courier.send({ hello: true });
  await until(() => friends[1].opened.length === 1);
});

test("an invitation is a code, or a code and a secret", () => {
  const [code, secret] = ["q83vEjRWeJCrze8SNFZ4kA", "AAECAwQFBgcICQoLDA0ODw"];
  assert.deepEqual(parseInvitation(code), { code, secret: null });
  const bytes = Uint8Array.from({ length: 16 }, (_, at) => at);
  assert.deepEqual(parseInvitation(`${code}.${secret}`), { code, secret: bytes });
  for (const text of [
    "",
    "short",
    `${code}.`,
    `${code}.${secret}x`,
    `${code}.AAAA`,
    `${code}.${secret}.x`,
    "a b",
  ]) {
    assert.equal(parseInvitation(text), null, text);
  }
});
