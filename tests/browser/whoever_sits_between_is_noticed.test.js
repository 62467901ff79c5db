/**
 * A server that does not keep to the protocol: what it changes, repeats, reorders or holds back ends the call
 * with a word about it; and if it makes keys of its own, the two see different strings.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Mallory } from "../../crates/web-client/fakes/mallory.js";
import { Between } from "./lib/between.js";
import { oneSees } from "./lib/browser.js";
import { scene } from "./lib/scene.js";

const ENDED = "The call was ended for your protection";

/** Two who press Start with somebody between them. */
async function meet({ server, browser }, bend, bendBack, play) {
  const between = await Between.start(server.url, bend, bendBack);
  try {
    const pages = [await browser.visit(between.url), await browser.visit(between.url)];
    for (const page of pages) await page.choose("Text");
    for (const page of pages) await page.press("Start");
    await play(pages);
  } finally {
    await between.close();
  }
}

/** Bends the sealed messages on the way to the callee, from its third frame on: the first that are sealed. */
function toCallee(change) {
  return () => {
    const roles = new Map();
    const state = {};
    return (message, line) => {
      if (message.t === "matched") roles.set(line, message.role);
      if (message.t !== "seal" || roles.get(line) !== "callee" || message.n < 3) return [message];
      return change(message, state);
    };
  };
}

const ATTACKS = {
  "changes a message": toCallee((message) => [{ ...message, body: flipped(message.body) }]),
  "sends one again as a new one": toCallee((message, state) => {
    const bent = [{ ...message, n: message.n + (state.shift ?? 0) }];
    if (!state.shift) bent.push({ ...message, n: message.n + 1 });
    state.shift = 1;
    return bent;
  }),
  "turns two around": toCallee((message, state) => {
    if (!state.held) {
      state.held = message;
      return [];
    }
    return [
      { ...message, n: state.held.n },
      { ...state.held, n: message.n },
    ];
  }),
  "holds one back": toCallee((message, state) => {
    const first = !state.held;
    state.held = true;
    return first ? [] : [message];
  }),
  "does not seal": toCallee(({ session, n }) => [{ t: "plain", session, n, body: { cand: [] } }]),
};

for (const [what, attack] of Object.entries(ATTACKS)) {
  test(`a server that ${what} is noticed`, () =>
    scene((both) => meet(both, attack(), undefined, (pages) => oneSees(pages, ENDED))));
}

test("a message that comes twice, as after a broken connection, changes nothing", () =>
  scene((both) =>
    meet(
      both,
      (message) => (message.t === "seal" ? [message, message] : [message]),
      undefined,
      async (pages) => {
        for (const page of pages) await page.sees("Connected via relay");
      },
    ),
  ));

test("a server with keys of its own makes the strings differ, and cannot carry the call", () =>
  scene((both) => {
    const mallory = new Mallory((body) => body);
    return meet(both, ...mallory.ways, async (pages) => {
      const [one, other] = await Promise.all(pages.map((page) => page.words()));
      assert.equal(one.length, 4);
      assert.notDeepEqual(one, other);
      await oneSees(pages, ENDED);
    });
  }));

test("a server with keys of its own cannot put its certificate in place of the partner's", () =>
  scene((both) => {
    const foreign = Array(32).fill("AB").join(":");
    const mallory = new Mallory((body) => {
      if (!body.desc) return body;
      const sdp = body.desc.sdp.replace(/(a=fingerprint:sha-256 )\S+/g, `$1${foreign}`);
      return { desc: { ...body.desc, sdp } };
    });
    return meet(both, ...mallory.ways, (pages) => oneSees(pages, ENDED));
  }));

function flipped(body) {
  return body.slice(0, 40) + (body[40] === "A" ? "B" : "A") + body.slice(41);
}
