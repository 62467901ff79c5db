/**
 * Strangers begin on the relay, and learn each other's addresses when both have said so, not before.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { pair, scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

/** Nothing that reached the page's engine names another address than the relay's, which is this machine's. */
async function knowsNoAddress(page) {
  const delivered = (await page.delivered()).join("\n");
  assert.match(delivered, /typ relay/);
  assert.doesNotMatch(delivered, /typ (host|srflx|prflx)|\.local/);
  for (const [address] of delivered.matchAll(/\b\d{1,3}(\.\d{1,3}){3}\b/g)) {
    assert.match(address, /^(127\.0\.0\.1|0\.0\.0\.0)$/);
  }
}

test("strangers go direct after both have agreed, and see the same string all along", () =>
  scene(async ({ server, browser }) => {
    const [one, other] = await pair(browser, server.url);
    const words = await one.words();
    assert.deepEqual(await other.words(), words);
    for (const page of [one, other]) {
      await until("candidates", async () => (await page.delivered()).length > 1);
      await knowsNoAddress(page);
    }

    await one.unfold("Your address is hidden");
    await one.press("Connect directly");
    await one.sees("You offered to connect directly");
    await other.sees("Your partner offers to connect directly");
    for (const page of [one, other]) {
      await page.sees("Connected via relay");
      await knowsNoAddress(page);
      assert.deepEqual((await page.call()).calls, ["connected"]);
    }

    await other.press("Connect directly");
    for (const page of [one, other]) {
      await until("a direct path", async () => {
        const { localType, remoteType } = await page.call();
        return localType && localType !== "relay" && remoteType !== "relay";
      });
      await page.sees("Connected directly");
      assert.match((await page.delivered()).join("\n"), /typ host/);
      assert.deepEqual(await page.words(), words);
    }
    await one.write("straight to you");
    await other.sees("straight to you");
  }));

test("where the server says relay, nobody is asked", () =>
  scene(
    async ({ server, browser }) => {
      const pages = await pair(browser, server.url);
      for (const page of pages) {
        await page.unfold("Your address is hidden");
        await page.sees("your partner cannot learn your network address");
        await page.cannotSee("Connect directly");
        await knowsNoAddress(page);
      }
    },
    { configuration: '[match]\nexposure = "relay"\n' },
  ));

test("in a room whose exposure is direct no picture passes through the relay", () =>
  scene(
    async ({ server, browser }) => {
      const host = await browser.visit(server.url);
      await host.press("Open a room");
      const guest = await browser.visit(await host.roomLink());
      await guest.press("Join the room");
      let received = 0;
      for (const page of [host, guest]) {
        await page.sees("Connected directly");
        const call = await until("pictures", async () => {
          const call = await page.call();
          return call.framesDecoded > 20 && call;
        });
        received += call.bytesReceived;
      }
      // Browsers try the way through the relay as well before they decide.
      const relayed = await server.metric("ginnel_relay_bytes_total");
      assert.ok(relayed < received / 20, `the relay counted ${relayed} bytes, the browsers ${received}`);
    },
    { configuration: '[match]\nroom_exposure = "direct"\n' },
  ));
