//! The public keys of an identity provider, and what each of them may verify.
//!
//! The algorithm follows from the key, never from the token alone: a symmetric one is not among them, so that
//! nobody signs with a public key as the secret (RFC 8725 §2.1, §3.1). RFC 7517, RFC 7518 §6, RFC 8037.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use serde_json::Value;

use crate::limits::{JWKS_KEYS_MAX, RSA_BITS_MAX, RSA_BITS_MIN};
use crate::settings::Refusal;

/// The keys of a JWK Set that verify signatures; at least one.
#[derive(Clone)]
pub(crate) struct KeySet(Vec<Key>);

#[derive(Clone)]
struct Key {
    jwk: Jwk,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

impl KeySet {
    /// The keys in a JWK Set.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as a predicate to where it comes from.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Refusal> {
        let set: Value = serde_json::from_slice(text).map_err(|_| {
            Refusal::new("is not JSON", "give the JWK Set (jwks_uri) of the identity provider")
        })?;
        let Some(keys) = set.get("keys").and_then(Value::as_array) else {
            let right = "give a JWK Set, which is an object with a list \"keys\"";
            return Err(Refusal::new("has no list of keys", right));
        };
        if keys.len() > JWKS_KEYS_MAX {
            let right = format!("keep to {JWKS_KEYS_MAX} at most: those that sign now, and the next");
            return Err(Refusal::new(format!("has {} keys", keys.len()), right));
        }
        if keys.iter().any(|key| key.get("d").is_some()) {
            let right = "replace it at the identity provider, and give the public keys only";
            return Err(Refusal::new("has a private key in it", right));
        }
        //= RFC 7517 §5: "Implementations SHOULD ignore JWKs within a JWK Set that use "kty" (key type)
        //= values that are not understood by them, that are missing required members, or for which values
        //= are out of the supported ranges."
        let usable: Vec<_> = keys.iter().filter_map(Key::read).collect();
        if usable.is_empty() {
            let right =
                "sign with RSA (2048 to 8192 bits), P-256, P-384 or Ed25519, and give the public keys";
            return Err(Refusal::new("has no key that verifies signatures", right));
        }
        Ok(Self(usable))
    }

    /// How many keys there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The keys that may have signed a token which names this key and this algorithm.
    pub(super) fn fitting(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &DecodingKey> {
        let fits = move |key: &&Key| {
            (id.is_none() || key.jwk.common.key_id.as_deref() == id) && key.algorithms.contains(&algorithm)
        };
        self.0.iter().filter(fits).map(|key| &key.decoding)
    }
}

impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().map(|key| &key.jwk).eq(other.0.iter().map(|key| &key.jwk))
    }
}

impl Key {
    /// A key that verifies signatures by an algorithm of ours.
    fn read(value: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
        let purpose = &jwk.common;
        let is_for_signatures =
            purpose.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
        let verifies = purpose.key_operations.as_ref().is_none_or(|it| it.contains(&KeyOperations::Verify));
        if !is_for_signatures || !verifies {
            return None;
        }
        let (decoding, possible) = decoding(&jwk)?;
        let algorithms = match purpose.key_algorithm {
            None => possible,
            Some(named) => vec![Algorithm::try_from(named).ok().filter(|it| possible.contains(it))?],
        };
        Some(Self { jwk, algorithms, decoding })
    }
}

/// The key itself and what its kind allows.
fn decoding(jwk: &Jwk) -> Option<(DecodingKey, Vec<Algorithm>)> {
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let has_length = |bytes| key.try_get_as_bytes().is_ok_and(|point| point.len() == bytes);
    let algorithms = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => return rsa(&key),
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 if has_length(65) => Algorithm::ES256,
            EllipticCurve::P384 if has_length(97) => Algorithm::ES384,
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 && has_length(32) => {
            Algorithm::EdDSA
        }
        _ => return None,
    };
    Some((key, vec![algorithms]))
}

/// Of a size that is neither too weak nor work for an attacker to give us.
fn rsa(key: &DecodingKey) -> Option<(DecodingKey, Vec<Algorithm>)> {
    let DecodingKeyKind::RsaModulusExponent { n, e } = key.kind() else { return None };
    //= RFC 7518 §6.3.1.1: "Note that implementers have found that some cryptographic libraries prefix an
    //= extra zero-valued octet to the modulus representations they return"
    let zeros = n.iter().take_while(|byte| **byte == 0).count();
    let n = &n[zeros..];
    let bits = n.first().map_or(0, |first| 8 * n.len() - first.leading_zeros() as usize);
    let key = DecodingKey::from_rsa_raw_components(n, e);
    (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits).then(|| (key, AlgorithmFamily::Rsa.algorithms().to_vec()))
}
