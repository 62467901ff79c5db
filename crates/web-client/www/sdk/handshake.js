/**
 * How two browsers agree on keys that the server between them does not have: what is hashed, and what is
 * derived from it. Functions without state; the order of the steps is `sealing.js`'s. The byte encodings are
 * in `docs/protocol.md`, with test vectors. RFC 5869 (HKDF), FIPS 186-5 (P-256).
 * @module
 */

import { concat, utf8 } from "./bytes.js";

/** @typedef {import("./bytes.js").Bytes} Bytes */
/** What one side brings, and sends: `pub` and `nonce`. @typedef {{ publicKey: Bytes, nonce: Bytes }} Share */
/** @typedef {Share & { privateKey: CryptoKey }} OwnShare */
/** @typedef {{ session: Bytes, commit: Bytes, caller: Share, callee: Share }} Transcript */
/**
 * `r2e` seals what the caller sends, `e2r` what the callee does; `sas` is what people compare, and `bind`
 * makes what each shows over the data channel.
 * @typedef {{ r2e: Bytes, e2r: Bytes, sas: Bytes, bind: Bytes }} Secrets
 */

export const public_key_bytes = 65;
export const nonce_bytes = 32;
export const hash_bytes = 32;

/** A fresh key pair and nonce, for one session only. @returns {Promise<OwnShare>} */
export async function makeShare() {
  const pair = await crypto.subtle.generateKey(P256, false, ["deriveBits"]);
  return {
    privateKey: pair.privateKey,
    publicKey: new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey)),
    nonce: crypto.getRandomValues(new Uint8Array(nonce_bytes)),
  };
}

/**
 * What the caller sends first: it can no longer choose its key when it sees the callee's, so a man in the
 * middle has one guess at the string, not as many as it can compute.
 * @param {Bytes} session
 * @param {Share} caller
 */
export async function commitTo(session, caller) {
  return await sha256(utf8("ginnel.1 commit"), ...fields(session, CALLER, caller.publicKey, caller.nonce));
}

/**
 * Every key of the session. Throws where the partner's public key is not a point of the curve.
 * @param {CryptoKey} privateKey ours
 * @param {Bytes} partnersKey
 * @param {Transcript} transcript
 * @param {Bytes} linkSecret what an invite link holds besides the room's code, or nothing
 * @returns {Promise<Secrets>}
 */
export async function deriveSecrets(privateKey, partnersKey, transcript, linkSecret) {
  const point = await crypto.subtle.importKey("raw", partnersKey, P256, false, []);
  const shared = new Uint8Array(
    await crypto.subtle.deriveBits({ name: "ECDH", public: point }, privateKey, 256),
  );
  const salt = await transcriptHash(transcript);
  const material = concat(shared, linkSecret);
  const key = await crypto.subtle.importKey("raw", material, "HKDF", false, ["deriveBits"]);
  shared.fill(0);
  material.fill(0);
  /** @param {string} label @param {number} bytes */
  const expand = async (label, bytes) => {
    const how = { name: "HKDF", hash: "SHA-256", salt, info: utf8(`ginnel.1 ${label}`) };
    return new Uint8Array(await crypto.subtle.deriveBits(how, key, bytes * 8));
  };
  return {
    r2e: await expand("r2e", 32),
    e2r: await expand("e2r", 32),
    sas: await expand("sas", 3),
    bind: await expand("bind", 32),
  };
}

/** @param {Transcript} transcript */
export async function transcriptHash({ session, commit, caller, callee }) {
  return await sha256(
    utf8("ginnel.1 transcript"),
    ...fields(session, CALLER, commit, CALLEE, callee.publicKey, callee.nonce),
    ...fields(CALLER, caller.publicKey, caller.nonce),
  );
}

/** Each behind its length, so that no two lists of fields give the same bytes. @param {Bytes[]} values */
function fields(...values) {
  return values.flatMap((value) => [Uint8Array.of(value.length >> 8, value.length & 255), value]);
}

/** @param {Bytes[]} parts */
async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));
}

const P256 = { name: "ECDH", namedCurve: "P-256" };
const CALLER = utf8("caller");
const CALLEE = utf8("callee");
