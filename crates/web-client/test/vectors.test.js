/**
 * The published test vectors of the sealing hold. `UPDATE=1 npm test` writes them anew, from what is under
 * "given" here; `tests/sealing` checks the same file in Rust.
 */

import assert from "node:assert/strict";
import { createECDH, createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { toBase64url } from "../www/sdk/bytes.js";
import { deriveSecrets, transcriptHash } from "../www/sdk/handshake.js";
import { Sealing } from "../www/sdk/sealing.js";
import { signs } from "../www/sdk/string.js";

const DOCS = join(import.meta.dirname, "../../../docs");
const FILE = join(DOCS, "sealing-vectors.json");

const GIVEN = [
  {
    name: "two strangers",
    session: bytes("00112233445566778899aabbccddeeff"),
    link_secret: bytes(""),
    caller: { private: repeated("c1", 32), nonce: repeated("0c", 32) },
    callee: { private: repeated("e2", 32), nonce: repeated("0e", 32) },
    sealed: [
      ["caller", { desc: { type: "offer", sdp: "v=0\r\n" } }],
      ["callee", { cand: [] }],
      ["caller", { bye: true }],
    ],
  },
  {
    name: "an invite link",
    session: bytes("ffeeddccbbaa99887766554433221100"),
    link_secret: bytes("a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"),
    caller: { private: repeated("17", 32), nonce: repeated("71", 32) },
    callee: { private: repeated("28", 32), nonce: repeated("82", 32) },
    sealed: [
      ["caller", { desc: { type: "offer", sdp: "ä".repeat(1_000) } }],
      ["callee", { desc: { type: "answer", sdp: "x".repeat(12_000) } }],
      ["callee", { direct: true }],
    ],
  },
];

test("the vectors are what this code computes", async () => {
  const vectors = [];
  for (const given of GIVEN) vectors.push(await vector(given));
  const text = `${JSON.stringify(vectors, null, 2)}\n`;
  if (process.env.UPDATE) writeFileSync(FILE, text);
  assert.equal(readFileSync(FILE, "utf8"), text);

  const document = readFileSync(join(DOCS, "protocol.md"), "utf8");
  const { exchange, derived } = vectors[0];
  for (const value of [...Object.values(exchange), ...Object.values(derived)].flat()) {
    assert.ok(document.includes(value), `docs/protocol.md says ${value}`);
  }
});

async function vector({ name, session, link_secret, caller, callee, sealed }) {
  const shares = { caller: await share(caller), callee: await share(callee) };
  const sides = {};
  for (const role of ["caller", "callee"]) {
    sides[role] = new Sealing(role, session, link_secret, Promise.resolve(shares[role]));
  }
  const commit = await sides.caller.begin();
  const calleeKey = (await sides.callee.receive(commit)).send;
  const callerKey = (await sides.caller.receive(calleeKey)).send;
  await sides.callee.receive(callerKey);

  const messages = [];
  for (const [from, body] of sealed) {
    const message = await sides[from].seal(body);
    const opened = await sides[from === "caller" ? "callee" : "caller"].receive(message);
    assert.deepEqual(opened, { send: null, body });
    messages.push({ from, text: JSON.stringify(body), ...published(message) });
  }
  assert.deepEqual(sides.caller.sas, sides.callee.sas);

  const transcript = { session, commit, caller: shares.caller, callee: shares.callee };
  const { caller: own, callee: partner } = shares;
  const secrets = await deriveSecrets(own.privateKey, partner.publicKey, transcript, link_secret);
  assert.deepEqual(await deriveSecrets(partner.privateKey, own.publicKey, transcript, link_secret), secrets);
  assert.deepEqual(secrets.sas, sides.caller.sas);
  return {
    name,
    given: {
      session: hex(session),
      link_secret: hex(link_secret),
      caller: { private: hex(caller.private), nonce: hex(caller.nonce) },
      callee: { private: hex(callee.private), nonce: hex(callee.nonce) },
    },
    exchange: { commit: hex(commit), callee_key: hex(calleeKey), caller_key: hex(callerKey) },
    derived: {
      transcript: hex(await transcriptHash(transcript)),
      r2e: hex(secrets.r2e),
      e2r: hex(secrets.e2r),
      sas: hex(secrets.sas),
      bind: hex(secrets.bind),
      string: signs(secrets.sas).map((sign) => sign.name),
      proof_caller: hex(await sides.callee.proofOf("caller")),
      proof_callee: hex(await sides.caller.proofOf("callee")),
    },
    sealed: messages,
  };
}

/** A small message as it travels, of a larger one the hash. */
function published(message) {
  if (message.length < 2_000) return { body: toBase64url(message) };
  return { body_sha256: createHash("sha256").update(message).digest("hex") };
}

async function share({ private: d, nonce }) {
  const ecdh = createECDH("prime256v1");
  ecdh.setPrivateKey(d);
  const publicKey = new Uint8Array(ecdh.getPublicKey());
  const [x, y] = [publicKey.slice(1, 33), publicKey.slice(33)].map(toBase64url);
  const jwk = { kty: "EC", crv: "P-256", d: toBase64url(d), x, y };
  const how = { name: "ECDH", namedCurve: "P-256" };
  const privateKey = await crypto.subtle.importKey("jwk", jwk, how, false, ["deriveBits"]);
  return { privateKey, publicKey, nonce };
}

function bytes(hex) {
  return new Uint8Array(Buffer.from(hex, "hex"));
}

function repeated(byte, times) {
  return bytes(byte.repeat(times));
}

function hex(bytes) {
  return Buffer.from(bytes).toString("hex");
}
