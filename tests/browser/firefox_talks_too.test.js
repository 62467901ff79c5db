/**
 * Firefox, with itself and with Chromium: calls by the relay, another partner, a direct way once both agree,
 * and signaling by WebTransport. It talks to no relay on loopback: the server tells it an address of the
 * machine.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Browser } from "./lib/browser.js";
import { Server } from "./lib/server.js";
import { until } from "./lib/until.js";

/** Firefox warns of five addresses of a relay and more: two ports, two transports, one on each address. */
const EXPECTED = /Using five or more STUN\/TURN servers/;

test("Firefox talks with Firefox and with Chromium, next and directly", async (context) => {
  const open = [];
  const closing = (thing) => (open.unshift(thing), thing);
  try {
    const server = closing(await Server.start("", undefined, "0.0.0.0"));
    const firefox = closing(await Browser.launchFirefox());
    const chromium = closing(await Browser.launch());
    const a = await firefox.visit(server.url);
    const b = await firefox.visit(server.url);
    await step(context, "Firefox with Firefox", async () => {
      for (const page of [a, b]) await page.press("Start");
      await talk(a, b);
    });
    const c = await chromium.visit(server.url);
    await step(context, "Next, and Firefox with Chromium", async () => {
      await c.press("Start");
      await c.sees("Waiting for somebody");
      await a.press("Next");
      await b.sees("Your partner left");
      await talk(a, c);
    });
    await step(context, "directly", async () => {
      const words = await a.words();
      await a.unfold("Your address is hidden");
      await a.press("Connect directly");
      await c.sees("Your partner offers to connect directly");
      await c.press("Connect directly");
      for (const page of [a, c]) {
        await page.sees("Connected directly");
        const { localType, remoteType } = await page.call();
        assert.ok(![localType, remoteType].includes("relay"), `${localType} to ${remoteType}`);
        assert.deepEqual(await page.words(), words);
      }
      await c.write("straight to you");
      await a.sees("straight to you");
    });
    await step(context, "the partner who was left finds another", async () => {
      await b.press("Find someone else");
      const d = await firefox.visit(server.secureUrl, { webSockets: false });
      await d.press("Start");
      await talk(b, d);
      // One that took too long was given up for another, and goes.
      await until("by WebTransport", async () => (await server.metric("ginnel_quic_connections")) === 1);
    });
    const complaints = [firefox, chromium].flatMap((browser) => browser.complaints());
    assert.deepEqual(
      complaints.filter((complaint) => !EXPECTED.test(complaint)),
      [],
    );
  } finally {
    for (const thing of open) await thing.close();
  }
});

/** Both see, hear and write to each other by way of the relay, and have the same string. */
async function talk(one, other) {
  for (const page of [one, other]) await page.sees("Connected via relay");
  for (const page of [one, other]) {
    const call = await until("pictures and sound by way of the relay", async () => {
      const call = await page.call();
      const flows = call.framesDecoded >= 20 && call.audioEnergy > 0;
      return flows && call.localType === "relay" && call.remoteType === "relay" && call;
    });
    assert.equal(call.policy, "relay");
    assert.doesNotMatch(call.descriptions[1], /audio-level/);
    await until("a picture on the screen", () =>
      page.ask(() => [...document.querySelectorAll("#tiles video")].some((video) => video.currentTime > 0)),
    );
  }
  assert.deepEqual(await one.words(), await other.words());
  await one.write("good evening");
  await other.sees("good evening");
  await other.write("and to you");
  await one.sees("and to you");
}

async function step(context, what, play) {
  const began_ms = performance.now();
  await play();
  context.diagnostic(`${what}: ${Math.round(performance.now() - began_ms)} ms`);
}
