/**
 * What an ICE candidate may say before it leaves the browser, and which of the partner's are used: relayed
 * ones only, until both people have agreed to go direct; and none ever that leads to a service, or back to
 * whoever asks. Pure functions. RFC 8839 §5.1 (the grammar of a candidate).
 * @module
 */

import { candidate_chars_max, candidate_port_min } from "./limits.js";

/** Which candidates pass: relayed ones, or others too. @typedef {"relay" | "direct"} Path */

/**
 * The candidate as the partner may see it, or `null` if it must not leave the browser. The address it was
 * derived from is blanked, and what tells the kind of link is left out.
 * @param {RTCIceCandidateInit} candidate
 * @param {Path} path
 * @param {boolean} [here] as for {@link candidateLine}
 * @returns {RTCIceCandidateInit | null}
 */
export function outgoingCandidate(candidate, path, here) {
  const line = candidateLine(candidate.candidate ?? "", path, here);
  return line === null ? null : { ...place(candidate), candidate: line };
}

/**
 * The partner's candidate if it may be used, else `null`. It is rewritten like our own, so that nothing else
 * reaches the ICE agent.
 * @param {unknown} value
 * @param {Path} path
 * @param {boolean} [here] as for {@link candidateLine}
 * @returns {RTCIceCandidateInit | null}
 */
export function incomingCandidate(value, path, here) {
  if (typeof value !== "object" || value === null) return null;
  const candidate = /** @type {Record<string, unknown>} */ (value);
  const { candidate: text, sdpMid, sdpMLineIndex, usernameFragment } = candidate;
  if (typeof text !== "string") return null;
  if (!isAbsent(sdpMid) && (typeof sdpMid !== "string" || sdpMid.length > 16)) return null;
  if (!isAbsent(sdpMLineIndex) && !Number.isInteger(sdpMLineIndex)) return null;
  if (isAbsent(sdpMid) && isAbsent(sdpMLineIndex)) return null;
  if (
    !isAbsent(usernameFragment) &&
    !(typeof usernameFragment === "string" && ICE_CHARS.test(usernameFragment))
  ) {
    return null;
  }
  const line = candidateLine(text, path, here);
  return line === null ? null : { ...place(/** @type {RTCIceCandidateInit} */ (candidate)), candidate: line };
}

/**
 * A `candidate:…` value that may pass, rebuilt from the parts we know; `null` for all others. Names are
 * looked up by nobody but the browser's own mDNS: another one would tell a resolver, or a server, who asks.
 * @param {string} text
 * @param {Path} path
 * @param {boolean} [here] the relay is on this machine, so a relayed address may be too
 * @returns {string | null}
 */
export function candidateLine(text, path, here = false) {
  if (text.length > candidate_chars_max) return null;
  const match = CANDIDATE.exec(text);
  if (match === null) return null;
  const [, foundation, component, transport, priority, address, port, type, rest] = match;
  if (!(path === "direct" ? TYPES : ["relay"]).includes(type)) return null;
  const isHidden = type === "host" && HIDDEN_NAME.test(address);
  // The relay itself sees to it that what goes through it ends at the partner.
  const mayBeHere = type === "relay" && (path === "relay" || here);
  if (!isHidden && !canHold(address, mayBeHere)) return null;
  if (Number(port) < candidate_port_min || Number(port) > 65_535) return null;
  const kept = [];
  const words = rest.split(" ").filter((word) => word !== "");
  for (let at = 0; at + 1 < words.length; at += 2) {
    if (KEPT_EXTENSIONS.has(words[at])) kept.push(words[at], words[at + 1]);
  }
  const blank = address.includes(":") ? "::" : "0.0.0.0";
  const base = `candidate:${foundation} ${component} ${transport} ${priority} ${address} ${port} typ ${type}`;
  // A host candidate is derived from nothing, and says so by having neither.
  return [type === "host" ? base : `${base} raddr ${blank} rport 9`, ...kept].join(" ");
}

/**
 * @param {RTCIceCandidateInit} candidate
 * @returns {RTCIceCandidateInit}
 */
function place({ sdpMid, sdpMLineIndex, usernameFragment }) {
  return {
    sdpMid: sdpMid ?? null,
    sdpMLineIndex: sdpMLineIndex ?? null,
    ...(usernameFragment ? { usernameFragment } : {}),
  };
}

/** @param {unknown} value */
function isAbsent(value) {
  return value === undefined || value === null;
}

/**
 * Can a partner be at this address? Private ones can hold one: two of one network meet by them. Loopback only
 * leads back to whoever asks.
 * @param {string} text
 * @param {boolean} mayBeHere loopback passes too
 */
function canHold(text, mayBeHere) {
  if (text.includes(":")) {
    if (!/^[0-9a-f:.]{2,45}$/i.test(text)) return false;
    if (text === "::1") return mayBeHere;
    // Global unicast and unique local addresses: no mapped, link-local, multicast or reserved ones.
    const first = Number.parseInt(text, 16);
    return (first & 0xe000) === 0x2000 || (first & 0xfe00) === 0xfc00;
  }
  const parts = text.split(".");
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255))
    return false;
  const [first, second] = parts.map(Number);
  if (first === 127) return mayBeHere;
  return first > 0 && first < 224 && !(first === 169 && second === 254);
}

/**
 * Is the relay on this machine, as where everything is tried out?
 * @param {string[]} urls of the relay
 */
export function isRelayHere(urls) {
  return urls.length > 0 && urls.every((url) => /^turns?:(localhost|127\.|\[::1\])/.test(url));
}

const CANDIDATE =
  /^(?:a=)?candidate:([\w+/]{1,32}) ([12]) (udp) (\d{1,10}) (\S{2,64}) (\d{1,5}) typ (\w+)((?: \S+)*) *$/i;
const TYPES = ["host", "srflx", "prflx", "relay"];
/** Browsers hide an address behind a UUID; other names are those of printers and the like. */
const HIDDEN_NAME = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.local$/i;
const ICE_CHARS = /^[\w+/]{4,256}$/;
/** All other extensions are dropped: `network-id` and `network-cost` tell the kind of link. */
const KEPT_EXTENSIONS = new Set(["generation", "ufrag"]);
