/**
 * What a session description must look like, sending and receiving. Nothing that fails is ever used. Pure
 * functions. RFC 8866 (SDP), RFC 8842 (DTLS), RFC 8839 (ICE), RFC 6464 and RFC 6465 (audio levels).
 * @module
 */

import { candidateLine } from "./candidates.js";
import { sdp_chars_max, sdp_line_chars_max, sdp_lines_max, sdp_sections_max } from "./limits.js";

/** @typedef {import("./candidates.js").Path} Path */

/** A description that the gate refused. `message` is for a person. */
export class GateError extends Error {}

/**
 * Returns the description with everything taken out that must not pass, or throws a {@link GateError}. The
 * same rules hold both ways: encrypted transports only, a strong fingerprint for every section, no keys in
 * the text, only the candidates of this path, no address anywhere else, and no header extension that tells in
 * the clear who speaks.
 * @param {string} sdp
 * @param {Path} path
 * @returns {string}
 */
export function gate(sdp, path) {
  const lines = splitLines(sdp);
  const sections = lines.filter((line) => line.startsWith("m="));
  if (lines[0] !== "v=0") refuse("it is not a session description");
  if (sections.length === 0) refuse("it describes no media");
  if (sections.length > sdp_sections_max) refuse("it has too many media sections");
  sections.forEach(checkTransport);
  checkFingerprints(lines);
  return (
    lines
      .map((line) => cleanLine(line, path))
      .filter((line) => line !== null)
      .join("\r\n") + "\r\n"
  );
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

/** @param {string} sdp */
function splitLines(sdp) {
  if (sdp.length > sdp_chars_max) refuse("it is too long");
  const lines = sdp.split(/\r?\n/);
  while (lines.at(-1) === "") lines.pop();
  if (lines.length === 0) refuse("it is empty");
  if (lines.length > sdp_lines_max) refuse("it has too many lines");
  for (const line of lines) {
    if (line.length > sdp_line_chars_max) refuse("a line is too long");
    if (!LINE.test(line)) refuse("a line is malformed");
    if (KEYS_IN_TEXT.test(line)) refuse("it carries keys in the clear");
  }
  return lines;
}

/** @param {string} line the `m=` line */
function checkTransport(line) {
  const [kind, , transport] = line.slice(2).split(" ");
  const wanted = { audio: "UDP/TLS/RTP/SAVPF", video: "UDP/TLS/RTP/SAVPF", application: "UDP/DTLS/SCTP" };
  if (!Object.hasOwn(wanted, kind)) refuse("it asks for an unknown kind of media");
  if (wanted[/** @type {keyof typeof wanted} */ (kind)] !== transport) {
    refuse("it asks for a transport that is not encrypted");
  }
}

/**
 * At least one fingerprint, and none that is weak. Sections of a bundle share the first one's, so not every
 * section has its own; the browser insists on one where a transport needs it.
 * @param {string[]} lines
 */
function checkFingerprints(lines) {
  const fingerprints = lines.filter((line) => /^a=fingerprint:/i.test(line));
  if (fingerprints.length === 0) refuse("it has no fingerprint");
  for (const line of fingerprints) {
    const [, bits, digest] = FINGERPRINT.exec(line) ?? [];
    if (digest?.split(":").length !== Number(bits) / 8) refuse("its fingerprint is weak or malformed");
  }
}

/**
 * The line as it may pass, or `null` to leave it out. Ports and addresses outside candidates are what RFC
 * 8840 §4.1 writes while nothing is gathered; ICE does not read them.
 * @param {string} line
 * @param {Path} path
 * @returns {string | null}
 */
function cleanLine(line, path) {
  if (line.startsWith("c=")) return "c=IN IP4 0.0.0.0";
  if (line.startsWith("o=")) return line.replace(/ IN IP[46] \S+$/, " IN IP4 0.0.0.0");
  if (/^a=rtcp:/i.test(line)) return "a=rtcp:9 IN IP4 0.0.0.0";
  if (line.startsWith("m="))
    return line.replace(/^(m=\S+) (\d+)(.*)$/, (_, kind, port, rest) => {
      return `${kind} ${port === "0" ? "0" : "9"}${rest}`;
    });
  if (/^a=candidate:/i.test(line)) {
    const candidate = candidateLine(line.slice(2), path);
    return candidate === null ? null : `a=${candidate}`;
  }
  if (/^a=(remote-candidates|end-of-candidates)/i.test(line)) return null;
  const extension = /^a=extmap:\S+ (\S+)/i.exec(line);
  return extension && tellsWhoSpeaks(extension[1]) ? null : line;
}

/**
 * @param {string} why
 * @returns {never}
 */
function refuse(why) {
  throw new GateError(why);
}

/** Printable characters only; a tab or a lone carriage return has no place in what browsers write. */
const LINE = /^[a-z]=[^\x00-\x1f\x7f]*$/;
/** SDES (RFC 4568), `k=` and key management in the text would let whoever reads it listen. */
const KEYS_IN_TEXT = /^(k=|a=(crypto|key-mgmt):)/i;
const FINGERPRINT = /^a=fingerprint:sha-(256|384|512) ([0-9a-f]{2}(?::[0-9a-f]{2})*)$/i;
const AUDIO_LEVELS = [
  "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  "urn:ietf:params:rtp-hdrext:csrc-audio-level",
];
