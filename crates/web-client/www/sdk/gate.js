/**
 * What a session description must look like, sending and receiving. Nothing that fails is ever used. RFC 8866
 * (SDP), RFC 8842 (DTLS), RFC 8839 (ICE), RFC 6464 and RFC 6465 (audio levels).
 * @module
 */

import { toBase64url } from "./bytes.js";
import { candidateLine } from "./candidates.js";
import {
  aliases_max,
  description_candidates_max,
  sdp_chars_max,
  sdp_line_chars_max,
  sdp_lines_max,
  sdp_sections_max,
} from "./limits.js";

/** @typedef {import("./candidates.js").Path} Path */
/** @typedef {{ path: Path, aliases: Aliases, here: boolean | undefined }} Rules */

/** A description that the gate refused. `message` is for a person. */
export class GateError extends Error {}

/**
 * What streams, tracks and ends are called in one session. A browser may call a camera the same wherever it
 * is shown: told to each of many strangers, the name would tell them that they have met the same person.
 */
export class Aliases {
  /** @type {Map<string, string>} */
  #aliases = new Map();

  /** Always the same, for the same name. A lone `-` means "none" (RFC 8830 §2). @param {string} name */
  of(name) {
    if (name === "-") return name;
    const known = this.#aliases.get(name);
    if (known !== undefined) return known;
    if (this.#aliases.size >= aliases_max) refuse("it names too many streams");
    const alias = toBase64url(crypto.getRandomValues(new Uint8Array(16)));
    this.#aliases.set(name, alias);
    return alias;
  }
}

/**
 * Returns the description with everything taken out that must not pass, or throws a {@link GateError}. The
 * same rules hold both ways, and they are the server's for what it can read: encrypted transports only, a
 * strong fingerprint for every section, no keys in the text, only the candidates of this path, no address
 * anywhere else, no lasting name, and of all other attributes those that are known to be needed. What the
 * server has no rule for: no header extension may tell in the clear who speaks.
 * @param {string} sdp
 * @param {Path} path
 * @param {Aliases} aliases this session's
 * @param {boolean} [here] the relay is on this machine
 * @returns {string}
 */
export function gate(sdp, path, aliases, here) {
  const [session, ...sections] = split(sdp);
  if (session[0] !== "v=0") refuse("it is not a session description");
  if (sections.length === 0) refuse("it describes no media");
  if (sections.length > sdp_sections_max) refuse("it has too many media sections");
  for (const [line] of sections) checkMedia(line);
  checkFingerprints(session, sections);
  let candidates = 0;
  const passed = [session, ...sections].flat().flatMap((line, at) => {
    const clean = cleanLine(line, at === 0, { path, aliases, here });
    if (clean === null) return [];
    candidates += clean.startsWith("a=candidate:") ? 1 : 0;
    return clean.startsWith("a=candidate:") && candidates > description_candidates_max ? [] : [clean];
  });
  return passed.join("\r\n") + "\r\n";
}

/** Is this a header extension that shows the relay who speaks, and how loudly? @param {string} uri */
export function tellsWhoSpeaks(uri) {
  return AUDIO_LEVELS.includes(uri);
}

/**
 * The fingerprints of a description, as pairs of a hash's name for WebCrypto and lower-case hexadecimal.
 * @param {string} sdp
 * @returns {{ hash: string, digest: string }[]}
 */
export function fingerprints(sdp) {
  return sdp.split("\r\n").flatMap((line) => {
    const [, bits, digest] = FINGERPRINT.exec(line) ?? [];
    return bits ? [{ hash: `SHA-${bits}`, digest: digest.replaceAll(":", "").toLowerCase() }] : [];
  });
}

/** The lines before the first media section, and those of each. @param {string} sdp @returns {string[][]} */
function split(sdp) {
  if (sdp === "") refuse("it is empty");
  if (sdp.length > sdp_chars_max) refuse("it is too long");
  if (!sdp.endsWith("\r\n")) refuse("a line is malformed");
  const lines = sdp.slice(0, -2).split("\r\n");
  if (lines.length > sdp_lines_max) refuse("it has too many lines");
  /** @type {string[][]} */
  const parts = [[]];
  for (const line of lines) {
    if (line.length > sdp_line_chars_max) refuse("a line is too long");
    if (!LINE.test(line)) refuse("a line is malformed");
    if (KEYS_IN_TEXT.test(line)) refuse("it carries keys in the clear");
    if (line.startsWith("m=")) parts.push([]);
    parts.at(-1)?.push(line);
  }
  return parts;
}

/** @param {string} line the `m=` line */
function checkMedia(line) {
  const [kind, port, transport, ...formats] = line.slice(2).split(" ");
  const wanted = { audio: "UDP/TLS/RTP/SAVPF", video: "UDP/TLS/RTP/SAVPF", application: "UDP/DTLS/SCTP" };
  if (!Object.hasOwn(wanted, kind)) refuse("it asks for an unknown kind of media");
  if (wanted[/** @type {keyof typeof wanted} */ (kind)] !== transport) {
    refuse("it asks for a transport that is not encrypted");
  }
  const isFormat = (/** @type {string} */ format) =>
    kind === "application"
      ? formats.length === 1 && (format === "webrtc-datachannel" || isNumber(format, 65_535))
      : isNumber(format, 127);
  if (!isNumber(port, 65_535) || formats.length === 0 || !formats.every(isFormat)) {
    refuse("a line is malformed");
  }
}

/**
 * One for all or one in each section where something flows, and none that is weak.
 * @param {string[]} session
 * @param {string[][]} sections
 */
function checkFingerprints(session, sections) {
  const isFingerprint = (/** @type {string} */ line) => line.startsWith("a=fingerprint:");
  for (const line of [session, ...sections].flat().filter(isFingerprint)) {
    const [, bits, digest] = FINGERPRINT.exec(line) ?? [];
    if (digest?.split(":").length !== Number(bits) / 8) refuse("its fingerprint is weak or malformed");
  }
  const isIdle = (/** @type {string} */ line) => Number(line.split(" ")[1]) === 0;
  const isBound = (/** @type {string[]} */ lines) => isIdle(lines[0]) || lines.some(isFingerprint);
  if (!session.some(isFingerprint) && !sections.every(isBound)) refuse("it has no fingerprint");
}

/**
 * The line as it may pass, or `null` to leave it out. Ports and addresses outside candidates are what RFC
 * 8840 §4.1 writes while nothing is gathered; ICE does not read them.
 * @param {string} line
 * @param {boolean} isFirst
 * @param {Rules} rules
 * @returns {string | null}
 */
function cleanLine(line, isFirst, rules) {
  const value = line.slice(2);
  switch (line[0]) {
    case "v":
      return isFirst ? "v=0" : refuse("a line is malformed");
    case "o": {
      const [, id, version] = ORIGIN.exec(value) ?? refuse("a line is malformed");
      return `o=- ${id} ${version} IN IP4 0.0.0.0`;
    }
    case "s":
      return "s=-";
    case "t":
      return "t=0 0";
    case "c":
      return "c=IN IP4 0.0.0.0";
    case "b":
      return /^[a-z]*:\d{1,20}$/i.test(value) ? line : refuse("a line is malformed");
    case "m":
      return line.replace(/^(\S+) (\d+)/, (_, kind, port) => `${kind} ${Number(port) === 0 ? "0" : "9"}`);
    case "a": {
      const [, name, given] = /^([^:]*)(?::(.*))?$/.exec(value) ?? refuse("a line is malformed");
      return cleanAttribute(name, given, rules);
    }
    default:
      // Titles, telephone numbers and time zones: nobody needs them.
      return "iueprz".includes(line[0]) ? null : refuse("a line is malformed");
  }
}

/**
 * @param {string} name
 * @param {string | undefined} value
 * @param {Rules} rules
 * @returns {string | null}
 */
function cleanAttribute(name, value, { path, aliases, here }) {
  const given = value ?? "";
  const named = (/** @type {string} */ names) =>
    names.split(" ", 2).map((each) => aliases.of(each)).join(" ");
  switch (name) {
    case "candidate": {
      const candidate = candidateLine(`candidate:${given}`, path, here);
      return candidate === null ? null : `a=${candidate}`;
    }
    case "rtcp":
      return "a=rtcp:9 IN IP4 0.0.0.0";
    case "fingerprint":
      return `a=fingerprint:${given}`;
    case "setup":
      return SETUP.test(given) ? `a=setup:${given}` : refuse("it leaves open who begins");
    case "ice-ufrag":
      return /^[a-z\d+/]{4,256}$/i.test(given) ? `a=${name}:${given}` : refuse("a line is malformed");
    case "ice-pwd":
      return /^[a-z\d+/]{22,256}$/i.test(given) ? `a=${name}:${given}` : refuse("a line is malformed");
    case "msid":
      return `a=msid:${named(given)}`;
    case "msid-semantic":
      return "a=msid-semantic: WMS *";
    case "ssrc": {
      // RFC 5576 §4.1: of a source's attributes only its names remain.
      const [, ssrc, attribute, names] =
        /^(\d{1,10}) (?:(cname|msid):(.*)|.*)$/.exec(given) ?? refuse("a line is malformed");
      if (!isNumber(ssrc, 2 ** 32 - 1)) refuse("a line is malformed");
      return attribute === undefined ? null : `a=ssrc:${ssrc} ${attribute}:${named(names)}`;
    }
    default:
      if (!KEPT.has(name) || (name === "extmap" && tellsWhoSpeaks(given.split(" ")[1]))) return null;
      if (holdsAddress(given)) refuse("it holds an address");
      return value === undefined ? `a=${name}` : `a=${name}:${value}`;
  }
}

/**
 * Does any part of this text read as an IP address? For IPv4 also one that is glued to something or written
 * with more zeros than usual.
 * @param {string} text
 */
function holdsAddress(text) {
  if (/\d\.\d+\.\d+\.\d/.test(text)) return true;
  const parts = text.split(/[^0-9a-f.:]/i).map((part) => part.replace(/^\.+|\.+$/g, ""));
  return parts.some((part) => isIpv6(part) || isIpv6(part.slice(0, Math.max(0, part.lastIndexOf(":")))));
}

/** @param {string} text RFC 4291 §2.2, without its forms that end in IPv4 */
function isIpv6(text) {
  const halves = text.split("::");
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  const isWhole = halves.length === 1 ? groups.length === 8 : halves.length === 2 && groups.length < 8;
  return isWhole && groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group));
}

