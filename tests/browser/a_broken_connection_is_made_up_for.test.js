/**
 * The connection to the server breaks in the middle of a negotiation, and the two notice nothing.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Between } from "./lib/between.js";
import { scene } from "./lib/scene.js";

test("frames that were lost with a connection come again, and the call is made", () =>
  scene(async ({ server, browser }) => {
    // A sealed frame is swallowed, and the connection it came by is cut.
    const sent = [];
    let cut = false;
    const between = await Between.start(
      server.url,
      (message) => [message],
      (message, line) => {
        if (message.t !== "seal") return [message];
        sent.push(message.body);
        if (message.n !== 3 || cut) return [message];
        cut = true;
        line.cut();
        return [];
      },
    );
    try {
      const pages = [await browser.visit(between.url), await browser.visit(between.url)];
      for (const page of pages) await page.choose("Text");
      for (const page of pages) await page.press("Start");
      for (const page of pages) await page.sees("Connected via relay");
      assert.ok(cut);
      await pages[0].write("nothing happened");
      await pages[1].sees("nothing happened");
      assert.ok(new Set(sent).size < sent.length, "the lost frame was sent again, byte for byte");
      assert.deepEqual(await pages[0].words(), await pages[1].words());
    } finally {
      await between.close();
    }
  }));

test("a page whose message came too fast is known again on another connection, and nobody leaves", () =>
  scene(async ({ server, browser }) => {
    let told = false;
    const between = await Between.start(
      server.url,
      (message) => [message],
      (message, line) => {
        if (message.t !== "seal" || message.n !== 2 || told) return [message];
        told = true;
        line.toPage({ t: "error", code: "too-fast", text: "", retry_ms: 100 });
        return [];
      },
    );
    try {
      const pages = [await browser.visit(between.url), await browser.visit(between.url)];
      for (const page of pages) await page.choose("Text");
      for (const page of pages) await page.press("Start");
      for (const page of pages) await page.sees("Connected via relay");
      assert.ok(told);
      assert.equal(await server.metric("ginnel_signal_resumed_total"), 1);
      assert.equal(await server.metric("ginnel_signal_matches_total"), 1);
      await pages[0].write("nothing happened");
      await pages[1].sees("nothing happened");
    } finally {
      await between.close();
    }
  }));
