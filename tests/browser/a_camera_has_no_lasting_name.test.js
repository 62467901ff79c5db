/**
 * Strangers who meet the same person cannot tell so by what that person's camera is called.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { pair, scene } from "./lib/scene.js";

/** What streams, tracks and ends are called in the descriptions that reached a page. */
async function names(page) {
  const told = (await page.delivered()).join("\n");
  const lines = told.matchAll(/^a=(?:msid|ssrc:\d+ (?:cname|msid)):(.*?)\r?$/gm);
  return [...lines].flatMap(([, each]) => each.split(" "));
}

test("a camera that two strangers see one after the other has two names", () =>
  scene(async ({ server, browser }) => {
    const [one, first] = await pair(browser, server.url);
    const before = new Set(await names(first));
    await one.press("Next");
    await first.sees("Your partner left");
    const second = await browser.visit(server.url);
    await second.press("Start");
    for (const page of [one, second]) await page.sees("Connected via relay");
    assert.equal(await one.ask(() => window.watched.tracks.length), 2, "the same microphone and camera");
    const after = await names(second);
    assert.ok(before.size >= 2 && after.length >= 2);
    assert.deepEqual(after.filter((name) => name !== "-" && before.has(name)), []);
  }));
