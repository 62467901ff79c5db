/**
 * What was asked, and what an error takes back of it.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Requests } from "../www/sdk/requests.js";

const terms = (media) => ({ media, secret: null });

test("an error that says what it answers takes back that, and what was before it", () => {
  const requests = new Requests();
  requests.add("leave", terms("text"));
  requests.add("find", terms("text"));
  requests.refuse("too-fast", "find");
  requests.add("find", terms("audio"));
  assert.equal(requests.meet()?.media, "audio");
});

test("an error that answers no request takes back none", () => {
  for (const answered of ["report", "seal", "hello"]) {
    const requests = new Requests();
    requests.add("find", terms("text"));
    requests.refuse("bad-state", answered);
    assert.equal(requests.meet()?.media, "text", answered);
  }
});

test("an error of an older server takes back what its code tells, or the oldest", () => {
  const requests = new Requests();
  requests.add("leave", terms("text"));
  requests.add("join", terms("video"));
  requests.refuse("no-room");
  requests.add("find", terms("text"));
  requests.refuse("bad-state");
  requests.add("find", terms("audio"));
  assert.equal(requests.meet()?.media, "audio");
});
