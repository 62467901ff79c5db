/**
 * Where no WebSocket gets through, people meet all the same: over WebTransport, whose certificate the page
 * knows by its hash.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

test("two strangers talk though no WebSocket gets through, with one to whom they do", () =>
  scene(async ({ server, browser }) => {
    const pages = [
      await browser.visit(server.secureUrl, { webSockets: false }),
      await browser.visit(server.secureUrl, { webSockets: false }),
    ];
    for (const page of pages) await page.press("Start");
    for (const page of pages) await page.sees("Connected via relay");
    // One that took too long was given up for another, and goes.
    await until("two QUIC connections", async () => (await server.metric("ginnel_quic_connections")) === 2);
    await pages[0].write("over QUIC");
    await pages[1].sees("over QUIC");
    await pages[1].press("Next");
    await pages[0].sees(/Your partner left|Waiting for somebody/);
    const other = await browser.visit(server.secureUrl);
    await other.press("Start");
    await other.sees("Connected via relay");
    await pages[0].leave();
    await until("one QUIC connection", async () => (await server.metric("ginnel_quic_connections")) === 1);
  }));

test("the transports are tried in the order that the page says", () =>
  scene(async ({ server, browser }) => {
    const page = await browser.visit(server.secureUrl);
    const is_open = await page.ask(async () => {
      const { Ginnel } = await import("/sdk/ginnel.js");
      const ginnel = new Ginnel({ transports: ["webtransport", "websocket"] });
      const open = new Promise((resolve) => ginnel.on("open", resolve));
      ginnel.connect();
      window.second = ginnel;
      await open;
      return ginnel.isOpen;
    });
    assert.ok(is_open);
    await until("its QUIC connection", async () => (await server.metric("ginnel_quic_connections")) === 1);
    await page.ask(() => window.second.close());
    await until("no QUIC connection", async () => (await server.metric("ginnel_quic_connections")) === 0);
  }));
