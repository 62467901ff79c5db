/**
 * A page whose program does not come, or may not run, does not pretend to work.
 */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { scene } from "./lib/scene.js";

const UNLOADED = /The page's program has not loaded/;
/** What the browser itself says of a file that did not come. */
const MISSING = /^error: Failed to load resource: net::ERR_FAILED/;

mkdirSync(join(import.meta.dirname, "artifacts"), { recursive: true });

for (const file of ["app/main.js", "sdk/sealing.js"]) {
  test(`where ${file} does not arrive, the page says that it does not work`, () =>
    scene(
      async ({ server, browser }) => {
        const page = await browser.visit(server.url, { withhold: `**/${file}` });
        await page.sees(UNLOADED);
        await page.screenshot(`unloaded-${file.replace("/", "-")}`);
        for (const name of ["Start", "Open a room"]) assert.ok(!(await page.canPress(name)), name);
      },
      { expected: MISSING },
    ));
}

test("where no scripts may run, the page asks for them and for nothing else", () =>
  scene(async ({ server, browser }) => {
    const page = await browser.visit(server.url, { scripting: false });
    await page.sees(/which needs JavaScript/);
    await page.cannotSee(UNLOADED);
    await page.screenshot("unloaded-no-scripts");
    assert.ok(!(await page.canPress("Start")));
  }));

test("where the program comes, nobody hears of it", () =>
  scene(async ({ server, browser }) => {
    const page = await browser.visit(server.url);
    await page.sees("Server connected");
    assert.ok(await page.canPress("Start"));
    assert.ok(await page.canPress("Open a room"));
    await page.cannotSee(UNLOADED);
  }));
