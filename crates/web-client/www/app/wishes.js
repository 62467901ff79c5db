/**
 * What somebody typed as interests and languages, in the form and within the bounds that the protocol allows
 * in a `want`. Pure functions.
 * @module
 */

/**
 * @param {string} text with commas in between
 * @returns {string[]}
 */
export function tags(text) {
  return distinct(text.split(",").map((tag) => firstBytes(tag, tag_bytes_max))).slice(0, tags_max);
}

/**
 * @param {string} text with commas or spaces in between; what is no language tag is left out
 * @returns {string[]}
 */
export function langs(text) {
  const known = distinct(text.split(/[\s,]+/)).filter((lang) => LANGUAGE.test(lang));
  return known.filter((lang) => lang.length <= lang_chars_max).slice(0, langs_max);
}

/** @param {string[]} words */
function distinct(words) {
  const cleaned = words.map((word) =>
    word
      .replace(/\p{Cc}+/gu, " ")
      .trim()
      .toLowerCase(),
  );
  return [...new Set(cleaned.filter((word) => word !== ""))];
}

/**
 * As many whole characters as fit into so many bytes of UTF-8.
 * @param {string} text
 * @param {number} bytes_max
 */
function firstBytes(text, bytes_max) {
  const bytes = new Uint8Array(bytes_max);
  const { written } = new TextEncoder().encodeInto(text.toLowerCase().trim(), bytes);
  return new TextDecoder().decode(bytes.subarray(0, written));
}

const tags_max = 8;
const tag_bytes_max = 64;
const langs_max = 4;
const lang_chars_max = 35;
const LANGUAGE = /^[a-z]{2,8}(-[a-z0-9]{1,8})*$/;
