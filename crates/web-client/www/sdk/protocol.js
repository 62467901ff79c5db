/**
 * The messages of `ginnel.1` as types, and the check of what arrives. Unknown fields are ignored: a newer
 * server may send more.
 * @module
 */

/** @typedef {"text" | "audio" | "video"} Media */
/** @typedef {{ media: Media, tags?: string[], langs?: string[] }} Want */
/** @typedef {{ type: "offer" | "answer", sdp: string }} Description */
/**
 * What is inside a sealed payload.
 * @typedef {{ desc: Description } | { cand: RTCIceCandidateInit[] } | { direct: true }} Body
 */
/** @typedef {{ token: string, got: Record<string, number> }} Resume */
/** @typedef {{ seed: string, nonce: string }} Proof */
/** Why somebody is reported. @typedef {"abuse" | "spam" | "minor" | "other"} Reason */
/**
 * @typedef {{ t: "hello", v: 1, resume?: Resume, token?: string, proof?: Proof }
 *   | { t: "find", want: Want }
 *   | { t: "next", want?: Want }
 *   | { t: "open", size?: number }
 *   | { t: "join", room: string }
 *   | { t: "seal", session: string, n: number, body: string }
 *   | { t: "report", session: string, why: Reason }
 *   | { t: "leave", session?: string }
 *   | { t: "cancel" }} ClientMessage
 */
/** Who may learn whose address, from strict to lax. @typedef {"relay" | "consent" | "direct"} Exposure */
/**
 * @typedef {{
 *   exposure: Exposure, room_exposure: Exposure, require_sealed: boolean, rooms: boolean, room_size: number,
 *   resume_s: number, retention_s: number,
 * }} Policy
 */
/**
 * `got` is there where the server knew us again: the last frame that arrived of us in each session.
 * @typedef {{
 *   t: "welcome", v: number, policy: Policy, limits: Record<string, number>,
 *   resume?: string, got?: Record<string, number>,
 * }} Welcome
 */
/**
 * @typedef {{
 *   t: "matched", session: string, role: "caller" | "callee", exposure: Exposure,
 *   ice: RTCIceServer[], ends: number, common: string[],
 * }} Matched
 */
/** @typedef {{ t: "seal", session: string, n: number, body: string }} Seal */
/** Never used: what is not sealed ends the session. @typedef {{ t: "plain", session: string }} Plain */
/** @typedef {{ t: "gone", session: string, why: string }} Gone */
/**
 * Work that is asked for before `welcome`.
 * @typedef {{ t: "challenge", bits: number, seed: string }} Challenge
 */
/**
 * `for`: the `t` of the message of ours that it answers, if it answers one that was read; `session`, if that
 * is one of a session's, and `n`, if a payload.
 * @typedef {{
 *   t: "error", code: string, text: string, for?: string, session?: string, n?: number, retry_ms?: number,
 *   fatal?: boolean,
 * }} ErrorMessage
 */
/**
 * @typedef {Welcome | Challenge | Matched | Seal | Plain | Gone | ErrorMessage
 *   | { t: "waiting", bin: number }
 *   | { t: "room", code: string }
 *   | { t: "drain", after_ms: number }} ServerMessage
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

/** The stricter of two. @param {Exposure} one @param {Exposure} other @returns {Exposure} */
export function stricter(one, other) {
  return STRICTNESS[one] >= STRICTNESS[other] ? one : other;
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
function isExposure(value) {
  return typeof value === "string" && Object.hasOwn(STRICTNESS, value);
}

/** @param {unknown} value */
function isTexts(value) {
  return Array.isArray(value) && value.every(isText);
}

const STRICTNESS = { direct: 0, consent: 1, relay: 2 };

/** @type {Record<ServerMessage["t"], Record<string, (value: unknown) => boolean>>} */
const SHAPES = {
  welcome: { v: isNumber, policy: isObject, limits: isObject },
  challenge: { bits: isNumber, seed: isText },
  drain: { after_ms: isNumber },
  waiting: { bin: isNumber },
  room: { code: isText },
  matched: {
    session: isText,
    role: isRole,
    exposure: isExposure,
    ice: Array.isArray,
    ends: isNumber,
    common: isTexts,
  },
  seal: { session: isText, n: isNumber, body: isText },
  plain: { session: isText },
  gone: { session: isText, why: isText },
  error: { code: isText, text: isText },
};
