/**
 * The SDK's examples do what they say, on a page of somebody else, without a bundler: the package's modules
 * under its name, and a server that lists the page's origin.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";

import { scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

const CLIENT = join(import.meta.dirname, "../../crates/web-client");
const FOLDERS = { "/client/": join(CLIENT, "www/sdk"), "/examples/": join(CLIENT, "client/examples") };
const PAGE = `<!doctype html><title>Somebody else's page</title><video autoplay muted></video>
<script type="importmap">{"imports": {"@ginnel/client": "/client/ginnel.js"}}</script>`;

test("stranger.js: two who press the same button write to each other", () =>
  elsewhere(async ({ server, browser, url }) => {
    const pages = [await browser.visit(url), await browser.visit(url)];
    for (const page of pages) {
      await page.ask(async (signal) => {
        const { talkToAStranger } = await import("/examples/stranger.js");
        window.lines = [];
        window.talk = talkToAStranger((line) => window.lines.push(line), { url: signal });
      }, `${server.url}signal`);
    }
    const lines = (page) => page.ask(() => window.lines);
    for (const page of pages) await until("connected", async () => (await lines(page)).includes("connected"));
    const compared = async (page) => (await lines(page)).find((line) => line.startsWith("Compare by "));
    const [one, other] = await Promise.all(pages.map(compared));
    assert.ok(one);
    assert.equal(one, other);
    assert.ok(await pages[0].ask(() => window.talk.write("good evening")));
    await until("the text", async () => (await lines(pages[1])).includes("Partner: good evening"));
    await pages[0].ask(() => window.talk.stop());
    await until("the other waits", async () => (await server.metric("ginnel_signal_waiting")) === 1);
  }));

test("room.js: whoever opens the link is there, with a picture", () =>
  elsewhere(async ({ server, browser, url }) => {
    const enter = async (page) => {
      await page.ask(async (signal) => {
        const { meetInARoom } = await import("/examples/room.js");
        const share = (link) => (window.link = link);
        window.ginnel = await meetInARoom(document.querySelector("video"), share, { url: signal });
      }, `${server.url}signal`);
    };
    const host = await browser.visit(url);
    await enter(host);
    const link = await until("a link", () => host.ask(() => window.link));
    const guest = await browser.visit(link);
    await enter(guest);
    assert.equal(guest.address(), url, "the address bar forgets the invitation");
    for (const page of [host, guest]) {
      const moves = () => page.ask(() => document.querySelector("video").currentTime > 1);
      await until("a picture that moves", moves);
      assert.ok(await page.ask(() => window.ginnel.verify().invited));
    }
  }));

/** A page on an origin of its own, and a server that lists it. */
async function elsewhere(play) {
  const pages = createServer(({ url }, answer) => {
    const folder = Object.keys(FOLDERS).find((prefix) => url.startsWith(prefix));
    const file = folder && join(FOLDERS[folder], url.slice(folder.length));
    if (file && existsSync(file)) {
      answer.setHeader("content-type", "text/javascript");
      answer.end(readFileSync(file));
    } else if (url === "/") {
      answer.setHeader("content-type", "text/html");
      answer.end(PAGE);
    } else answer.writeHead(204).end();
  });
  pages.listen(0, "127.0.0.1");
  await once(pages, "listening");
  const origin = `http://localhost:${pages.address().port}`;
  try {
    const configuration = `[server]\norigins = ["${origin}"]\n`;
    await scene((both) => play({ ...both, url: `${origin}/` }), { configuration });
  } finally {
    pages.close();
    pages.closeAllConnections();
  }
}
