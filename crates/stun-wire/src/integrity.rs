//! Keys and the MACs over messages. Not who may use which key, nor nonces. RFC 8489 §9.2.2, §14.5, §14.7.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use subtle::ConstantTimeEq as _;
use zeroize::ZeroizeOnDrop;

/// A key for message integrity, as long as its derivation makes it. Wiped on drop, never printed.
#[derive(Clone, ZeroizeOnDrop)]
pub struct IntegrityKey(KeyBytes);

/// One variant a key length, so that a key lives inside what holds it.
#[derive(Clone, ZeroizeOnDrop)]
enum KeyBytes {
    Md5([u8; 16]),
    Password(Vec<u8>),
}

impl IntegrityKey {
    /// The long-term key of password algorithm MD5: `MD5(username ":" realm ":" password)`, RFC 8489
    /// §18.5.1.1.
    ///
    /// The caller has applied OpaqueString preparation where it wants it; ASCII needs none.
    pub fn long_term_md5(username: &[u8], realm: &[u8], password: &[u8]) -> Self {
        let mut digest = Md5::new();
        for part in [username, b":", realm, b":", password] {
            digest.update(part);
        }
        Self(KeyBytes::Md5(digest.finalize().into()))
    }

    /// The short-term key, which is the password itself, RFC 8489 §9.1.
    pub fn short_term(password: &[u8]) -> Self {
        Self(KeyBytes::Password(password.to_vec()))
    }

    /// HMAC-SHA1 over `header` and `rest`, which together are the covered message.
    pub(crate) fn hmac_sha1(&self, header: &[u8], rest: &[u8]) -> [u8; SHA1_BYTES] {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.bytes()).expect("HMAC takes a key of any length");
        mac.update(header);
        mac.update(rest);
        mac.finalize().into_bytes().into()
    }

    /// Whether two keys are the same, without telling by time where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.bytes().ct_eq(other.bytes()).into()
    }

    fn bytes(&self) -> &[u8] {
        match &self.0 {
            KeyBytes::Md5(key) => key,
            KeyBytes::Password(key) => key,
        }
    }
}

/// CRC-32 XOR'd with "STUN", RFC 8489 §14.7, over `header` and `rest`.
pub(crate) fn fingerprint(header: &[u8], rest: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(header);
    crc.update(rest);
    crc.finalize() ^ 0x5354_554E
}

/// Bytes of a MESSAGE-INTEGRITY value, RFC 8489 §14.5.
pub(crate) const SHA1_BYTES: usize = 20;
