/**
 * Two who may connect directly, and whose firewalls do not let them, talk through the relay in the same room.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Authority } from "./lib/authority.js";
import { Browser } from "./lib/browser.js";
import { Office, OUTSIDE } from "./lib/office.js";
import { Server } from "./lib/server.js";
import { until } from "./lib/until.js";

test("where firewalls block the direct way, a direct room goes through the relay", async (context) => {
  const open = [];
  const closing = (thing) => (open.unshift(thing), thing);
  try {
    const offices = [0, 1].map((place) => closing(new Office(place, "tcp")));
    const authority = closing(new Authority([OUTSIDE]));
    const listen = ["turn = []", "turns = []", `web = ["${OUTSIDE}:443"]`, "local = []"];
    const exposure = '[match]\nroom_exposure = "direct"\n';
    const server = closing(await Server.start(authority.configuration + exposure, listen));
    const pages = [];
    for (const office of offices) {
      const browser = closing(await Browser.launch({ program: office.browser, home: authority.home }));
      const link = pages.length > 0 ? await pages[0].roomLink() : `https://${OUTSIDE}/`;
      pages.push(await browser.visit(link));
      await pages.at(-1).press(pages.length > 1 ? "Join the room" : "Open a room");
    }
    const began_ms = performance.now();
    for (const page of pages) await page.sees("Connected via relay");
    context.diagnostic(`through the relay after ${Math.round(performance.now() - began_ms)} ms`);
    for (const page of pages) {
      const call = await until("30 frames decoded through the relay", async () => {
        const call = await page.call();
        return call.framesDecoded >= 30 && call.localType === "relay" && call;
      });
      assert.equal(call.policy, "all");
      const [first] = call.ice.map(({ urls }) => urls).flat();
      assert.ok(!first?.startsWith("turn"), "the relay was not asked at first");
    }
    for (const office of offices) assert.ok(office.kept() > 0, "the firewall had nothing to do");
  } finally {
    for (const thing of open) await thing.close();
  }
});
