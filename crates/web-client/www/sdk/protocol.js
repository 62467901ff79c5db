/**
 * The messages of `ginnel.1` as types, and the check of what arrives. Unknown fields are ignored: a newer
 * server may send more.
 * @module
 */

/** @typedef {"text" | "audio" | "video"} Media */
/** @typedef {{ media: Media, tags?: string[], langs?: string[] }} Want */
/** @typedef {{ type: "offer" | "answer", sdp: string }} Description */
/** @typedef {{ desc: Description } | { cand: RTCIceCandidateInit[] } | { bye: true }} Body */
/**
 * @typedef {{ t: "hello", v: 1 }
 *   | { t: "find", want: Want }
 *   | { t: "next", want?: Want }
 *   | { t: "open", size?: number }
 *   | { t: "join", room: string }
 *   | { t: "plain", session: string, n: number, body: Body }
 *   | { t: "leave" }
 *   | { t: "cancel" }} ClientMessage
 */
/** @typedef {{ exposure: string, require_sealed: boolean, rooms: boolean, retention_s: number }} Policy */
/** @typedef {{ t: "welcome", v: number, policy: Policy, limits: Record<string, number> }} Welcome */
/**
 * @typedef {{
 *   t: "matched", session: string, role: "caller" | "callee", exposure: string,
 *   ice: RTCIceServer[], ends: number, common: string[],
 * }} Matched
 */
/** @typedef {{ t: "plain", session: string, n: number, body: Record<string, unknown> }} Plain */
/** @typedef {{ t: "gone", session: string, why: string }} Gone */
/** @typedef {{ t: "error", code: string, text: string, retry_ms?: number, fatal?: boolean }} ErrorMessage */
/**
 * @typedef {Welcome | Matched | Plain | Gone | ErrorMessage
 *   | { t: "waiting", bin: number }
 *   | { t: "room", code: string }} ServerMessage
 */

/** The WebSocket subprotocol. */
export const SUBPROTOCOL = "ginnel.1";

/**
 * The server's message, or `null` where it is none that we know or a field that we rely on is missing.
 * @param {string} text
 * @returns {ServerMessage | null}
 */
export function parseServerMessage(text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof message !== "object" || message === null || !Object.hasOwn(SHAPES, message.t)) return null;
  const shape = SHAPES[/** @type {keyof typeof SHAPES} */ (message.t)];
  return Object.entries(shape).every(([field, fits]) => fits(message[field])) ? message : null;
}

/**
 * The partner's description, or `null` if the value is none.
 * @param {unknown} value
 * @returns {Description | null}
 */
export function parseDescription(value) {
  if (!isObject(value)) return null;
  const { type, sdp } = /** @type {Record<string, unknown>} */ (value);
  return (type === "offer" || type === "answer") && typeof sdp === "string" ? { type, sdp } : null;
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {unknown} value */
function isText(value) {
  return typeof value === "string";
}

/** @param {unknown} value */
function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** @param {unknown} value */
function isRole(value) {
  return value === "caller" || value === "callee";
}

/** @param {unknown} value */
function isTexts(value) {
  return Array.isArray(value) && value.every(isText);
}

/** @type {Record<ServerMessage["t"], Record<string, (value: unknown) => boolean>>} */
const SHAPES = {
  welcome: { v: isNumber, policy: isObject, limits: isObject },
  waiting: { bin: isNumber },
  room: { code: isText },
  matched: { session: isText, role: isRole, ice: Array.isArray, ends: isNumber, common: isTexts },
  plain: { session: isText, n: isNumber, body: isObject },
  gone: { session: isText, why: isText },
  error: { code: isText, text: isText },
};
