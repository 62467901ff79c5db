/**
 * A deployment with nothing open but port 443 carries a call between two people whose firewalls let out
 * nothing but port 443: over TCP, or over UDP.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";

import { Authority } from "./lib/authority.js";
import { Browser } from "./lib/browser.js";
import { Office, OUTSIDE } from "./lib/office.js";
import { Server } from "./lib/server.js";
import { until } from "./lib/until.js";

test("where only TCP gets out, over TURN with TLS", () =>
  between("tcp", {}, async ({ server, browsers }) => {
    const pages = [];
    for (const browser of browsers) pages.push(await browser.visit(`https://${OUTSIDE}/`));
    for (const page of pages) await page.press("Start");
    for (const page of pages) await page.sees("Connected via relay");
    for (const page of pages) await talks(page, "tls");
    assert.equal(await server.metric("ginnel_quic_connections"), 0);
    await pages[0].write("through the firewall");
    await pages[1].sees("through the firewall");
  }));

test("where only UDP gets out, over TURN and with signaling over QUIC", () => {
  // A certificate of a CA that the whole world knows is what QUIC wants; this one is known to one browser.
  const more = ["--webtransport-developer-mode"];
  return between("udp", { more }, async ({ server, browsers, offices }) => {
    const copies = offices.map((office) => {
      const [program, args] = office.command("node", `${import.meta.dirname}/lib/own_copy.js`);
      return spawn(program, args, { stdio: "inherit" });
    });
    try {
      const pages = [];
      for (const browser of browsers) {
        const visited = () => browser.visit("http://localhost:8000/");
        pages.push(await until("its own copy of the page", visited));
      }
      for (const page of pages) await page.ask(callAStranger, `https://${OUTSIDE}/signal`);
      for (const page of pages) await talks(page, "udp");
      assert.equal(await server.metric("ginnel_quic_connections"), 2);
      assert.equal(await server.metric("ginnel_connections_total", 'listener="web"'), 0);
    } finally {
      for (const copy of copies) copy.kill();
    }
  });
});

/** A server with one port, and two offices that let out one transport to it, each with a browser. */
async function between(transport, options, play) {
  const open = [];
  const closing = (thing) => (open.unshift(thing), thing);
  try {
    const offices = [0, 1].map((place) => closing(new Office(place, transport)));
    const authority = closing(new Authority([OUTSIDE]));
    const listen = ["turn = []", "turns = []", `web = ["${OUTSIDE}:443"]`, "local = []"];
    const origins = `[server]\norigins = ["https://${OUTSIDE}", "http://localhost:8000"]\n`;
    const server = closing(await Server.start(origins + authority.configuration, listen));
    const browsers = [];
    for (const office of offices) {
      const launched = Browser.launch({ program: office.browser, home: authority.home, ...options });
      browsers.push(closing(await launched));
    }
    await play({ server, browsers, offices });
    for (const office of offices) {
      assert.ok(office.kept() > 0, "the firewall had nothing to do");
    }
  } finally {
    for (const thing of open) await thing.close();
  }
}

/** Waits until a page sees its partner move by way of the relay over a transport. */
async function talks(page, transport) {
  await until(`30 frames decoded over ${transport}`, async () => {
    const call = await page.call();
    return call.framesDecoded >= 30 && call.localType === "relay" && call.relayProtocol === transport && call;
  });
}

/** Runs in the page. */
async function callAStranger(url) {
  const { Ginnel } = await import("/sdk/ginnel.js");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  const [audio] = stream.getAudioTracks();
  const [video] = stream.getVideoTracks();
  const ginnel = new Ginnel({ url });
  ginnel.on("open", ({ resumed }) => resumed || ginnel.find({ media: "video" }));
  ginnel.setTracks({ audio, video });
  ginnel.connect();
}
