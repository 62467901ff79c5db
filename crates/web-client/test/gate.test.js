/**
 * The SDP gate: what passes, what is taken out, what is refused.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { Aliases, GateError, fingerprints, gate as gateFor, tellsWhoSpeaks } from "../www/sdk/gate.js";
import { aliases_max, sdp_line_chars_max, sdp_lines_max, sdp_sections_max } from "../www/sdk/limits.js";

const FINGERPRINT = `a=fingerprint:sha-256 ${Array(32).fill("AB").join(":")}`;
const HEAD = ["v=0", "o=- 46117 2 IN IP4 198.51.100.7", "s=-", "t=0 0", "a=group:BUNDLE 0"];
const AUDIO = ["m=audio 50000 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 198.51.100.7", "a=mid:0", FINGERPRINT];

/** Most rules are the same on both ways. */
function gate(sdp) {
  return gateFor(sdp, "relay", new Aliases());
}

/** A description whose audio section has these lines at its end. */
function description(...lines) {
  return [...HEAD, ...AUDIO, ...lines].join("\r\n") + "\r\n";
}

function refuses(sdp, why) {
  assert.throws(
    () => gate(sdp),
    (error) => error instanceof GateError && why.test(error.message),
  );
}

test("row 156: what a browser writes passes, without addresses", () => {
  const passed = gate(
    description("a=rtcp:50001 IN IP4 198.51.100.7", "a=rtpmap:111 opus/48000/2", "a=end-of-candidates"),
  );
  assert.equal(
    passed,
    [
      "v=0",
      "o=- 46117 2 IN IP4 0.0.0.0",
      ...HEAD.slice(2),
      "m=audio 9 UDP/TLS/RTP/SAVPF 111",
      "c=IN IP4 0.0.0.0",
      "a=mid:0",
      FINGERPRINT,
      "a=rtcp:9 IN IP4 0.0.0.0",
      "a=rtpmap:111 opus/48000/2",
      "",
    ].join("\r\n"),
  );
  assert.equal(gate(passed), passed);
});

test("a data channel and a rejected section pass", () => {
  const passed = gate(
    description(
      "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
      FINGERPRINT,
      "m=video 0 UDP/TLS/RTP/SAVPF 96",
    ),
  );
  assert.match(passed, /m=application 9 UDP/);
  assert.match(passed, /m=video 0 UDP/);
});

test("only encrypted transports pass", () => {
  for (const line of [
    "m=audio 9 RTP/AVP 0",
    "m=audio 9 RTP/SAVPF 0",
    "m=video 9 TCP/TLS/RTP/SAVPF 96",
    "m=audio 9 UDP/DTLS/SCTP 0",
    "m=application 9 TCP/DTLS/SCTP webrtc-datachannel",
    "m=application 9 UDP/TLS/RTP/SAVPF 0",
  ])
    refuses(description(line, FINGERPRINT), /not encrypted/);
  for (const line of ["m=image 9 udptl t38", "m=toString 9 UDP/TLS/RTP/SAVPF 0", "m="]) {
    refuses(description(line), /unknown kind/);
  }
});

test("keys in the text are refused", () => {
  for (const line of [
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:x",
    "A=",
    "k=clear:x",
    "a=CRYPTO:1",
    "a=key-mgmt:mikey x",
  ]) {
    refuses(description(line), /keys in the clear|malformed/);
  }
});

test("a fingerprint must be there, strong and whole", () => {
  refuses(description().replace(`${FINGERPRINT}\r\n`, ""), /no fingerprint/);
  for (const weak of [
    `sha-1 ${Array(20).fill("AB").join(":")}`,
    `sha-256 ${Array(31).fill("AB").join(":")}`,
    `sha-512 ${Array(32).fill("AB").join(":")}`,
    `md5 ${Array(16).fill("AB").join(":")}`,
    "sha-256 ",
    "sha-256 XY",
  ])
    refuses(description(`a=fingerprint:${weak}`), /weak or malformed/);
  const strong = `a=fingerprint:SHA-512 ${Array(64).fill("ab").join(":")}`;
  assert.ok(gate(description(strong)).includes(strong));
});

test("row 154: only relay candidates stay", () => {
  const passed = gate(
    description(
      "a=candidate:1 1 udp 2122260223 192.168.0.4 50000 typ host generation 0 network-id 1",
      "a=candidate:2 1 udp 41885439 203.0.113.5 50001 typ relay raddr 198.51.100.7 rport 4242 " +
        "generation 0 network-id 1",
      "a=remote-candidates:1 192.168.0.4 50000",
    ),
  );
  assert.doesNotMatch(passed, /192\.168|198\.51|network-id/);
  assert.match(
    passed,
    /a=candidate:2 1 udp 41885439 203\.0\.113\.5 50001 typ relay raddr 0\.0\.0\.0 rport 9 generation 0\r\n/,
  );
});

test("who speaks is not told in the clear", () => {
  const level = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
  assert.ok(tellsWhoSpeaks(level));
  assert.ok(!tellsWhoSpeaks("urn:ietf:params:rtp-hdrext:sdes:mid"));
  const passed = gate(
    description(
      `a=extmap:1 ${level} vad=on`,
      `a=extmap:2/recvonly ${level}`,
      "a=extmap:3 urn:ietf:params:rtp-hdrext:csrc-audio-level",
      "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
    ),
  );
  assert.doesNotMatch(passed, /audio-level/);
  assert.match(passed, /a=extmap:4 /);
});

