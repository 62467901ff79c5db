/**
 * The proof of work: found by hashing, as the protocol's document has it, and without holding anybody up.
 */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { work_slice_tries } from "../www/sdk/limits.js";
import { search } from "../www/sdk/proof.js";
import { solve } from "../www/sdk/solver.js";

const zeros = (seed, nonce) =>
  Math.clz32(createHash("sha256").update(`${seed}.${nonce}`).digest().readUInt32BE());

test("the example of the document is found", () => {
  assert.equal(search({ seed: "AAAAAGlVkwAMAAECAwQFBgcICQoLDA0ODw", bits: 12 }, 0, 2_000), "1335");
});

test("it hashes as others do, whatever the seed's length", () => {
  for (let length = 0; length < 140; length += 1) {
    const seed = "é".repeat(length % 3) + "s".repeat(length);
    const nonce = search({ seed, bits: 6 }, 0, 10_000);
    assert.ok(zeros(seed, nonce) >= 6, `${length}`);
    // And none is passed over.
    for (let number = 0; number < Number(nonce); number += 1) assert.ok(zeros(seed, number) < 6);
  }
});

test("what is not there is not found", () => {
  assert.equal(search({ seed: "seed", bits: 32 }, 5, 100), null);
});

test("without workers, as in Node, others have their turn meanwhile", async () => {
  const reports = [];
  let turns = 0;
  const timer = setInterval(() => (turns += 1));
  const watch = { progress: (tried) => reports.push(tried), signal: new AbortController().signal };
  const nonce = await solve({ seed: "a seed", bits: 16 }, watch);
  clearInterval(timer);
  assert.ok(zeros("a seed", nonce) >= 16);
  assert.ok(turns > Number(nonce) / work_slice_tries, `${turns} turns`);
  assert.deepEqual(reports, [...reports].sort((one, other) => one - other));
});

test("it can be ended", async () => {
  const ending = new AbortController();
  const found = solve({ seed: "s", bits: 32 }, { progress: () => ending.abort(), signal: ending.signal });
  assert.equal(await found, null);
});
