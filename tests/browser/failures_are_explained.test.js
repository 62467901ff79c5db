/**
 * Everything that can go wrong says what it is and what to do.
 */

import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { Between } from "./lib/between.js";
import { oneSees } from "./lib/browser.js";
import { pair, scene } from "./lib/scene.js";

/** What a browser says of connections that end with the server, the icon's too if it was still on its way. */
const CUT = /^error: (WebSocket connection to .* failed|Failed to load resource: net::ERR_CONNECTION_)/;

test("a refused camera offers a conversation without it", () =>
  scene(
    async ({ server, browser }) => {
      const page = await browser.visit(server.url);
      await page.press("Start");
      await page.sees("The camera or microphone was not allowed");
      await page.press("Continue with text only");
      await page.sees("Waiting for somebody");
    },
    { allow: false },
  ));

test("missing devices are named, and text still works", () =>
  scene(
    async ({ server, browser }) => {
      const pages = [await browser.visit(server.url), await browser.visit(server.url)];
      for (const page of pages) {
        await page.press("Start");
        await page.sees("No camera and no microphone were found");
        await page.press("Continue with text only");
      }
      for (const page of pages) await page.sees("Connected via relay");
      await pages[0].write("without a camera");
      await pages[1].sees("without a camera");
    },
    { devices: false },
  ));

test("a server that goes away is noticed, and found again", () =>
  scene(
    async ({ server, browser }) => {
      const pages = await pair(browser, server.url);
      await server.kill();
      for (const page of pages) await page.sees("Server unreachable");
      await server.start();
      for (const page of pages) await page.sees("You were cut off");
      for (const page of pages)
        assert.equal((await page.call()).liveTracks, 0, "a call that is over frees the camera");
      for (const page of pages) await page.press("Start");
      for (const page of pages) await page.sees("Connected via relay");
    },
    { expected: CUT },
  ));

test("who waits when the server goes away waits again when it is back", () =>
  scene(
    async ({ server, browser }) => {
      const page = await browser.visit(server.url);
      await page.press("Start");
      await page.sees("Waiting for somebody");
      await server.kill();
      await page.sees("The server cannot be reached");
      await server.start();
      await page.sees("Waiting for somebody");
      await page.cannotSee("The server cannot be reached");
    },
    { expected: CUT },
  ));

test("a relay that cannot be reached is named as what it is", () =>
  scene(
    async ({ server, browser }) => {
      const relay = "transport=udp";
      const pages = [await browser.visit(server.url, { relay }), await browser.visit(server.url, { relay })];
      for (const page of pages) await page.press("Start");
      // Whoever notices first leaves, and the other may hear of that before noticing anything.
      await oneSees(pages, "The relay could not be reached");
      for (const page of pages) await page.sees(/The conversation is over|Your partner left/);
    },
    { udp: false },
  ));

test("a link to no room says so", () =>
  scene(async ({ server, browser }) => {
    const page = await browser.visit(`${server.url}#${"A".repeat(22)}`);
    await page.press("Join the room");
    await page.sees("This room does not exist, or it is full");
    for (const broken of ["not-a-code!", `${"A".repeat(22)}.`, `${"A".repeat(22)}.${"B".repeat(21)}`]) {
      const visitor = await browser.visit(`${server.url}#${broken}`);
      await visitor.sees("This link is not whole");
    }
  }));

/** What a page hears from a server whose patience is over as soon as this kind of message comes. */
const IMPATIENT = {
  room: () => ({ t: "error", code: "expired", text: "" }),
  matched: ({ session }) => ({ t: "gone", session, why: "ended" }),
};

for (const [what, words] of [
  ["room", "Your room was closed"],
  ["matched", "The conversation's time was up"],
]) {
  test(`in a room, "${words}" where its time is over`, () =>
    scene(async ({ server, browser }) => {
      const between = await Between.start(server.url, (message) =>
        message.t === what ? [message, IMPATIENT[what](message)] : [message],
      );
      try {
        const host = await browser.visit(what === "room" ? between.url : server.url);
        await host.choose("Text");
        await host.press("Open a room");
        if (what === "room") return await host.sees(words);
        const link = (await host.roomLink()).replace(server.url, between.url);
        const guest = await browser.visit(link);
        await guest.choose("Text");
        await guest.press("Join the room");
        await guest.sees(words);
        await guest.sees("Meet somebody, in private");
      } finally {
        await between.close();
      }
    }));
}

test("a server that admits by token asks for it, until it is a good one", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ginnel-tokens-"));
  const file = join(folder, "tokens");
  writeFileSync(file, "a-token-for-everybody\n", { mode: 0o600 });
  try {
    await scene(
      async ({ server, browser }) => {
        const page = await browser.visit(server.url);
        await page.sees("This server is not open to everybody");
        await page.fill("Token", "a-token-for-nobody-at-all");
        await page.press("Come in");
        await page.sees("This server is not open to everybody");
        await page.fill("Token", "a-token-for-everybody");
        await page.press("Come in");
        await page.sees("Server connected");
        await page.cannotSee("This server is not open to everybody");
        await page.choose("Text");
        await page.press("Start");
        await page.sees("Waiting for somebody");
      },
      { configuration: `[match]\nadmission = "token"\ntoken_file = "${file}"\n` },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a token of an identity provider is one too", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ginnel-tokens-"));
  const file = join(folder, "jwks.json");
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  writeFileSync(file, JSON.stringify({ keys: [publicKey.export({ format: "jwk" })] }));
  /** @param {number} lives_s */
  const token = (lives_s) => {
    const claims = { aud: "ginnel", exp: Math.floor(Date.now() / 1000) + lives_s };
    const encode = (/** @type {object} */ part) => Buffer.from(JSON.stringify(part)).toString("base64url");
    const message = `${encode({ alg: "ES256" })}.${encode(claims)}`;
    const signature = sign("sha256", Buffer.from(message), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${message}.${signature.toString("base64url")}`;
  };
  try {
    await scene(
      async ({ server, browser }) => {
        const page = await browser.visit(server.url);
        await page.sees("This server is not open to everybody");
        await page.fill("Token", token(-3600));
        await page.press("Come in");
        await page.sees("This server is not open to everybody");
        await page.fill("Token", token(60));
        await page.press("Come in");
        await page.sees("Server connected");
        await page.choose("Text");
        await page.press("Start");
        await page.sees("Waiting for somebody");
      },
      {
        configuration: `[match]\nadmission = "jwt"\njwt.audience = ["ginnel"]\njwt.keys_file = "${file}"\n`,
      },
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
