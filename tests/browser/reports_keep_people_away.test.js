/**
 * Who was reported from three networks is not let in any more, and was told of nothing before.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Between } from "./lib/between.js";
import { scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

/** The server looks at no report of a shorter conversation. */
const REPORT_AFTER_MS = 20_000;
const SHUT = "This server takes no one from your network just now";

test("three reports from three networks end the visits of one address, for all of its windows", () =>
  scene(
    async ({ server, browser }) => {
      const network = new Network(server, browser);
      try {
        const [reported, reporters] = [[], []];
        for (const at of [1, 2, 3]) {
          reported.push(await network.start("127.0.9.1"));
          await reported.at(-1).sees("Waiting for somebody");
          reporters.push(await network.start(`127.0.${at}.1`));
          for (const page of [reported.at(-1), reporters.at(-1)]) await page.sees("Connected via relay");
        }
        const since_ms = performance.now();
        await until("long enough", () => performance.now() - since_ms > REPORT_AFTER_MS + 500);

        for (const [place, page] of reporters.entries()) {
          await page.unfold("Report this person");
          await page.sees("They are not told of it");
          await page.pick("What is it about?", "Advertising or fraud");
          await page.press("Report and leave");
          await page.sees("You left and reported your partner");
          if (place < 2) await reported[place].sees("Your partner left");
        }
        for (const page of reported) await page.sees(SHUT);
        assert.equal(await server.metric("ginnel_signal_reports_total"), 3);
        assert.equal(await server.metric("ginnel_signal_bans_total"), 1);
        const told = ["error", "gone", "matched", "seal", "waiting", "welcome"];
        assert.deepEqual(network.told("127.0.9.1"), told);

        const again = await network.start("127.0.9.1");
        await again.sees(SHUT);
        await reporters[0].press("Find someone else");
        const other = await network.start("127.0.4.1");
        for (const page of [reporters[0], other]) await page.sees("Connected via relay");
      } finally {
        await network.close();
      }
    },
  ));

test("who left can be reported until somebody else comes", () =>
  scene(async ({ server, browser }) => {
    const pages = [await browser.visit(server.url), await browser.visit(server.url)];
    for (const page of pages) await page.choose("Text");
    for (const page of pages) await page.press("Start");
    for (const page of pages) await page.sees("Connected via relay");
    await pages[0].press("Stop");
    await pages[1].sees("Your partner left");
    await pages[1].unfold("Report this person");
    await pages[1].press("Report and leave");
    await pages[1].sees("You left and reported your partner");
    await pages[1].cannotSee("Report this person");
    await pages[1].press("Find someone else");
    await pages[1].sees("Waiting for somebody");
  }));

/** Visitors whose signaling comes from addresses of a test's choice. */
class Network {
  #server;
  #browser;
  #lines = [];
  #told = new Map();

  constructor(server, browser) {
    this.#server = server;
    this.#browser = browser;
  }

  /** Somebody there opens the page, and presses Start for a text chat. */
  async start(from) {
    const told = this.#told.get(from) ?? new Set();
    this.#told.set(from, told);
    const listen = (message) => {
      told.add(message.t);
      return [message];
    };
    const line = { signal: this.#server.secureUrl, from };
    const between = await Between.start(this.#server.url, listen, undefined, line);
    this.#lines.push(between);
    const page = await this.#browser.visit(between.url);
    await page.choose("Text");
    await page.press("Start");
    return page;
  }

  /** The kinds of messages that the server sent there. */
  told(from) {
    return [...this.#told.get(from)].sort();
  }

  async close() {
    for (const line of this.#lines) await line.close();
  }
}
