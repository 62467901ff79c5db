/**
 * Two sides of a session agree, and what is not theirs ends it.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { SealError, Sealing } from "../www/sdk/sealing.js";
import { SIGNS, signs } from "../www/sdk/string.js";
import { fromBase64url, toBase64url } from "../www/sdk/bytes.js";

const SESSION = new Uint8Array(16).fill(7);
const OUT_OF_ORDER = /out of order/;

async function agreed(callersLink, calleesLink) {
  const caller = new Sealing("caller", SESSION, callersLink);
  const callee = new Sealing("callee", SESSION, calleesLink);
  const { send: key } = await callee.receive(await caller.begin());
  const { send: own } = await caller.receive(key);
  assert.deepEqual(await callee.receive(own), { send: null, body: null });
  return { caller, callee };
}

async function refuses(promise, why) {
  await assert.rejects(promise, (error) => error instanceof SealError && why.test(error.message));
}

test("the string is there after a sealed message, and the same on both sides", async () => {
  const { caller, callee } = await agreed();
  assert.deepEqual([caller.sas, callee.sas], [null, null]);
  const { body } = await callee.receive(await caller.seal({ hello: "Grüße" }));
  assert.deepEqual(body, { hello: "Grüße" });
  assert.equal(caller.sas, null, "nothing was opened here");
  await caller.receive(await callee.seal({}));
  assert.deepEqual(caller.sas, callee.sas);
  assert.equal(signs(caller.sas).length, 4);
  assert.deepEqual(await caller.proofOf("callee"), await callee.proofOf("callee"));
  assert.notDeepEqual(await caller.proofOf("callee"), await caller.proofOf("caller"));
});

test("two sessions have nothing in common", async () => {
  const [one, other] = [await agreed(), await agreed()];
  await refuses(other.callee.receive(await one.caller.seal({})), /altered/);
});

test("only who has the link opens", async () => {
  const [a, b, none] = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2), new Uint8Array()];
  for (const links of [
    [a, none],
    [none, a],
    [a, b],
  ]) {
    const { caller, callee } = await agreed(...links);
    await refuses(callee.receive(await caller.seal({})), /altered/);
    assert.equal(callee.sas, null);
  }
  const { caller, callee } = await agreed(a, a);
  await callee.receive(await caller.seal({}));
});

test("a message opens once, in its turn, unaltered and at its size", async () => {
  for (const [bend, why] of [
    [(first) => first, /missing, or came twice/],
    [(_, second) => second.with(40, second[40] ^ 1), /altered/],
    [(_, second) => second.with(second.length - 1, second.at(-1) ^ 1), /altered/],
    [(_, second) => second.with(7, 3), /missing/],
    [(_, second) => second.slice(1), OUT_OF_ORDER],
    [() => new Uint8Array(32), OUT_OF_ORDER],
    [() => new Uint8Array(97), OUT_OF_ORDER],
    [() => new Uint8Array(), OUT_OF_ORDER],
  ]) {
    const { caller, callee } = await agreed();
    const [first, second] = [await caller.seal({ n: 1 }), await caller.seal({ n: 2 })];
    await callee.receive(first);
    await refuses(callee.receive(bend(first, second)), why);
    await refuses(callee.receive(second), OUT_OF_ORDER);
  }
  const { caller } = await agreed();
  await refuses(caller.receive(await caller.seal({})), /altered/);
});

test("there are three sizes, and nothing larger", async () => {
  const { caller } = await agreed();
  for (const [chars, size] of [
    [0, 1_024],
    [1_014, 1_024],
    [1_015, 8_192],
    [8_182, 8_192],
    [8_183, 16_384],
    [16_374, 16_384],
  ]) {
    const sealed = await caller.seal({ x: "y".repeat(chars) });
    assert.equal(sealed.length, 8 + size + 16, `${chars}`);
  }
  assert.equal(toBase64url(await caller.seal({ x: "y".repeat(10_000) })).length, 21_878);
  await refuses(caller.seal({ x: "y".repeat(16_375) }), /too large/);
});

test("a step out of order ends the exchange", async () => {
  const share = (await new Sealing("callee", SESSION).receive(new Uint8Array(32))).send;
  const callee = new Sealing("callee", SESSION);
  await refuses(callee.begin(), /twice/);
  await refuses(new Sealing("callee", SESSION).receive(share), OUT_OF_ORDER);
  await refuses(new Sealing("caller", SESSION).receive(share), OUT_OF_ORDER);
  await refuses(new Sealing("caller", SESSION).seal({}), /no keys/);

  const caller = new Sealing("caller", SESSION);
  await caller.begin();
  await refuses(caller.begin(), /twice/);
  await refuses(caller.receive(share.with(64, share[64] ^ 1)), /refused a key/);
  await refuses(caller.receive(share), OUT_OF_ORDER);

  const compressed = share.with(0, 2);
  const another = new Sealing("caller", SESSION);
  await another.begin();
  await refuses(another.receive(compressed), OUT_OF_ORDER);
});

test("a key other than the promised one is refused", async () => {
  const [caller, mallory] = [new Sealing("caller", SESSION), new Sealing("caller", SESSION)];
  const callee = new Sealing("callee", SESSION);
  const { send: key } = await callee.receive(await caller.begin());
  await mallory.begin();
  const { send: swapped } = await mallory.receive(key);
  await refuses(callee.receive(swapped), /promised/);
});

test("whoever swaps both keys is seen by the string", async () => {
  const sees = new Set();
  for (let attempt = 0; attempt < 8; attempt += 1) {
    const [caller, callee] = [new Sealing("caller", SESSION), new Sealing("callee", SESSION)];
    const [toCaller, toCallee] = [new Sealing("callee", SESSION), new Sealing("caller", SESSION)];
    await connect(caller, toCaller);
    await connect(toCallee, callee);
    assert.notDeepEqual(caller.sas, callee.sas);
    sees.add(toBase64url(caller.sas)).add(toBase64url(callee.sas));
  }
  assert.ok(sees.size > 14, "strings differ from session to session");
});

async function connect(caller, callee) {
  const { send: key } = await callee.receive(await caller.begin());
  await callee.receive((await caller.receive(key)).send);
  await callee.receive(await caller.seal({}));
  await caller.receive(await callee.seal({}));
}

test("sixty-four signs have sixty-four names, each one word", () => {
  assert.equal(SIGNS.length, 64);
  for (const part of ["name", "emoji"]) assert.equal(new Set(SIGNS.map((sign) => sign[part])).size, 64);
  for (const { name, emoji } of SIGNS) {
    assert.match(name, /^[a-z]+$/);
    assert.match(emoji, /^\p{Emoji_Presentation}$/u);
  }
  assert.deepEqual(
    signs(Uint8Array.of(0, 0x10, 0x83)).map(({ name }) => name),
    ["octopus", "elephant", "fox", "bee"],
  );
});

test("base64url is read as it is written", () => {
  for (let length = 0; length < 40; length += 1) {
    const bytes = crypto.getRandomValues(new Uint8Array(length));
    assert.deepEqual(fromBase64url(toBase64url(bytes)), bytes);
  }
  for (const text of ["A", "AB", "AA==", "A+A", "A/A", "AA A", "AA\n", "ä", 7, null, undefined]) {
    assert.equal(fromBase64url(text), null, `${text}`);
  }
});
