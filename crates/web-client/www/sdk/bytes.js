/**
 * Bytes to text and back, as the protocol writes them. Pure functions. RFC 4648 §5 (base64url).
 * @module
 */

/** @typedef {Uint8Array<ArrayBuffer>} Bytes */

/** @param {string} text @returns {Bytes} */
export function utf8(text) {
  return new TextEncoder().encode(text);
}

/** @param {Uint8Array[]} parts @returns {Bytes} */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** @param {Bytes} a @param {Bytes} b whether they are the same, in a time that depends on the length only */
export function isSame(a, b) {
  if (a.length !== b.length) return false;
  return a.reduce((difference, byte, at) => difference | (byte ^ b[at]), 0) === 0;
}

/** @param {Bytes} bytes @returns {string} without padding */
export function toBase64url(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * The bytes, or `null` where the text is not exactly what {@link toBase64url} would write.
 * @param {unknown} text
 * @returns {Bytes | null}
 */
export function fromBase64url(text) {
  if (typeof text !== "string" || !/^[\w-]*$/.test(text)) return null;
  let binary;
  try {
    binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    return null;
  }
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  return toBase64url(bytes) === text ? bytes : null;
}
