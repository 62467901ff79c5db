//! Keys and the MACs over messages. Not who may use which key, nor nonces.
//! RFC 8489 §9.2.2, §14.4-§14.7, §18.5.1.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::password_algorithm::PasswordAlgorithm;

/// A key for message integrity and the attribute that is signed with it. Wiped on drop, never printed.
#[derive(Clone, ZeroizeOnDrop)]
pub struct IntegrityKey {
    bytes: KeyBytes,
    #[zeroize(skip)]
    signs: Integrity,
}

/// The two attributes that prove a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Integrity {
    /// MESSAGE-INTEGRITY, RFC 8489 §14.5.
    Sha1,
    /// MESSAGE-INTEGRITY-SHA256, RFC 8489 §14.6.
    Sha256,
}

/// One variant a key length, so that a key lives inside what holds it.
#[derive(Clone, Zeroize)]
enum KeyBytes {
    Md5([u8; 16]),
    Sha256([u8; 32]),
    Password(Vec<u8>),
}

impl IntegrityKey {
    /// The long-term key of a password algorithm. MD5 signs by MESSAGE-INTEGRITY, as clients without a choice
    /// of algorithms expect; SHA-256 by MESSAGE-INTEGRITY-SHA256.
    ///
    /// The caller has applied OpaqueString preparation where it wants it; ASCII needs none.
    pub fn long_term(algorithm: PasswordAlgorithm, username: &[u8], realm: &[u8], password: &[u8]) -> Self {
        match algorithm {
            PasswordAlgorithm::Md5 => Self::long_term_md5(username, realm, password),
            PasswordAlgorithm::Sha256 => Self {
                bytes: KeyBytes::Sha256(joined::<Sha256, 32>(&[username, realm, password])),
                signs: Integrity::Sha256,
            },
        }
    }

    /// The long-term key of clients that know one algorithm: `MD5(username ":" realm ":" password)`, RFC 8489
    /// §18.5.1.1.
    pub fn long_term_md5(username: &[u8], realm: &[u8], password: &[u8]) -> Self {
        let bytes = KeyBytes::Md5(joined::<Md5, 16>(&[username, realm, password]));
        Self { bytes, signs: Integrity::Sha1 }
    }

    /// The short-term key, which is the password itself, RFC 8489 §9.1. Signs by MESSAGE-INTEGRITY.
    pub fn short_term(password: &[u8]) -> Self {
        Self { bytes: KeyBytes::Password(password.to_vec()), signs: Integrity::Sha1 }
    }

    /// The same key, signing by that attribute.
    pub fn signing_by(mut self, integrity: Integrity) -> Self {
        self.signs = integrity;
        self
    }

    /// The attribute that is signed with it.
    pub const fn signs(&self) -> Integrity {
        self.signs
    }

    /// The password algorithm that derived it; `None` for a short-term key.
    pub const fn algorithm(&self) -> Option<PasswordAlgorithm> {
        match self.bytes {
            KeyBytes::Md5(_) => Some(PasswordAlgorithm::Md5),
            KeyBytes::Sha256(_) => Some(PasswordAlgorithm::Sha256),
            KeyBytes::Password(_) => None,
        }
    }

    /// HMAC-SHA1 over `header` and `rest`, which together are the covered message.
    pub(crate) fn hmac_sha1(&self, header: &[u8], rest: &[u8]) -> [u8; SHA1_BYTES] {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.bytes()).expect("HMAC takes a key of any length");
        mac.update(header);
        mac.update(rest);
        mac.finalize().into_bytes().into()
    }

    /// HMAC-SHA256 over `header` and `rest`, which together are the covered message.
    pub(crate) fn hmac_sha256(&self, header: &[u8], rest: &[u8]) -> [u8; SHA256_BYTES] {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.bytes()).expect("HMAC takes a key of any length");
        mac.update(header);
        mac.update(rest);
        mac.finalize().into_bytes().into()
    }

    /// Whether two keys are the same, without telling by time where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        self.bytes().ct_eq(other.bytes()).into()
    }

    fn bytes(&self) -> &[u8] {
        match &self.bytes {
            KeyBytes::Md5(key) => key,
            KeyBytes::Sha256(key) => key,
            KeyBytes::Password(key) => key,
        }
    }
}

/// What USERHASH holds in place of a user name: `SHA-256(username ":" realm)`, RFC 8489 §14.4.
pub fn userhash(username: &[u8], realm: &[u8]) -> [u8; SHA256_BYTES] {
    joined::<Sha256, SHA256_BYTES>(&[username, realm])
}

/// CRC-32 XOR'd with "STUN", RFC 8489 §14.7, over `header` and `rest`.
pub(crate) fn fingerprint(header: &[u8], rest: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(header);
    crc.update(rest);
    crc.finalize() ^ 0x5354_554E
}

/// The hash of some texts with colons between them.
fn joined<D: md5::Digest, const BYTES: usize>(parts: &[&[u8]]) -> [u8; BYTES]
where
    [u8; BYTES]: From<md5::digest::Output<D>>,
{
    let mut digest = D::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            digest.update(b":");
        }
        digest.update(part);
    }
    digest.finalize().into()
}

/// Bytes of a MESSAGE-INTEGRITY value, RFC 8489 §14.5.
pub(crate) const SHA1_BYTES: usize = 20;

/// Bytes of a whole MESSAGE-INTEGRITY-SHA256 value, RFC 8489 §14.6.
pub(crate) const SHA256_BYTES: usize = 32;

/// Bytes of the shortest MESSAGE-INTEGRITY-SHA256 value that is one, RFC 8489 §14.6.
pub(crate) const SHA256_BYTES_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_key_of_rfc_8489_section_9_2_2() {
        let key = IntegrityKey::long_term_md5(b"user", b"realm", b"pass");
        let expected =
            [0x84, 0x93, 0xFB, 0xC5, 0x3B, 0xA5, 0x82, 0xFB, 0x4C, 0x04, 0x4C, 0x45, 0x6B, 0xDC, 0x40, 0xEB];
        assert_eq!(key.bytes(), expected);
    }

    #[test]
    fn a_key_signs_as_its_algorithm_does_until_told_otherwise() {
        for (algorithm, signs) in
            [(PasswordAlgorithm::Md5, Integrity::Sha1), (PasswordAlgorithm::Sha256, Integrity::Sha256)]
        {
            let key = IntegrityKey::long_term(algorithm, b"user", b"realm", b"pass");
            assert_eq!((key.algorithm(), key.signs()), (Some(algorithm), signs));
            let other = key.clone().signing_by(Integrity::Sha256);
            assert!(other.matches(&key) && other.signs() == Integrity::Sha256);
        }
        assert_eq!(IntegrityKey::short_term(b"pass").algorithm(), None);
    }

    #[test]
    fn keys_match_whose_bytes_are_the_same() {
        let key = IntegrityKey::short_term(b"password");
        assert!(key.matches(&IntegrityKey::short_term(b"password")));
        assert!(!key.matches(&IntegrityKey::short_term(b"passwort")));
        assert!(!key.matches(&IntegrityKey::short_term(b"pass")));
    }
}
