//! Time-limited credentials of other software: whoever holds the secret makes up names and passwords, and the
//! relay recognises them without having heard of them. Not sessions, whose names come from the matcher.
//!
//! The form that coturn, Matrix, Nextcloud and Jitsi agree on: the name is `expiry:anything` or `expiry`, the
//! password HMAC-SHA1 of the name in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::credentials::{Credential, is_session_name};

/// A secret that this relay shares with other software.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SharedSecret(Vec<u8>);

impl SharedSecret {
    /// A secret as it stands in the other software's configuration.
    pub fn new(secret: &[u8]) -> Self {
        Self(secret.to_vec())
    }

    /// A credential that is good until `expires_unix_s`, with something in its name that tells it from others
    /// of the same second. `None` for a name that the relay would not take: one with control characters, one
    /// that makes more than 508 bytes, one that makes a session's.
    pub fn mint(&self, name: Option<&str>, expires_unix_s: u64) -> Option<Credential> {
        let username = match name {
            Some(name) => format!("{expires_unix_s}:{name}"),
            None => expires_unix_s.to_string(),
        };
        let expiry = expiry_of(username.as_bytes())?;
        let legal = expiry == expires_unix_s
            && username.len() <= stun_wire::limits::USERNAME_BYTES_MAX
            && !is_session_name(username.as_bytes());
        let password = self.password(username.as_bytes()).to_string();
        legal.then_some(Credential { username, password })
    }

    pub(crate) fn password(&self, username: &[u8]) -> Zeroizing<String> {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(username);
        Zeroizing::new(STANDARD.encode(mac.finalize().into_bytes()))
    }
}

/// When a name of this form expires, in Unix seconds; `None` for a name of another form. What stands behind
/// the first colon may be anything that is text, colons included: Matrix puts `@user:server` there.
pub(crate) fn expiry_of(username: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(username).ok()?;
    let digits = text.split_once(':').map_or(text, |(digits, _)| digits);
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || text.chars().any(char::is_control) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_what_other_software_makes_of_the_same_secret() {
        // From: printf %s NAME | openssl dgst -sha1 -hmac north -binary | base64
        let secret = SharedSecret::new(b"north");
        for (name, username, password) in [
            (Some("alice"), "1900000000:alice", "SnH0MEKWgnUzXU+ElSVhRG+O/9g="),
            (Some("@alice:example.org"), "1900000000:@alice:example.org", "6aAAoOejR5uTV7NtlznLB5UGWLE="),
            (None, "1900000000", "Y84u/PlFlPchf5/1HmQYJrZ34c4="),
        ] {
            let minted = secret.mint(name, 1_900_000_000).unwrap();
            assert_eq!((&minted.username[..], &minted.password[..]), (username, password));
        }
    }

    #[test]
    fn row_37_only_plain_digits_are_an_expiry() {
        for (name, expiry) in [
            ("1900000000:alice", Some(1_900_000_000)),
            ("1900000000", Some(1_900_000_000)),
            ("1900000000:", Some(1_900_000_000)),
            ("1900000000:a:b", Some(1_900_000_000)),
            ("1", Some(1)),
            // 2038, 2106, and the end of 64 bits.
            ("2147483648:a", Some(1 << 31)),
            ("4294967296:a", Some(1 << 32)),
            ("18446744073709551615:a", Some(u64::MAX)),
            ("18446744073709551616:a", None),
            ("99999999999999999999:a", None),
            ("-1:a", None),
            ("+1:a", None),
            ("0:a", None),
            ("01:a", None),
            ("0x10:a", None),
            ("1e9:a", None),
            (" 1:a", None),
            ("1 :a", None),
            ("\u{661}:a", None),
            ("alice:1900000000", None),
            (":a", None),
            (":", None),
            ("", None),
            ("1900000000\0:a", None),
            ("1900000000:a\0b", None),
            ("1900000000:a\r\nb", None),
        ] {
            assert_eq!(expiry_of(name.as_bytes()), expiry, "{name:?}");
        }
        assert_eq!(expiry_of(b"1900000000:\xFF"), None);
    }

    #[test]
    fn names_that_would_not_be_taken_are_not_minted() {
        let secret = SharedSecret::new(b"north");
        let long = "x".repeat(498);
        for name in ["AAAAAAAAAAAAAAAAAAAAAA.a", "a\nb", &long] {
            assert!(secret.mint(Some(name), 1_900_000_000).is_none(), "{name:?}");
        }
        assert!(secret.mint(Some(&long[..497]), 1_900_000_000).is_some());
        assert!(secret.mint(None, 0).is_none());
    }
}
