//! What one side sends the other: sealed, which the server cannot read, or plain, which the gate has read;
//! and the frame in which it reaches the partner.
//!
//! It neither seals nor opens; only the two who are in a session can.

use serde::{Deserialize, Deserializer, Serialize};

use crate::gate::{BadPayload, GatedBody};
use crate::ids::{ID_CHARS, SessionId};
use crate::message::Kind;

/// One payload, as it came from a client.
pub enum Payload {
    /// Sealed between the two: the frame that the partner is sent.
    Seal(PayloadFrame),
    /// In the clear, if the gate let it pass.
    Plain(Result<GatedBody, BadPayload>),
}

impl Payload {
    /// The `t` of its message.
    pub(crate) const fn kind(&self) -> Kind {
        match self {
            Self::Seal(_) => Kind::Seal,
            Self::Plain(_) => Kind::Plain,
        }
    }
}

/// A payload's frame, written once: what is held for a client that may come back is what it was sent.
pub struct PayloadFrame(Box<str>);

impl PayloadFrame {
    /// A sealed payload's: base64url without padding that means nothing to the server. Its bound is the
    /// message's.
    pub(crate) fn seal(session: &SessionId, n: u64, body: &SealedBody) -> Self {
        Self::write(&Written::Seal { session, n, body: &body.0 })
    }

    /// That of a payload which the gate has let pass.
    pub(crate) fn plain(session: &SessionId, n: u64, body: &GatedBody) -> Self {
        Self::write(&Written::Plain { session, n, body })
    }

    /// Session, number and frame of a message that already is, to the letter, what [`Self::seal`] would
    /// write, as the SDK's are; `None` of any other, good or bad.
    pub(crate) fn as_it_came(text: &str) -> Option<(SessionId, u64, Self)> {
        let rest = text.strip_prefix(r#"{"t":"seal","session":""#)?;
        let (session, rest) = rest.split_at_checked(ID_CHARS)?;
        let (n, rest) = rest.strip_prefix(r#"","n":"#)?.split_once(',')?;
        let body = rest.strip_prefix(r#""body":""#)?.strip_suffix(r#""}"#)?;
        let is_number = n.bytes().all(|byte| byte.is_ascii_digit()) && !n.starts_with('0');
        let is_good = is_number && is_base64url(body);
        Some((SessionId::read(session)?, n.parse().ok()?, Self(text.into()))).filter(|_| is_good)
    }

    /// One that was held, by its text.
    pub(crate) fn held(text: Vec<u8>) -> Self {
        Self(String::from_utf8(text).expect("it was text when it was put there").into())
    }

    /// The frame's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The frame's text as bytes, which costs nothing.
    pub fn into_bytes(self) -> Box<[u8]> {
        self.0.into()
    }

    fn write(written: &Written<'_>) -> Self {
        let text = serde_json::to_string(written);
        Self(text.expect("no map with other than string keys, no failing serialiser").into())
    }
}

/// A sealed payload, as it came from a client.
pub(crate) struct SealedBody(Box<str>);

impl<'de> Deserialize<'de> for SealedBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<str>::deserialize(deserializer)?;
        if is_base64url(&text) { Ok(Self(text)) } else { Err(serde::de::Error::custom("not base64url")) }
    }
}

/// A payload on its way to the partner.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "t", rename_all = "lowercase")]
pub(crate) enum Written<'a> {
    Seal {
        session: &'a SessionId,
        n: u64,
        #[cfg_attr(test, schemars(with = "SealedBody"))]
        body: &'a str,
    },
    Plain {
        session: &'a SessionId,
        n: u64,
        body: &'a GatedBody,
    },
}

fn is_base64url(text: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    // Without a way out in the middle: then the compiler looks at many bytes at once.
    !text.is_empty() && text.bytes().fold(true, |all, byte| all & is_one(byte))
}
