/**
 * Frames of the signaling protocol, as the SDK reads and writes them.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { parseDescription, parseServerMessage, stricter } from "../www/sdk/protocol.js";

test("the server's messages are known by their fields", () => {
  for (const message of [
    { t: "waiting", bin: 10 },
    { t: "room", code: "abc" },
    { t: "gone", session: "s", why: "left", later: true },
    { t: "seal", session: "s", n: 1, body: "AAAA" },
    { t: "plain", session: "s", n: 1, body: { bye: true } },
    { t: "error", code: "no-room", text: "no such room" },
    { t: "matched", session: "s", role: "caller", exposure: "relay", ice: [], ends: 1, common: ["music"] },
  ])
    assert.deepEqual(parseServerMessage(JSON.stringify(message)), message);
});

test("anything else is nothing", () => {
  for (const text of [
    "",
    "{",
    "null",
    "7",
    "[]",
    "{}",
    '{"t":"toString"}',
    '{"t":"drain"}',
    '{"t":"challenge","bits":"12","seed":"s"}',
    '{"t":"waiting"}',
    '{"t":"waiting","bin":"1"}',
    '{"t":"seal","session":"s","n":1,"body":{}}',
    '{"t":"plain","session":7}',
    '{"t":"matched","session":"s","role":"caller","exposure":"all","ice":[],"ends":1,"common":[]}',
    '{"t":"matched","session":"s","role":"boss","ice":[],"ends":1,"common":[]}',
  ])
    assert.equal(parseServerMessage(text), null, text);
});

test("a description is an offer or an answer with a text", () => {
  assert.deepEqual(parseDescription({ type: "offer", sdp: "v=0", more: 1 }), { type: "offer", sdp: "v=0" });
  for (const value of [null, {}, [], "offer", { type: "rollback", sdp: "" }, { type: "offer", sdp: 1 }]) {
    assert.equal(parseDescription(value), null);
  }
});

test("the stricter exposure holds", () => {
  const order = ["direct", "consent", "relay"];
  for (const [at, lax] of order.entries()) {
    for (const strict of order.slice(at)) {
      assert.equal(stricter(lax, strict), strict);
      assert.equal(stricter(strict, lax), strict);
    }
  }
});
