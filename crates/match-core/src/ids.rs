//! Session ids, sides, room codes and resume tokens: random names that mean nothing and are never reused.
//!
//! None of them prints: a session id is part of a TURN user name, and a room code lets its reader in.

use std::hash::BuildHasher;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use siphasher::sip::SipHasher13;

/// The name of one session between two clients: 16 random bytes, base64url without padding on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; ID_BYTES]);

/// Which of a session's two clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The caller.
    A,
    /// The callee.
    B,
}

impl Side {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    /// 0 for the caller, 1 for the callee.
    pub const fn index(self) -> usize {
        match self {
            Self::A => 0,
            Self::B => 1,
        }
    }
}

/// What opens a room: 16 random bytes, base64url without padding on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RoomCode(pub(crate) [u8; ID_BYTES]);

/// What a client that lost its transport comes back with: 16 random bytes, base64url without padding on
/// the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResumeToken(pub(crate) [u8; ID_BYTES]);

/// A hasher whose key is an argument.
#[derive(Clone)]
pub(crate) struct KeyedHasher(pub(crate) [u8; 16]);

impl BuildHasher for KeyedHasher {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_key(&self.0)
    }
}

impl SessionId {
    /// Reads it as it stands on the wire.
    pub(crate) fn read(text: &str) -> Option<Self> {
        read(text).map(Self)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decode(deserializer).map(Self)
    }
}

impl Serialize for RoomCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for RoomCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decode(deserializer).map(Self)
    }
}

impl Serialize for ResumeToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for ResumeToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decode(deserializer).map(Self)
    }
}

/// Reads exactly 16 bytes; the error names neither the text nor its length.
fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; ID_BYTES], D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    read(&text).ok_or_else(|| serde::de::Error::custom("not an identifier"))
}

fn read(text: &str) -> Option<[u8; ID_BYTES]> {
    let mut bytes = [0; ID_BYTES];
    (URL_SAFE_NO_PAD.decode_slice(text.as_bytes(), &mut bytes) == Ok(ID_BYTES)).then_some(bytes)
}

const ID_BYTES: usize = 16;

/// Characters of one on the wire.
pub(crate) const ID_CHARS: usize = (ID_BYTES * 4).div_ceil(3);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_survives_the_wire() {
        let text = serde_json::to_string(&SessionId([0xfb; 16])).unwrap();
        assert_eq!(text, "\"-_v7-_v7-_v7-_v7-_v7-w\"");
        assert!(serde_json::from_str::<SessionId>(&text).unwrap() == SessionId([0xfb; 16]));
    }

    #[test]
    fn other_lengths_and_alphabets_are_refused() {
        for text in
            ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA==", "+/v7+/v7+/v7+/v7+/v7+w", "AAAAAAAAAAAAAAAAAAAAAAAAAA"]
        {
            assert!(serde_json::from_value::<SessionId>(text.into()).is_err(), "{text}");
        }
    }
}
