/**
 * Strangers begin on the relay, and learn each other's addresses when both have said so, not before.
 */

import assert from "node:assert/strict";
import { isIPv6 } from "node:net";
import { test } from "node:test";

import { Authority } from "./lib/authority.js";
import { Browser } from "./lib/browser.js";
import { Office, OUTSIDE } from "./lib/office.js";
import { pair, scene } from "./lib/scene.js";
import { Server } from "./lib/server.js";
import { until } from "./lib/until.js";

/** Chromium would give names to its own addresses otherwise. */
const BY_NUMBER = "--disable-features=WebRtcHideLocalIpsWithMdns";

/** All that reached the page, or its engine. */
async function all(page) {
  return [...(await page.received()), ...(await page.delivered())].join("\n");
}

/** Every address in a text. */
function addresses(text) {
  const parts = text.split(/[^\w:.]+/).flatMap((part) => [part, part.replace(/[.:]$|:\d+$/, "")]);
  return [...(text.match(/\d{1,3}(\.\d{1,3}){3}/g) ?? []), ...parts.filter((part) => isIPv6(part))];
}

/**
 * Nothing that reached the page, or its engine, names another address than the relay's, or what a relayed
 * address was derived from, or the kind of link.
 */
async function knowsNoAddress(page, relay = "127.0.0.1") {
  const received = await all(page);
  assert.match(received, /"cand"/, "what was sealed");
  assert.match(received, /typ relay/);
  assert.doesNotMatch(received, /typ (host|srflx|prflx)|\.local|network-(id|cost)/);
  for (const address of addresses(received)) assert.ok([relay, "0.0.0.0", "::"].includes(address), address);
  for (const [, rest] of received.matchAll(/typ relay(.*?)(\\r|\\n|[\n",])/g)) {
    assert.match(rest, /^ raddr 0\.0\.0\.0 rport 9( |$)/);
  }
  for (const [line] of received.matchAll(/\bo=.*? IN IP[46] [\w.:]+/g)) assert.match(line, / 0\.0\.0\.0$/);
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
    const tracks = await one.ask(() => window.watched.tracks.map(({ id }) => id));
    const [written] = (await one.call()).descriptions;
    assert.ok(tracks.length === 2 && tracks.every((id) => written.includes(id)), "browsers write them");
    const told = [...(await other.received()), ...(await other.delivered())].join("\n");
    assert.ok(!tracks.some((id) => told.includes(id)), "a name that the next partner would see too");

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

test("in networks of their own, too, and of IPv6 as well as of IPv4", async () => {
  const open = [];
  const closing = (thing) => (open.unshift(thing), thing);
  try {
    const offices = [0, 1].map((place) => closing(new Office(place, "tcp")));
    const authority = closing(new Authority([OUTSIDE]));
    const listen = ["turn = []", "turns = []", `web = ["${OUTSIDE}:443"]`, "local = []"];
    closing(await Server.start(authority.configuration, listen));
    const pages = [];
    for (const office of offices) {
      const settings = { program: office.browser, home: authority.home, more: [BY_NUMBER] };
      const browser = closing(await Browser.launch(settings));
      pages.push(await browser.visit(`https://${OUTSIDE}/`));
      await pages.at(-1).press("Start");
    }
    for (const page of pages) await page.sees("Connected via relay");
    for (const page of pages) await knowsNoAddress(page, OUTSIDE);
    await pages[0].unfold("Your address is hidden");
    await pages[0].press("Connect directly");
    await pages[1].sees("Your partner offers to connect directly");
    for (const page of pages) await knowsNoAddress(page, OUTSIDE);
    await pages[1].press("Connect directly");
    for (const [at, page] of pages.entries()) {
      const partners = offices[1 - at].addresses;
      await until("the partner's addresses", async () => {
        const known = addresses(await all(page));
        return partners.every((address) => known.includes(address));
      });
    }
  } finally {
    for (const thing of open) await thing.close();
  }
});

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

test("in a room whose exposure is direct nothing at all passes through the relay", (context) =>
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
      for (const verdict of ["routed", "to_peer", "from_peer"]) {
        assert.equal(await server.metric("ginnel_relay_packets_total", `verdict="${verdict}"`), 0);
      }
      assert.equal(await server.metric("ginnel_relay_allocations"), 0);
      // What it did answer: what the browsers' addresses look like from outside.
      const answered = await server.metric("ginnel_relay_bytes_total");
      context.diagnostic(`the browsers received ${received} bytes, STUN took ${answered}, the relay none`);
      assert.ok(answered < 4_000, `${answered} bytes of STUN`);
    },
    { configuration: '[match]\nroom_exposure = "direct"\n' },
  ));