test("row 156: nothing tells the browser's version, or is the same for the next partner", () => {
  const about = ["i=about", "u=http://198.51.100.7/", "e=me@example.org", "p=+1 617 555-6011"];
  const named = [...about, "a=tool:x 1.2"];
  const names = ["a=msid:stream-a track-a", "a=ssrc:7 msid:stream-a track-a", "a=ssrc:7 label:track-a"];
  const origin = "o=mozilla...THIS_IS_SDPARTA-99.0 46117 2 IN IP4 198.51.100.7";
  const given = description(...named, ...names, "a=ssrc:7 cname:x").replace(HEAD[1], origin);
  const passed = gate(given.replace("s=-", "s=Firefox"));
  assert.doesNotMatch(passed, /198\.51|mozilla|Firefox|(track|stream)-a|cname:x|^[iuep]=|tool|label/m);
  assert.match(passed, /^v=0\r\no=- 46117 2 IN IP4 0\.0\.0\.0\r\ns=-\r\n/);
  assert.match(passed, /\r\na=msid:(\S+ \S+)\r\na=ssrc:7 msid:\1\r\na=ssrc:7 cname:\S+\r\n/);
  refuses(description().replace(HEAD[1], "o=- x 198.51.100.7"), /malformed/);
});

test("everything has a bound, and nothing odd passes", () => {
  refuses("", /empty/);
  refuses("hello", /malformed/);
  refuses("v=1\r\n", /not a session/);
  refuses(description("v=0"), /malformed/);
  refuses(HEAD.join("\r\n") + "\r\n", /no media/);
  refuses(description().replaceAll("\r\n", "\n"), /malformed/);
  const names = Array.from({ length: aliases_max + 1 }, (_, at) => `a=msid:${at}`);
  refuses(description(...names), /too many streams/);
  refuses(description("a=x\0y"), /malformed/);
  refuses(description("a=x\ry"), /malformed/);
  refuses(description("", "a=x"), /malformed/);
  refuses(description(`a=${"x".repeat(sdp_line_chars_max)}`), /line is too long/);
  refuses(description(...Array(sdp_lines_max).fill("a=x")), /too many lines/);
  refuses(description(...Array(60).fill(`a=${"x".repeat(900)}`)), /too long/);
  refuses(description(...Array(sdp_sections_max).fill(AUDIO[0])), /too many media/);
});

test("on the direct way the other candidates pass as well", () => {
  const host = "a=candidate:1 1 udp 2122260223 192.168.0.4 50000 typ host generation 0";
  assert.ok(gateFor(description(host), "direct", new Aliases()).includes(`${host}\r\n`));
  assert.ok(!gateFor(description(host), "relay", new Aliases()).includes("192.168"));
});

test("the fingerprints of a description are told with their hashes", () => {
  const other = `a=fingerprint:SHA-512 ${Array(64).fill("0c").join(":")}`;
  assert.deepEqual(fingerprints(gate(description(other))), [
    { hash: "SHA-256", digest: "ab".repeat(32) },
    { hash: "SHA-512", digest: "0c".repeat(64) },
  ]);
  assert.deepEqual(fingerprints(""), []);
});

test("a camera has another name in each session, and one within it", () => {
  const sdp = description("a=msid:stream camera", "a=ssrc:7 cname:me", "a=ssrc:7 msid:stream camera");
  const names = (passed) => /a=msid:(.*)/.exec(passed)[1];
  const [one, other] = [new Aliases(), new Aliases()];
  const passed = gateFor(sdp, "relay", one);
  assert.equal(passed, gateFor(sdp, "relay", one));
  assert.equal(passed.split(names(passed)).length, 3);
  assert.notEqual(names(passed), names(gateFor(sdp, "relay", other)));
  assert.doesNotMatch(passed, /stream|camera|cname:me/);
  assert.match(gate(description("a=msid:- camera")), /a=msid:- [\w-]{22}\r\n/);
});

test("of many candidates as many pass as may be sent", () => {
  const relay = "a=candidate:2 1 udp 41885439 203.0.113.5 50001 typ relay raddr 0.0.0.0 rport 9";
  assert.equal(gate(description(...Array(30).fill(relay))).split(relay).length - 1, 20);
});

const VECTORS = join(import.meta.dirname, "../../../docs/gate-vectors.json");
for (const { name, given, passes, names = [] } of JSON.parse(readFileSync(VECTORS, "utf8"))) {
  test(`the published vector "${name}" holds`, () => {
    const sdp = given.map((line) => `${line}\r\n`).join("");
    const aliases = new Aliases();
    if (passes === null) return assert.throws(() => gateFor(sdp, "relay", aliases), GateError);
    const passed = gateFor(sdp, "relay", aliases);
    const expected = passes.map((line) => `${line}\r\n`).join("");
    const named = (text, each) => text.replaceAll(`{${each}}`, aliases.of(each));
    assert.equal(passed, names.reduce(named, expected));
  });
}
