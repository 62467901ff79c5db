/**
 * Candidates: what is blanked, what is dropped, and when they are sent.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { candidateLine, incomingCandidate, isRelayHere, outgoingCandidate } from "../www/sdk/candidates.js";

const RELAY =
  "candidate:842163049 1 udp 41885439 203.0.113.5 50001 typ relay raddr 198.51.100.7 rport 4242 " +
  "generation 0 ufrag aB3+ network-id 2 network-cost 10";
const CLEAN =
  "candidate:842163049 1 udp 41885439 203.0.113.5 50001 typ relay raddr 0.0.0.0 rport 9 " +
  "generation 0 ufrag aB3+";

test("row 154: a relay candidate leaves without what it tells", () => {
  const sent = outgoingCandidate(
    {
      candidate: RELAY,
      sdpMid: "0",
      sdpMLineIndex: 0,
      usernameFragment: "aB3+",
    },
    "relay",
  );
  assert.deepEqual(sent, { candidate: CLEAN, sdpMid: "0", sdpMLineIndex: 0, usernameFragment: "aB3+" });
  assert.deepEqual(incomingCandidate(sent, "relay"), sent, "what leaves also enters");
});

test("both families are blanked in their own way", () => {
  assert.match(
    candidateLine("candidate:1 1 UDP 7 2001:db8::5 5000 typ relay raddr 2001:db8::7 rport 4", "relay"),
    / raddr :: rport 9$/,
  );
});

test("row 154: nothing but relay candidates leaves or enters", () => {
  for (const candidate of [
    "",
    "candidate:1 1 udp 2122260223 192.168.0.4 50000 typ host generation 0",
    "candidate:1 1 udp 2122260223 4f2c1a9e-0000-0000-0000-1c9f7e6f8b1a.local 50000 typ host",
    "candidate:1 1 udp 1686052607 198.51.100.7 50000 typ srflx raddr 192.168.0.4 rport 50000",
    "candidate:1 1 udp 1 198.51.100.7 50000 typ prflx",
    "candidate:1 1 tcp 1518280447 203.0.113.5 9 typ relay tcptype active",
    "candidate:1 1 udp 1 relay.example.org 50000 typ relay",
    "candidate:1 1 udp 1 203.0.113.256 50000 typ relay",
    "candidate:1 1 udp 1 203.0.113.5 0 typ relay",
    "candidate:1 1 udp 1 203.0.113.5 65536 typ relay",
    "candidate:1 1 udp 1 203.0.113.5 50000 typ relay\r\na=crypto:1 x",
    `candidate:1 1 udp 1 203.0.113.5 50000 typ relay x ${"y".repeat(600)}`,
  ]) {
    assert.equal(outgoingCandidate({ candidate, sdpMid: "0" }, "relay"), null, candidate);
    assert.equal(incomingCandidate({ candidate, sdpMid: "0" }, "relay"), null, candidate);
  }
});

test("a partner's candidate of another shape is none", () => {
  for (const value of [
    null,
    7,
    "candidate",
    [],
    {},
    { candidate: CLEAN },
    { candidate: 7, sdpMid: "0" },
    { candidate: CLEAN, sdpMid: 0 },
    { candidate: CLEAN, sdpMid: "x".repeat(17) },
    { candidate: CLEAN, sdpMLineIndex: 0.5 },
    { candidate: CLEAN, sdpMid: "0", usernameFragment: "a b c d" },
  ])
    assert.equal(incomingCandidate(value, "direct"), null);
});

test("row 154: all candidates pass on the direct way, and tell no more than they must", () => {
  for (const [candidate, passed] of [
    [RELAY, CLEAN],
    [
      "candidate:1 1 udp 2122260223 192.168.0.4 50000 typ host generation 0 network-id 1",
      "candidate:1 1 udp 2122260223 192.168.0.4 50000 typ host generation 0",
    ],
    [
      "candidate:1 1 udp 2122260223 4f2c1a9e-0000-0000-0000-1c9f7e6f8b1a.local 50000 typ host",
      "candidate:1 1 udp 2122260223 4f2c1a9e-0000-0000-0000-1c9f7e6f8b1a.local 50000 typ host",
    ],
    [
      "candidate:1 1 udp 1686052607 198.51.100.7 50000 typ srflx raddr 192.168.0.4 rport 50000",
      "candidate:1 1 udp 1686052607 198.51.100.7 50000 typ srflx raddr 0.0.0.0 rport 9",
    ],
  ]) {
    assert.equal(candidateLine(candidate, "direct"), passed);
    assert.equal(candidateLine(passed, "direct"), passed);
  }
});

test("no name is looked up, and nothing but UDP is tried", () => {
  for (const candidate of [
    "candidate:1 1 udp 1 tracker.example.org 50000 typ host",
    "candidate:1 1 udp 1 printer.example.local 50000 typ host",
    "candidate:1 1 udp 1 printer.local 50000 typ host",
    "candidate:1 1 udp 1 4f2c1a9e-0000-0000-0000-1c9f7e6f8b1ab.local 50000 typ host",
    "candidate:1 1 udp 1 a.local.example.org 50000 typ host",
    "candidate:1 1 udp 1 a.local 50000 typ srflx",
    "candidate:1 1 udp 1 a.local 50000 typ relay",
    "candidate:1 1 udp 1 192.168.0.4 50000 typ other",
    "candidate:1 1 tcp 1518280447 192.168.0.4 9 typ host tcptype active",
  ])
    assert.equal(candidateLine(candidate, "direct"), null, candidate);
});

/** A candidate of a type at a place. */
function at(place, type = "host") {
  return `candidate:1 1 udp 2122260223 ${place} typ ${type}`;
}

