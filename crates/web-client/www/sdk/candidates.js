/**
 * What an ICE candidate may say before it leaves the browser, and which of the partner's are used: relayed
 * ones only, until both people have agreed to go direct. Pure functions. RFC 8839 §5.1 (the grammar of a
 * candidate).
 * @module
 */

import { candidate_chars_max } from "./limits.js";

/** Which candidates pass: relayed ones, or all but names. @typedef {"relay" | "direct"} Path */

/**
 * The candidate as the partner may see it, or `null` if it must not leave the browser. The address it was
 * derived from is blanked, and what tells the kind of link is left out.
 * @param {RTCIceCandidateInit} candidate
 * @param {Path} path
 * @returns {RTCIceCandidateInit | null}
 */
export function outgoingCandidate(candidate, path) {
  const line = candidateLine(candidate.candidate ?? "", path);
  return line === null ? null : { ...place(candidate), candidate: line };
}

/**
 * The partner's candidate if it may be used, else `null`. It is rewritten like our own, so that nothing else
 * reaches the ICE agent.
 * @param {unknown} value
 * @param {Path} path
 * @returns {RTCIceCandidateInit | null}
 */
export function incomingCandidate(value, path) {
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
  const line = candidateLine(text, path);
  return line === null ? null : { ...place(/** @type {RTCIceCandidateInit} */ (candidate)), candidate: line };
}

/**
 * A `candidate:…` value that may pass, rebuilt from the parts we know; `null` for all others. Names are
 * looked up by nobody but the browser's own mDNS: another one would tell a resolver, or a server, who asks.
 * @param {string} text
 * @param {Path} path
 * @returns {string | null}
 */
export function candidateLine(text, path) {
  if (text.length > candidate_chars_max) return null;
  const match = CANDIDATE.exec(text);
  if (match === null) return null;
  const [, foundation, component, transport, priority, address, port, type, rest] = match;
  if (!(path === "direct" ? TYPES : ["relay"]).includes(type)) return null;
  const isHidden = type === "host" && MDNS_NAME.test(address);
  if (!isHidden && !isAddress(address)) return null;
  if (Number(port) < 1 || Number(port) > 65_535) return null;
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

/** @param {string} text */
function isAddress(text) {
  if (text.includes(":")) return /^[0-9a-f:.]{2,45}$/i.test(text);
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
}

const CANDIDATE =
  /^(?:a=)?candidate:([\w+/]{1,32}) ([12]) (udp) (\d{1,10}) (\S{2,64}) (\d{1,5}) typ (\w+)((?: \S+)*) *$/i;
const TYPES = ["host", "srflx", "prflx", "relay"];
const MDNS_NAME = /^[\w-]{1,63}\.local$/i;
const ICE_CHARS = /^[\w+/]{4,256}$/;
/** All other extensions are dropped: `network-id` and `network-cost` tell the kind of link. */
const KEPT_EXTENSIONS = new Set(["generation", "ufrag"]);
