/**
 * Everything that can go wrong says what it is and what to do.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { pair, scene } from "./lib/scene.js";

/** What a browser says of connections that end with the server, the icon's too if it was still on its way. */
const CUT = /^error: (WebSocket connection to .* failed|Failed to load resource: net::ERR_CONNECTION_)/;

test("a refused camera offers a conversation without it", () =>
  scene(
    async ({ server, browser }) => {
      const page = await browser.visit(server.url);
      await page.press("Start");
      await page.sees("The camera or microphone was not allowed");
      await page.press("Continue with text only");
      await page.sees("Waiting for somebody");
    },
    { allow: false },
  ));

test("missing devices are named, and text still works", () =>
  scene(
    async ({ server, browser }) => {
      const pages = [await browser.visit(server.url), await browser.visit(server.url)];
      for (const page of pages) {
        await page.press("Start");
        await page.sees("No camera and no microphone were found");
        await page.press("Continue with text only");
      }
      for (const page of pages) await page.sees("Connected via relay");
      await pages[0].write("without a camera");
      await pages[1].sees("without a camera");
    },
    { devices: false },
  ));

test("a server that goes away is noticed, and found again", () =>
  scene(
    async ({ server, browser }) => {
      const pages = await pair(browser, server.url);
      await server.kill();
      for (const page of pages) await page.sees("Server unreachable");
      await server.start();
      for (const page of pages) await page.sees("You were cut off");
      for (const page of pages)
        assert.equal((await page.call()).liveTracks, 0, "a call that is over frees the camera");
      for (const page of pages) await page.press("Start");
      for (const page of pages) await page.sees("Connected via relay");
    },
    { expected: CUT },
  ));

test("who waits when the server goes away waits again when it is back", () =>
  scene(
    async ({ server, browser }) => {
      const page = await browser.visit(server.url);
      await page.press("Start");
      await page.sees("Waiting for somebody");
      await server.kill();
      await page.sees("The server cannot be reached");
      await server.start();
      await page.sees("Waiting for somebody");
      await page.cannotSee("The server cannot be reached");
    },
    { expected: CUT },
  ));

test("a relay that cannot be reached is named as what it is", () =>
  scene(
    async ({ server, browser }) => {
      const relay = "transport=udp";
      const pages = [await browser.visit(server.url, { relay }), await browser.visit(server.url, { relay })];
      for (const page of pages) await page.press("Start");
      // Whoever notices first leaves, and the other may hear of that before noticing anything.
      await Promise.any(pages.map((page) => page.sees("The relay could not be reached")));
      for (const page of pages) await page.sees(/The conversation is over|Your partner left/);
    },
    { udp: false },
  ));

test("a link to no room says so", () =>
  scene(async ({ server, browser }) => {
    const page = await browser.visit(`${server.url}#${"A".repeat(22)}`);
    await page.press("Join the room");
    await page.sees("This room does not exist, or it is full");
    const broken = await browser.visit(`${server.url}#not-a-code!`);
    await broken.sees("This room does not exist, or it is full");
  }));
