/**
 * Two people meet by a link.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

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

    const third = await browser.visit(link);
    await third.press("Join the room");
    await third.sees("This room does not exist, or it is full");

    await guest.press("Stop");
    await host.sees("This link still works");
    assert.equal(await host.roomLink(), link);
    await third.press("Try again");
    for (const page of [host, third]) await page.sees("Connected via relay");

    const code = new URL(link).hash.slice(1);
    assert.ok(
      server.logLines().every((line) => !line.includes(code)),
      "the log does not know the room",
    );
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