test("row 155: after consent, too, no candidate leads to a service or back to whoever asks", () => {
  for (const place of [
    "192.168.0.1 80",
    "192.168.0.1 1023",
    "203.0.113.5 53",
    "0.0.0.0 5000",
    "0.1.2.3 5000",
    "127.0.0.1 5000",
    "127.255.255.255 5000",
    "169.254.169.254 5000",
    "224.0.0.251 5353",
    "239.255.255.250 1900",
    "240.0.0.1 5000",
    "255.255.255.255 5000",
    "010.0.0.1 5000",
    ":: 5000",
    "::1 5000",
    "0:0:0:0:0:0:0:1 5000",
    "::ffff:192.168.0.1 5000",
    "::7f00:1 5000",
    "64:ff9b::7f00:1 5000",
    "fe80::1 5000",
    "fec0::1 5000",
    "ff02::fb 5353",
  ]) {
    for (const type of ["host", "srflx", "prflx", "relay"]) {
      const candidate = at(place, type);
      assert.equal(outgoingCandidate({ candidate, sdpMid: "0" }, "direct"), null, candidate);
      assert.equal(incomingCandidate({ candidate, sdpMid: "0" }, "direct"), null, candidate);
    }
  }
  for (const kind of ["active", "passive", "so"]) {
    const candidate = `candidate:1 1 tcp 1518280447 192.168.0.1 8080 typ host tcptype ${kind}`;
    assert.equal(incomingCandidate({ candidate, sdpMid: "0" }, "direct"), null, candidate);
  }
});

test("row 155: where two of one network or one machine meet is left in", () => {
  for (const place of [
    "192.168.0.1 1024",
    "10.0.0.1 65535",
    "172.16.0.1 5000",
    "100.64.0.1 5000",
    "fd00::1 5000",
    "2001:db8::1 5000",
  ]) {
    assert.equal(candidateLine(at(place), "direct"), at(place));
  }
});

test("only a relay on this machine has relayed addresses on it, and only they are", () => {
  for (const place of ["127.0.0.1 5000", "::1 5000"]) {
    assert.ok(candidateLine(at(place, "relay"), "relay"), "the relay itself judges where it sends");
    assert.ok(candidateLine(at(place, "relay"), "direct", true));
    assert.equal(candidateLine(at(place, "relay"), "direct", false), null);
    assert.equal(candidateLine(at(place, "host"), "direct", true), null);
  }
  assert.ok(isRelayHere(["turn:localhost:3478?transport=udp", "turns:127.0.0.1:5349", "turn:[::1]:3478"]));
  assert.ok(!isRelayHere(["turn:localhost:3478", "turn:chat.example.org:3478"]));
  assert.ok(!isRelayHere([]));
});
