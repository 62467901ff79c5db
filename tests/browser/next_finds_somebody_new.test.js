/**
 * Next leaves one call whole and makes another.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { pair, scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

test("Next pairs four people with two others, and leaves nothing of the first call behind", () =>
  scene(async ({ server, browser }) => {
    const [a, b] = await pair(browser, server.url);
    const [c, d] = await pair(browser, server.url);
    await greet(a, b, "first from a");
    await greet(c, d, "first from c");

    // One of each pair presses first and waits: they are the only ones who have not met.
    await a.press("Next");
    await b.sees("Your partner left");
    await c.press("Next");
    await d.sees("Your partner left");
    await b.press("Find someone else");
    await d.press("Find someone else");
    for (const page of [a, b, c, d]) await page.sees("Connected via relay");

    await greet(a, c, "second from a");
    await greet(b, d, "second from b");
    for (const page of [a, b, c, d]) {
      await page.cannotSee("first from");
      const { calls } = await page.call();
      assert.deepEqual(calls, ["closed", "connected"]);
      await until("the new picture moves", async () => (await page.call()).framesDecoded >= 20);
    }

    await a.press("Stop");
    await a.sees("Meet somebody, in private");
    const { calls, liveTracks } = await a.call();
    assert.deepEqual([calls.at(-1), liveTracks], ["closed", 0]);
  }));

async function greet(from, to, text) {
  await from.write(text);
  await to.sees(text);
}
