/**
 * The main thing: two people who never met talk through the relay.
 */

import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";

import { pair, scene } from "./lib/scene.js";
import { until } from "./lib/until.js";

test("two strangers see, hear and write to each other through the relay, and the log knows nothing", () =>
  scene(async ({ server, browser }) => {
    const before = await server.metric("ginnel_relay_bytes_total");
    const pages = await pair(browser, server.url);
    const calls = [];
    for (const page of pages) {
      calls.push(
        await until("60 frames decoded and sound heard, over relays on both ends", async () => {
          const call = await page.call();
          const flows = call.framesDecoded >= 60 && call.audioPackets > 0 && call.audioEnergy > 0;
          return flows && call.localType === "relay" && call.remoteType === "relay" && call;
        }),
      );
    }
    for (const { policy, descriptions, extensions } of calls) {
      assert.equal(policy, "relay");
      for (const sdp of descriptions) assert.match(sdp, /a=fingerprint:sha-256/);
      assert.doesNotMatch(descriptions.join(""), /audio-level/);
      assert.ok(extensions.length > 0);
      assert.ok(!extensions.some((uri) => uri.includes("audio-level")), "nobody on the way sees who speaks");
    }

    const [one, other] = pages;
    const texts = ["good evening <b>stranger</b>", "good evening & welcome"];
    await one.write(texts[0]);
    await other.sees(texts[0]);
    await other.write(texts[1]);
    await one.sees(texts[1]);

    const received = calls.reduce((sum, call) => sum + call.bytesReceived, 0);
    // What it counts is published a little later.
    await until(`${received} bytes that the browsers received, counted by the relay`, async () => {
      const relayed = (await server.metric("ginnel_relay_bytes_total")) - before;
      return relayed >= received;
    });
    // By routes: no packet of theirs went through a relay socket.
    assert.ok((await server.metric("ginnel_relay_packets_total", 'verdict="routed"')) > 0);
    for (const verdict of ["to_peer", "from_peer"]) {
      assert.equal(await server.metric("ginnel_relay_packets_total", `verdict="${verdict}"`), 0);
    }

    const secrets = calls.flatMap(({ ice }) =>
      ice.flatMap(({ username, credential }) => [username, credential]),
    );
    tellsNothing(server.logLines(), [...secrets, ...texts]);
  }));

/** No address, user name or description in any line. */
function tellsNothing(lines, secrets) {
  assert.ok(
    lines.some((line) => line.includes('"TRACE"')),
    "the log is at its most talkative",
  );
  for (const line of lines) {
    for (const [token] of line.matchAll(/(?<![\w:.])[0-9a-f:.]{3,}(?![\w:])/gi)) {
      const bare = token.replace(/\.$/, "");
      const host = bare.replace(/:\d+$/, "");
      assert.ok(!isIP(bare) && !isIP(host), `an address in the log: ${line}`);
    }
    for (const secret of secrets) assert.ok(!line.includes(secret), `a secret in the log: ${line}`);
    assert.doesNotMatch(line, /a=ice-ufrag|a=fingerprint|candidate:|typ relay/, "a description in the log");
  }
}
