/**
 * Messages on a stream are whole again, however the stream was cut.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { frame_bytes_max } from "../www/sdk/limits.js";
import { Frames, frame, usableKinds } from "../www/sdk/wire.js";

test("messages survive every cut", () => {
  const texts = ['{"t":"welcome"}', "", "音楽"];
  const bytes = new Uint8Array(texts.flatMap((text) => [...frame(text)]));
  for (let first = 0; first <= bytes.length; first++) {
    for (let second = first; second <= bytes.length; second++) {
      const frames = new Frames();
      const cuts = [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)];
      assert.deepEqual(cuts.flatMap((cut) => frames.take(cut)), texts);
    }
  }
});

test("what no server of ours sends is an error", () => {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, frame_bytes_max + 1);
  assert.throws(() => new Frames().take(length));
  assert.throws(() => new Frames().take(new Uint8Array([0, 0, 0, 1, 0xff])));
});

test("a browser without WebTransport, or a page without TLS, has the WebSocket", () => {
  const both = /** @type {("websocket" | "webtransport")[]} */ (["webtransport", "websocket"]);
  const url = new URL("https://chat.example.org:8443/signal");
  assert.deepEqual(usableKinds(both, url), ["websocket"]);
  Object.assign(globalThis, { WebTransport: class {} });
  assert.deepEqual(usableKinds(both, url), both);
  assert.deepEqual(usableKinds(both, new URL("http://localhost:8080/signal")), ["websocket"]);
});
