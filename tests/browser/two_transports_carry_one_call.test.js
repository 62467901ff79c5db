/**
 * Each end reaches the relay by what its network lets out: UDP, TCP, or TLS on either port.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Authority } from "./lib/authority.js";
import { scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

test("the two ends of a call reach the relay by different transports", async () => {
  const authority = new Authority();
  const { configuration, home } = authority;
  try {
    await scene(
      async ({ server, browser }) => {
        const udp = { relay: "transport=udp", protocol: "udp" };
        const tcp = { relay: "^turn:.*transport=tcp", protocol: "tcp" };
        const [tls, web] = ["turns", "web"].map((name) => ({
          relay: `^turns:localhost:${server.port(name)}`,
          protocol: "tls",
        }));
        for (const ends of [
          [udp, tcp],
          [tcp, tls],
          [web, udp],
        ]) {
          await talks(browser, server, ends);
        }
        for (const transport of ["udp", "tcp", "tls"]) {
          const label = `transport="${transport}"`;
          const packets = await server.metric("ginnel_relay_transport_packets_total", label);
          assert.ok(packets > 100, `${packets} over ${transport}`);
        }
      },
      { configuration, home },
    );
  } finally {
    authority.close();
  }
});

test("who may not use UDP talks over TCP", () =>
  scene(
    async ({ server, browser }) => {
      await talks(browser, server, [{ protocol: "tcp" }, { protocol: "tcp" }]);
    },
    { udp: false },
  ));

/** Two visitors whose relay URLs match `relay` see each other move, each over its protocol. */
async function talks(browser, server, ends) {
  const pages = [];
  for (const { relay } of ends) pages.push(await browser.visit(server.url, { relay }));
  for (const page of pages) await page.press("Start");
  for (const [place, page] of pages.entries()) {
    const { protocol } = ends[place];
    await until(`30 frames decoded by way of ${protocol}`, async () => {
      const call = await page.call();
      return call.framesDecoded >= 30 && call.localType === "relay" && call.relayProtocol === protocol;
    });
  }
  for (const page of pages) await page.leave();
}
