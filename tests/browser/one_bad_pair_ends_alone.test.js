/**
 * In a room of several, what one pair cannot carry on ends that pair's session, and nobody else notices.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Between } from "./lib/between.js";
import { oneSees } from "./lib/browser.js";
import { scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

const ROOMS = "[match]\nroom_size = 3\n";

/** Each bends what passes of one session, to the newcomer and from it. */
const ATTACKS = {
  "is changed on its way": {
    bend: (message) => [{ ...message, body: `${message.body.slice(0, 40)}AAAA${message.body.slice(44)}` }],
  },
  "is missing": { bend: (message) => [{ ...message, n: message.n + 1 }] },
  "is not sealed": { bend: ({ session, n }) => [{ t: "plain", session, n, body: { cand: [] } }] },
  "is refused by the server": { bendBack: (message) => [{ ...message, n: message.n + 1 }] },
};

for (const [what, attack] of Object.entries(ATTACKS)) {
  test(`a message that ${what} ends one session of three`, () =>
    scene(
      async ({ server, browser }) => {
        const between = await toSecond(server.url, attack);
        try {
          const host = await open(browser, server.url);
          const link = await host.roomLink();
          const second = await join(browser, link);
          await host.sees("Connected via relay");
          const third = await join(browser, link.replace(server.url, between.url));
          await third.sees(/The call was (ended|refused) for your protection/);
          await third.press("Close");
          await second.sees("Guest 2 left");
          await host.sees("Connected with 2 people");
          for (const page of [second, third]) await page.sees("Connected via relay");
          await until("two sessions", async () => (await server.metric("ginnel_signal_sessions")) === 2);
          await host.write("to both of you");
          for (const page of [second, third]) await page.sees("to both of you");
          const calls = await host.calls();
          assert.deepEqual(calls, ["connected", "connected"]);
        } finally {
          await between.close();
        }
      },
      { configuration: ROOMS },
    ));
}

test("who holds no secret of the link's leaves a room open to those who do", () =>
  scene(
    async ({ server, browser }) => {
      const host = await open(browser, server.url);
      const link = await host.roomLink();
      const stranger = await join(browser, link.split(".")[0]);
      await oneSees([host, stranger], "The call was ended for your protection");
      await host.sees("The room stays open as long as you are in it");
      await until("the stranger is out", async () => (await server.metric("ginnel_signal_sessions")) === 0);
      await stranger.leave();
      const friend = await join(browser, link);
      for (const page of [host, friend]) await page.sees("Connected via relay");
    },
    { configuration: ROOMS },
  ));

/** Somebody between the server and a newcomer, who bends the sealed messages of the second session only. */
async function toSecond(url, { bend = (message) => [message], bendBack = (message) => [message] }) {
  const sessions = [];
  const isBent = ({ t, session, n }) => t === "seal" && session === sessions[1] && n >= 2;
  return await Between.start(
    url,
    (message) => {
      if (message.t === "matched") sessions.push(message.session);
      return isBent(message) ? bend(message) : [message];
    },
    (message) => (isBent(message) ? bendBack(message) : [message]),
  );
}

async function open(browser, url) {
  const host = await browser.visit(url);
  await host.sees("It holds");
  await host.pick("It holds", "3");
  await host.choose("Text");
  await host.press("Open a room");
  return host;
}

async function join(browser, link) {
  const page = await browser.visit(link);
  await page.choose("Text");
  await page.press("Join the room");
  return page;
}
