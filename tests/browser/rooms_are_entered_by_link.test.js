/**
 * Two people meet by a link.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Between } from "./lib/between.js";
import { oneSees } from "./lib/browser.js";
import { scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

/** What a browser says of a connection that breaks. */
const CUT = /^error: (WebSocket connection to .* failed|Failed to load resource: net::ERR_CONNECTION_)/;

test("a room is entered by its link, holds two, and outlives a guest", () =>
  scene(async ({ server, browser }) => {
    const host = await browser.visit(server.url);
    await host.press("Open a room");
    const link = await host.roomLink();
    assert.ok(link.startsWith(`${server.url}#`), "the code is in the fragment");

    const guest = await browser.visit(link);
    await guest.sees("You are invited to a private room");
    assert.equal(guest.address(), server.url, "the address bar forgets the code");
    await guest.press("Join the room");
    for (const page of [host, guest]) await page.sees("Connected via relay");
    await until("the guest sees the host", async () => (await guest.call()).framesDecoded > 0);

    for (const page of [host, guest]) await page.sees("You both hold the invite link");
    assert.deepEqual(await host.words(), await guest.words());

    const third = await browser.visit(link);
    await third.press("Join the room");
    await third.sees("This room does not exist, or it is full");

    await guest.press("Stop");
    await host.sees("This link still works");
    assert.equal(await host.roomLink(), link);
    await third.press("Try again");
    for (const page of [host, third]) await page.sees("Connected via relay");

    const [code, secret] = new URL(link).hash.slice(1).split(".");
    for (const text of [code, secret]) {
      assert.equal(text.length, 22);
      assert.ok(
        server.logLines().every((line) => !line.includes(text)),
        "the log does not know the room",
      );
    }
  }));

test("a guest in a room whose host is away is told to stay, and meets the host", () =>
  scene(
    async ({ server, browser }) => {
      const between = await Between.start(server.url);
      try {
        const host = await browser.visit(between.url);
        await host.press("Open a room");
        const link = new URL(await host.roomLink());
        between.break();
        await until("the host is away", async () => (await server.metric("ginnel_signal_lost")) === 1);
        const guest = await browser.visit(new URL(link.hash, server.url).href);
        await guest.press("Join the room");
        await guest.sees("Nobody is here just now");
        await guest.sees("Stay here, and you are connected as soon as somebody comes.");
        between.mend();
        for (const page of [guest, host]) await page.sees("Connected via relay", 60_000);
        await guest.cannotSee("Nobody is here just now");
        await guest.sees("You both hold the invite link");
      } finally {
        await between.close();
      }
    },
    { expected: CUT, configuration: "[match]\nresume_s = 120\n" },
  ));

test("who has the room's code and not the link's secret is not let in", () =>
  scene(async ({ server, browser }) => {
    const host = await browser.visit(server.url);
    await host.press("Open a room");
    const link = await host.roomLink();
    // The server knows the code: this is what its operator could open.
    const guest = await browser.visit(link.split(".")[0]);
    await guest.press("Join the room");
    await oneSees([host, guest], "The call was ended for your protection");
    for (const page of [host, guest]) assert.deepEqual(await page.delivered(), []);
  }));

test("a server without rooms offers none", () =>
  scene(
    async ({ server, browser }) => {
      const page = await browser.visit(server.url);
      await page.sees("Server connected");
      await page.cannotSee("Open a room");
      await page.cannotSee("A room is for someone you know");
    },
    { configuration: "[match]\nrooms = false\n" },
  ));
