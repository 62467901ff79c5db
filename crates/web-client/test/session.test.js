/**
 * Who is asked for an address where no relay is wanted yet.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { stunServers } from "../www/sdk/session.js";

test("the servers of a direct call are the relay's, by UDP, each once and without a credential", () => {
  const urls = [
    "turn:chat.example.org:3478?transport=udp",
    "turn:[2001:db8::1]:3478?transport=udp",
    "turn:chat.example.org:3478?transport=tcp",
    "turns:chat.example.org:443?transport=tcp",
  ];
  const servers = [{ urls, username: "u", credential: "c" }, { urls: "turn:chat.example.org:3478" }];
  assert.deepEqual(stunServers(servers), [
    { urls: ["stun:chat.example.org:3478", "stun:[2001:db8::1]:3478"] },
  ]);
  assert.deepEqual(stunServers([{ urls: urls.slice(2) }]), []);
});