/** @param {string} text @param {number} max */
function isNumber(text, max) {
  return /^\d{1,10}$/.test(text) && Number(text) <= max;
}

/**
 * @param {string} why
 * @returns {never}
 */
function refuse(why) {
  throw new GateError(why);
}

/** Printable ASCII only; but a session's name may be in any language, and is replaced. */
const LINE = /^(?:[a-z]=[ -~]*|s=\P{Cc}*)$/u;
/** SDES (RFC 4568), `k=` and key management in the text would let whoever reads it listen. */
const KEYS_IN_TEXT = /^(k=|a=(crypto|key-mgmt):)/i;
const FINGERPRINT = /^a=fingerprint:sha-(256|384|512) ([0-9a-f]{2}(?::[0-9a-f]{2})*)$/i;
const ORIGIN = /^\S* (\d{1,20}) (\d{1,20})(?: |$)/;
const SETUP = /^(?:actpass|active|passive)$/;
/** The attributes that pass with their value. */
const KEPT = new Set([
  "bundle-only",
  "extmap",
  "extmap-allow-mixed",
  "fmtp",
  "group",
  "ice-lite",
  "ice-options",
  "inactive",
  "max-message-size",
  "maxptime",
  "mid",
  "ptime",
  "recvonly",
  "rid",
  "rtcp-fb",
  "rtcp-mux",
  "rtcp-mux-only",
  "rtcp-rsize",
  "rtcp-xr",
  "rtpmap",
  "sctp-port",
  "sctpmap",
  "sendonly",
  "sendrecv",
  "simulcast",
  "ssrc-group",
  "tls-id",
]);
const AUDIO_LEVELS = [
  "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  "urn:ietf:params:rtp-hdrext:csrc-audio-level",
];
