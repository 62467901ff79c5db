/**
 * Pictures for whoever changes the looks, in `artifacts/`; the test itself checks that nothing sticks out
 * sideways.
 */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

const SCREENS = [
  ["desktop", { viewport: { width: 1280, height: 800 } }],
  ["dark", { viewport: { width: 1280, height: 800 }, colorScheme: "dark" }],
  ["phone", { viewport: { width: 375, height: 700 } }],
  ["sideways", { viewport: { width: 667, height: 331 } }],
];

for (const [name, options] of SCREENS) {
  test(`every view fits a ${name} screen`, () =>
    scene(async ({ server, browser }) => {
      mkdirSync(join(import.meta.dirname, "artifacts"), { recursive: true });
      const page = await browser.visit(server.url, options);
      await page.sees("Server connected");
      await fits(page, `${name}-1-start`);

      await page.press("Open a room");
      const link = await page.roomLink();
      await fits(page, `${name}-2-room`);
      await page.press("Stop");
      const invited = await browser.visit(link, options);
      await fits(invited, `${name}-3-invited`);
      await invited.press("Join the room");
      await invited.sees("This room does not exist, or it is full");
      await fits(invited, `${name}-4-notice`);
      await invited.press("Close");
      await invited.cannotSee("This room does not exist");

      await page.press("Start");
      await page.sees("Waiting for somebody");
      await fits(page, `${name}-5-waiting`);
      await invited.press("Start");
      await page.sees("Connected via relay");
      await until("a picture", async () => (await page.call()).framesDecoded > 10);
      await invited.write("Hello! I did not expect anybody at this hour.");
      await page.sees("I did not expect anybody");
      await page.write(
        "Neither did I. Where are you, roughly? Here it is raining, as it always does in November.",
      );
      await fits(page, `${name}-6-connected`);
      await page.unfold("Is nobody in between?");
      await fits(page, `${name}-6a-string`);
      await page.press("They are the same");
      await page.unfold("Your address is hidden");
      await fits(page, `${name}-6b-path`);
      await page.unfold("Your address is hidden");

      await invited.press("Camera off");
      await page.sees("Your partner's camera is off");
      await fits(page, `${name}-7-camera-off`);
      await invited.press("Stop");
      await page.sees("Your partner left");
      await fits(page, `${name}-8-gone`);
      await page.press("Stop");

      for (const one of [page, invited]) {
        await one.choose("Text");
        await one.press("Start");
      }
      await page.sees("Connected via relay");
      await invited.write("Typing is nice, too.");
      await page.sees("Typing is nice");
      await fits(page, `${name}-9-text`);
      await page.unfold("Is nobody in between?");
      await page.press("They differ");
      await page.sees("Somebody may sit between you");
      await fits(page, `${name}-9a-differ`);
    }));
}

async function fits(page, name) {
  await page.screenshot(name);
  const [content, window_] = await page.ask(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(content <= window_, `${name}: ${content} px in a window of ${window_} px`);
}
