/**
 * Whatever somebody types, the server can take it.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { langs, tags } from "../www/app/wishes.js";

test("interests are cleaned, and each is named once", () => {
  assert.deepEqual(tags(" Music, hiking ,,MUSIC,\tbig\tdogs"), ["music", "hiking", "big dogs"]);
  assert.deepEqual(tags(" , "), []);
  assert.equal(tags("a,b,c,d,e,f,g,h,i").length, 8);
});

test("an interest has at most 64 bytes and no half characters", () => {
  for (const long of [
    "x".repeat(100),
    "音楽と山登り".repeat(10),
    `x${"🎵".repeat(40)}`,
    "İ".repeat(40),
    "\ud83d",
  ]) {
    const [tag] = tags(long);
    assert.ok(new TextEncoder().encode(tag).length <= 64, tag);
    assert.ok(tag.isWellFormed(), tag);
  }
});

test("languages are tags of RFC 5646", () => {
  assert.deepEqual(langs("en, DE pt-BR,english!"), ["en", "de", "pt-br"]);
  assert.deepEqual(langs(`en-${"abcdefgh-".repeat(5)}x`), []);
});
