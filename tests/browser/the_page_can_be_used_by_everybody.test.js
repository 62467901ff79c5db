/**
 * The page without a mouse and by a screen reader: rules that a program can check (axe-core: names, roles,
 * contrast, light and dark), where the focus goes when what had it disappears, and what is said aloud.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";

import { scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What the rules find wrong with the page as it is now. */
async function findings(page) {
  await page.ask(AXE);
  return await page.ask(async () => {
    const { violations } = await window.axe.run(document);
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(" ")}`);
  });
}

/** What has the focus, by its identifier or its words. */
async function focus(page) {
  return await page.ask(() => document.activeElement.id || document.activeElement.textContent.trim());
}

async function hasFocus(page, what) {
  await until(`the focus on ${what}`, async () => (await focus(page)) === what);
}

/** Presses Tab until something has the focus, as people do, and then Enter. */
async function goTo(page, what) {
  for (let tabs = 0; tabs < 20 && (await focus(page)) !== what; tabs += 1) await page.key("Tab");
  assert.equal(await focus(page), what);
  await page.key("Enter");
}

for (const colorScheme of ["light", "dark"]) {
  test(`no view breaks a rule, ${colorScheme}`, () =>
    scene(async ({ server, browser }) => {
      const pages = [];
      for (const _ of [0, 1]) pages.push(await browser.visit(server.url, { colorScheme }));
      const [page, partner] = pages;
      const check = async (view) => assert.deepEqual(await findings(page), [], view);
      await page.sees("Server connected");
      await check("start");
      await page.press("Open a room");
      await page.roomLink();
      await check("room");
      await page.press("Stop");
      for (const one of pages) await one.press("Start");
      for (const one of pages) await one.sees("Connected via relay");
      await page.write("good evening");
      await partner.write("and to you");
      await page.sees("and to you");
      await page.unfold("Is nobody in between?");
      await check("string");
      await page.unfold("Your address is hidden");
      await check("path");
      await page.press("Connect directly");
      await page.sees("You offered to connect directly");
      await check("offer");
      await page.unfold("Report this person");
      await check("report");
      await partner.press("Stop");
      await page.sees("Your partner left");
      await check("gone");
    }));
}

test("a conversation needs no mouse, and the focus is never lost", () =>
  scene(async ({ server, browser }) => {
    const pages = [await browser.visit(server.url), await browser.visit(server.url)];
    const [page, partner] = pages;
    for (const one of pages) {
      await one.choose("Text");
      await goTo(one, "go");
    }
    for (const one of pages) await hasFocus(one, "text");
    await goTo(page, "Is nobody in between?");
    await goTo(page, "They are the same");
    await hasFocus(page, "Compared: nobody is in between");
    await goTo(page, "Your address is hidden");
    await goTo(page, "Connect directly");
    await hasFocus(page, "You offered to connect directly");
    const said = () => partner.ask(() => document.querySelector("#aside").textContent);
    await until("it is said aloud", async () => (await said()) === "Your partner offers to connect directly");
    await goTo(page, "Report this person");
    await goTo(page, "Report and leave");
    await hasFocus(page, "again");
    await goTo(page, "again");
    await hasFocus(page, "call");
    await goTo(page, "stop");
    await hasFocus(page, "start-title");
    await goTo(page, "go");
    await page.sees("Waiting for somebody");
  }));
