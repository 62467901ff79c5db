//! What is hashed, and what is derived from it. No state: the order of the steps is `sealing`'s.

use hkdf::Hkdf;
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{PublicKey, SecretKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::limits::{
    HASH_BYTES, KEY_BYTES, NONCE_BYTES, PUBLIC_KEY_BYTES, SAS_BYTES, SESSION_BYTES, SHARE_BYTES,
};
use crate::sealing::SealError;
use crate::{LinkSecret, Role, SessionId};

/// One side's key pair and nonce, for one session only.
pub struct Share {
    secret: SecretKey,
    public: PublicShare,
}

impl Share {
    /// From 64 random bytes. `None` where the first 32 are no private key, once in 2^32: try others.
    #[must_use]
    pub fn new(private: &[u8; 32], nonce: [u8; NONCE_BYTES]) -> Option<Self> {
        let secret = SecretKey::from_slice(private).ok()?;
        let mut key = [0; PUBLIC_KEY_BYTES];
        key.copy_from_slice(secret.public_key().to_sec1_point(false).as_bytes());
        Some(Self { secret, public: PublicShare { key, nonce } })
    }

    pub(crate) fn public(&self) -> &PublicShare {
        &self.public
    }

    /// The keys of the session whose other side has this public key.
    pub(crate) fn agree(
        &self,
        partner: &PublicShare,
        transcript: &[u8; HASH_BYTES],
        link: Option<&LinkSecret>,
    ) -> Result<Secrets, SealError> {
        // It is behind a 4, so it is the whole point; this checks that the point lies on the curve.
        let partner = PublicKey::from_sec1_bytes(&partner.key).map_err(|_| SealError::BadKey)?;
        let shared = self.secret.diffie_hellman(&partner);
        let mut material = Zeroizing::new(shared.raw_secret_bytes().to_vec());
        material.extend_from_slice(link.map_or(&[], |secret| &secret[..]));
        let keys = Hkdf::<Sha256>::new(Some(transcript), &material);
        let mut secrets = Secrets::default();
        let outputs: [(&str, &mut [u8]); 4] = [
            ("ginnel.1 r2e", &mut *secrets.r2e),
            ("ginnel.1 e2r", &mut *secrets.e2r),
            ("ginnel.1 sas", &mut secrets.sas),
            ("ginnel.1 bind", &mut *secrets.bind),
        ];
        for (label, output) in outputs {
            keys.expand(label.as_bytes(), output).expect("HKDF gives up to 8,160 bytes");
        }
        Ok(secrets)
    }
}

/// What a side sends.
#[derive(Clone)]
pub(crate) struct PublicShare {
    key: [u8; PUBLIC_KEY_BYTES],
    nonce: [u8; NONCE_BYTES],
}

impl PublicShare {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, SealError> {
        if bytes.len() != SHARE_BYTES || bytes[0] != UNCOMPRESSED {
            return Err(SealError::OutOfOrder);
        }
        let (mut key, mut nonce) = ([0; PUBLIC_KEY_BYTES], [0; NONCE_BYTES]);
        key.copy_from_slice(&bytes[..PUBLIC_KEY_BYTES]);
        nonce.copy_from_slice(&bytes[PUBLIC_KEY_BYTES..]);
        Ok(Self { key, nonce })
    }

    pub(crate) fn emit(&self) -> Vec<u8> {
        [&self.key[..], &self.nonce].concat()
    }
}

/// What the two have in common afterwards.
#[derive(Default)]
pub(crate) struct Secrets {
    pub(crate) r2e: Zeroizing<[u8; KEY_BYTES]>,
    pub(crate) e2r: Zeroizing<[u8; KEY_BYTES]>,
    pub(crate) sas: [u8; SAS_BYTES],
    pub(crate) bind: Zeroizing<[u8; KEY_BYTES]>,
}

/// The caller's first message: it can no longer choose its key when it sees the callee's.
pub(crate) fn commit_to(session: &SessionId, caller: &PublicShare) -> [u8; HASH_BYTES] {
    let caller_name = Role::Caller.name().as_bytes();
    hash("ginnel.1 commit", &[&session[..], caller_name, &caller.key, &caller.nonce])
}

/// Everything that was exchanged.
pub(crate) fn transcript(
    session: &SessionId,
    commit: &[u8; HASH_BYTES],
    caller: &PublicShare,
    callee: &PublicShare,
) -> [u8; HASH_BYTES] {
    let (caller_name, callee_name) = (Role::Caller.name().as_bytes(), Role::Callee.name().as_bytes());
    hash(
        "ginnel.1 transcript",
        &[
            &session[..],
            caller_name,
            commit,
            callee_name,
            &callee.key,
            &callee.nonce,
            caller_name,
            &caller.key,
            &caller.nonce,
        ],
    )
}

/// Each field behind its length, so that no two lists of fields give the same bytes.
fn hash(label: &str, fields: &[&[u8]]) -> [u8; HASH_BYTES] {
    let mut hash = Sha256::new_with_prefix(label);
    for field in fields {
        let length = u16::try_from(field.len()).expect("no field is longer than a public key");
        hash.update(length.to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

const UNCOMPRESSED: u8 = 4;
const _: () = assert!(SESSION_BYTES < SHARE_BYTES && HASH_BYTES != SHARE_BYTES);
