/**
 * Whoever leaves, by the button or by closing the window, is missed at once.
 */

import { test } from "node:test";

import { pair, scene } from "./lib/scene.js";

test("who closes the window is gone at once for the other, who can go on", () =>
  scene(async ({ server, browser }) => {
    const [one, other] = await pair(browser, server.url);
    await one.leave();
    await other.sees(/Your partner left|Your partner's connection was lost/);
    await other.press("Find someone else");
    await other.sees("Waiting for somebody");
    const third = await browser.visit(server.url);
    await third.press("Start");
    await other.sees("Connected via relay");
  }));

test("Stop ends the call for both and frees the camera", () =>
  scene(async ({ server, browser }) => {
    const [one, other] = await pair(browser, server.url);
    await one.press("Stop");
    await one.sees("Meet somebody, in private");
    await other.sees("Your partner left");
    await other.press("Stop");
    await other.sees("Meet somebody, in private");
  }));
