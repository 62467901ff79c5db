/**
 * A test's scene: one server, one browser, closed however the test ends; and no page may have complained.
 */
import assert from "node:assert/strict";

import { Browser } from "./browser.js";
import { Server } from "./server.js";

/**
 * @param {(scene: { server: Server, browser: Browser }) => Promise<void>} play
 * @param {object} [options] of the browser, and `expected`: complaints that belong to the test,
 *   `configuration`: lines for the server
 */
export async function scene(play, { expected = /^$/, configuration = "", ...options } = {}) {
  const server = await Server.start(configuration);
  try {
    const browser = await Browser.launch(options);
    try {
      await play({ server, browser });
      assert.deepEqual(
        browser.complaints().filter((complaint) => !expected.test(complaint)),
        [],
      );
    } finally {
      await browser.close();
    }
  } finally {
    await server.close();
  }
}

/** Two strangers who see "Connected via relay". */
export async function pair(browser, url, options) {
  const pages = [await browser.visit(url, options), await browser.visit(url, options)];
  for (const page of pages) await page.press("Start");
  for (const page of pages) await page.sees("Connected via relay");
  return pages;
}
