/**
 * A room of more than two is a mesh: everybody sees everybody, each pair with a string of its own, and who
 * comes or leaves disturbs nobody.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

test("three meet in a room, and one leaves and another comes while two talk on", () =>
  scene(
    async ({ server, browser }) => {
      const host = await browser.visit(server.url);
      await host.sees("It holds");
      await host.pick("It holds", "3");
      await host.press("Open a room");
      await host.sees("Send this link to up to 2 people");
      const link = await host.roomLink();
      const second = await join(browser, link);
      await host.sees("Connected via relay");
      const third = await join(browser, link);
      for (const page of [host, second, third]) await page.sees("Connected with 2 people");
      for (const page of [host, second, third]) await sees(page, 2);

      // Each pair has a string of its own, the same on both sides.
      const strings = await Promise.all([host, second, third].map((page) => page.allWords(2)));
      const all = strings.flat().map((words) => words.join(" "));
      assert.equal(new Set(all).size, 3);
      for (const words of all) assert.equal(all.filter((other) => other === words).length, 2);

      await second.write("hello, both of you");
      for (const page of [host, third]) await page.sees("hello, both of you");

      const fourth = await join(browser, link);
      await fourth.sees("This room does not exist, or it is full");
      const before = await host.calls();
      await second.press("Stop");
      for (const page of [host, third]) await page.sees(/Guest \d left/);
      for (const page of [host, third]) await page.sees("Connected via relay");
      await fourth.press("Try again");
      for (const page of [host, third, fourth]) await page.sees("Connected with 2 people");
      for (const page of [host, third, fourth]) await sees(page, 2);
      const after = await host.calls();
      assert.equal(before.length, 2);
      // The call between the two who stayed is the same one, and was never interrupted.
      assert.deepEqual(after, ["closed", "connected", "connected"]);
      await fourth.write("somebody new");
      for (const page of [host, third]) await page.sees("somebody new");
    },
    { configuration: "[match]\nroom_size = 4\n" },
  ));

async function join(browser, link) {
  const page = await browser.visit(link);
  await page.press("Join the room");
  return page;
}

/** Waits until so many partners' pictures move. */
async function sees(page, count) {
  await until(`${count} pictures that move`, async () => {
    const frames = await page.ask(async () => {
      const open = window.watched.calls.filter(({ pc }) => pc.connectionState === "connected");
      return await Promise.all(
        open.map(async ({ pc }) => {
          const stats = [...(await pc.getStats()).values()];
          return stats.find(({ type, kind }) => type === "inbound-rtp" && kind === "video")?.framesDecoded;
        }),
      );
    });
    const moving = await page.ask(
      () => [...document.querySelectorAll("#tiles video")].filter((video) => video.currentTime > 0).length,
    );
    return frames.length === count && frames.every((number) => number > 20) && moving === count;
  });
}
