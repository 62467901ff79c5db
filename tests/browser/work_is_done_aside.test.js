/**
 * A server that asks everybody for a proof of work gets it, and the page goes on meanwhile.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Between } from "./lib/between.js";
import { scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

const BITS = 21;
/** Longer than a busy machine keeps a page from drawing. */
const STANDSTILL_MS = 500;

test("two who have to work for it meet, and the work is a worker's", (context) =>
  scene(
    async ({ server, browser }) => {
      // More than any server asks for, so that a page that stood still meanwhile would be seen to.
      const began_ms = new Map();
      const took_ms = [];
      const between = await Between.start(
        server.url,
        (message, line) => {
          if (message.t !== "challenge") return [message];
          began_ms.set(line, performance.now());
          return [{ ...message, bits: BITS }];
        },
        (message, line) => {
          if (message.proof) took_ms.push(performance.now() - began_ms.get(line));
          return [message];
        },
      );
      try {
        const pages = [];
        for (let count = 0; count < 2; count += 1) {
          pages.push(await browser.visit(between.url, { frames: true }));
          await pages.at(-1).ask(() => (window.standstill_ms = 0));
        }
        for (const page of pages) await page.choose("Text");
        // Nobody has to wait for the work before they press it.
        for (const page of pages) await page.press("Start");
        for (const page of pages) await page.sees("Server connected");
        assert.equal(await server.metric("ginnel_signal_challenges_total"), 2);
        const longest_ms = Math.max(...took_ms);
        for (const page of pages) {
          const standstill_ms = await page.ask(() => window.standstill_ms);
          context.diagnostic(
            `${BITS} bits within ${Math.round(longest_ms)} ms; longest pause of the page: ` +
              `${Math.round(standstill_ms)} ms`,
          );
          assert.ok(standstill_ms < Math.max(STANDSTILL_MS, longest_ms / 4), "the page stood still");
          assert.deepEqual(page.workers, [`${between.url}sdk/proof-worker.js`]);
        }
        for (const page of pages) await page.sees("Connected via relay");
      } finally {
        await between.close();
      }
    },
    { configuration: "[match]\nwork_bits = 8\n" },
  ));

test("who comes back in time need not work again", () =>
  scene(
    async ({ server, browser }) => {
      let cut = false;
      const between = await Between.start(server.url, (message, line) => {
        if (message.t === "waiting" && !cut) {
          cut = true;
          line.cut();
        }
        return [message];
      });
      try {
        const page = await browser.visit(between.url);
        await page.choose("Text");
        await page.press("Start");
        await until("it is back", async () => (await server.metric("ginnel_signal_resumed_total")) === 1);
        await page.sees("Waiting for somebody");
        assert.equal(await server.metric("ginnel_signal_challenges_total"), 1);
      } finally {
        await between.close();
      }
    },
    { configuration: "[match]\nwork_bits = 8\n" },
  ));
