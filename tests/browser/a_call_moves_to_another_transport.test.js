/**
 * The transport of the signaling dies in the middle of a negotiation, without a goodbye and with a message
 * lost, and the page comes back on the other one: the partner notices nothing.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

for (const [from, to, script, connections] of [
  ["a WebSocket", "WebTransport", webSocketThatDies, 1],
  ["WebTransport", "a WebSocket", webTransportThatDies, 0],
]) {
  test(`from ${from} to ${to}`, () =>
    scene(async ({ server, browser }) => {
      const pages = [
        await browser.visit(server.secureUrl, { script }),
        await browser.visit(server.secureUrl),
      ];
      for (const page of pages) await page.choose("Text");
      for (const page of pages) await page.press("Start");
      for (const page of pages) await page.sees("Connected via relay");
      assert.ok(await pages[0].ask(() => window.died), "it died");
      assert.equal(await server.metric("ginnel_signal_resumed_total"), 1);
      assert.equal(await server.metric("ginnel_signal_matches_total"), 1);
      const quic = async () => await server.metric("ginnel_quic_connections");
      if (connections > 0) await until("over QUIC", async () => (await quic()) === connections);
      assert.deepEqual(await pages[0].words(), await pages[1].words());
      await pages[0].write("nothing happened");
      await pages[1].sees("nothing happened");
    }));
}

/** Runs in the page: with the third sealed frame its WebSocket is dead, and no other gets through. */
function webSocketThatDies() {
  const Native = window.WebSocket;
  const failing = () => {
    const socket = Object.assign(new EventTarget(), { readyState: Native.CLOSED, close() {} });
    setTimeout(() => socket.dispatchEvent(new CloseEvent("close", { code: 1006 })));
    return socket;
  };
  window.WebSocket = function (...options) {
    if (window.died) return failing();
    const socket = new Native(...options);
    let sealed = 0;
    socket.send = (text) => {
      if (window.died) return;
      sealed += JSON.parse(text).t === "seal" ? 1 : 0;
      if (sealed < 3) return Native.prototype.send.call(socket, text);
      window.died = true;
      socket.close = () => {};
      socket.dispatchEvent(new CloseEvent("close", { code: 1006 }));
    };
    return socket;
  };
  window.WebSocket.OPEN = Native.OPEN;
}

/** Runs in the page: no WebSocket gets through until, with the third sealed frame, WebTransport is dead. */
function webTransportThatDies() {
  const NativeSocket = window.WebSocket;
  const Native = window.WebTransport;
  window.WebSocket = function (...options) {
    if (window.died) return new NativeSocket(...options);
    const socket = Object.assign(new EventTarget(), { readyState: NativeSocket.CLOSED, close() {} });
    setTimeout(() => socket.dispatchEvent(new CloseEvent("close", { code: 1006 })));
    return socket;
  };
  window.WebSocket.OPEN = NativeSocket.OPEN;
  window.WebTransport = function (...options) {
    if (window.died) throw new Error("no UDP any more");
    const transport = new Native(...options);
    transport.close = () => {};
    transport.createBidirectionalStream = async () => {
      const stream = await Native.prototype.createBidirectionalStream.call(transport);
      const [reader, writer] = [stream.readable.getReader(), stream.writable.getWriter()];
      let die;
      const death = new Promise((_, reject) => {
        die = reject;
      });
      let sealed = 0;
      const write = async (bytes) => {
        const { t } = JSON.parse(new TextDecoder().decode(bytes.subarray(4)));
        sealed += t === "seal" ? 1 : 0;
        if (sealed < 3) return await writer.write(bytes);
        window.died = true;
        die(new Error("nothing comes any more"));
      };
      return {
        readable: { getReader: () => ({ read: () => Promise.race([reader.read(), death]) }) },
        writable: { getWriter: () => ({ write }) },
      };
    };
    return transport;
  };
}
