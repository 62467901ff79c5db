/**
 * Two who are connected directly talk on, whatever becomes of the server or of one's connection to it.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Between } from "./lib/between.js";
import { Browser } from "./lib/browser.js";
import { scene } from "./lib/scene.js";
import { Server } from "./lib/server.js";
import { until } from "./lib/until.js";

/** What a browser says of connections that end with the server. */
const CUT = /^error: (WebSocket connection to .* failed|Failed to load resource: net::ERR_CONNECTION_)/;

/** The same in Firefox, which also warns of a relay with many addresses. */
const CUT_IN_FIREFOX =
  /Firefox can.t establish a connection|The connection to .* was interrupted|Using five or more STUN\/TURN/;

const DIRECT = 'room_exposure = "direct"\n';

/** Two in a room, each by its own way to the server. */
async function meet(browser, [one, other]) {
  const host = await browser.visit(one);
  await host.press("Open a room");
  const link = new URL(await host.roomLink());
  const guest = await browser.visit(new URL(link.hash, other).href);
  await guest.press("Join the room");
  for (const page of [host, guest]) await page.sees("Connected directly");
  return [host, guest];
}

/** Pictures come, and texts both ways. */
async function talk(pages, words) {
  for (const [page, other] of [pages, pages.toReversed()]) {
    const { framesDecoded } = await page.call();
    await until("new pictures", async () => (await page.call()).framesDecoded > framesDecoded + 10);
    await page.write(words);
    await other.sees(words);
    assert.deepEqual(await page.calls(), ["connected"]);
  }
}

/** A server that is killed and started again. */
async function outlive(server, browser) {
  const pages = await meet(browser, [server.url, server.url]);
  await server.kill();
  for (const page of pages) await page.sees("Server unreachable");
  await talk(pages, "without a server");
  await server.start();
  for (const page of pages) await page.sees("Server connected", 60_000);
  await talk(pages, "it does not know us");
  await pages[0].press("Stop");
  await pages[1].sees("The conversation is over");
  await pages[1].press("Open a room");
  await pages[1].sees("Your room is open");
}

test("a server that is killed and started again", () =>
  scene(({ server, browser }) => outlive(server, browser), {
    expected: CUT,
    configuration: `[match]\n${DIRECT}`,
  }));

test("the same in Firefox", async () => {
  // It talks to no relay on loopback: the server tells it an address of the machine.
  const server = await Server.start(`[match]\n${DIRECT}`, undefined, "0.0.0.0");
  try {
    const firefox = await Browser.launchFirefox();
    try {
      await outlive(server, firefox);
      const complaints = firefox.complaints().filter((complaint) => !CUT_IN_FIREFOX.test(complaint));
      assert.deepEqual(complaints, []);
    } finally {
      await firefox.close();
    }
  } finally {
    await server.close();
  }
});

test("one whose signaling breaks for longer than the server waits", () =>
  scene(
    async ({ server, browser }) => {
      const between = await Between.start(server.url);
      try {
        const pages = await meet(browser, [server.url, between.url]);
        between.break();
        await until("the session's end", async () => (await server.metric("ginnel_signal_sessions")) === 0);
        await talk(pages, "the server has given us up");
        between.mend();
        await pages[1].sees("Server connected");
        await talk(pages, "and greets a stranger");
        await pages[1].press("Stop");
        await pages[0].sees("left");
      } finally {
        await between.close();
      }
    },
    { expected: CUT, configuration: `[match]\nresume_s = 2\n${DIRECT}` },
  ));
