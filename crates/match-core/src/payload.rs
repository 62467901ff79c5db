//! What one side sends the other: sealed, which the server cannot read, or plain, which the gate has read.
//!
//! It neither seals nor opens; only the two who are in a session can.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use crate::gate::{BadPayload, GatedBody};

/// One payload, as it came from a client.
pub enum Payload {
    /// Sealed between the two.
    Seal(SealedBody),
    /// In the clear, if the gate let it pass.
    Plain(Result<GatedBody, BadPayload>),
}

/// A sealed payload: base64url without padding that means nothing to the server. Its bound is the message's.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct SealedBody(Arc<str>);

impl<'de> Deserialize<'de> for SealedBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if text.is_empty() || !text.bytes().all(is_base64url) {
            return Err(serde::de::Error::custom("not base64url"));
        }
        Ok(Self(text.as_ref().into()))
    }
}
