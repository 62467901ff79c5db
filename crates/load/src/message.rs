//! The messages of `ginnel.1` as a client says and hears them. None of them prints: they hold sessions and
//! tokens.

use serde::{Deserialize, Serialize};

/// What a client says.
#[derive(Serialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub enum Said<'a> {
    /// The first message, and once more with a proof of work.
    Hello {
        /// The protocol's version.
        v: u8,
        /// The answer to a challenge.
        #[serde(skip_serializing_if = "Option::is_none")]
        proof: Option<Proof<'a>>,
    },
    /// Wait for a stranger.
    Find {
        /// Of which kind.
        want: Want<'a>,
    },
    /// A sealed payload.
    Seal {
        /// The session's name.
        session: &'a str,
        /// Counts from 1.
        n: u64,
        /// Base64url without padding.
        body: &'a str,
    },
    /// Leave, and find as before.
    Next {},
    /// End the session.
    Leave {},
}

/// The answer to a challenge.
#[derive(Serialize)]
pub struct Proof<'a> {
    pub(crate) seed: &'a str,
    pub(crate) nonce: &'a str,
}

/// Whom a client would meet.
#[derive(Clone, Copy, Serialize)]
pub struct Want<'a> {
    /// The kind of call.
    pub media: Media,
    /// Interests; empty: any.
    pub tags: &'a [&'a str],
    /// Languages; empty: any.
    pub langs: &'a [&'a str],
}

/// The kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Media {
    /// A data channel.
    Text,
    /// And a microphone.
    Audio,
    /// And a camera.
    Video,
}

/// What a client hears.
#[derive(Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
pub enum Heard {
    /// Come in.
    Welcome {
        /// What a client should keep to.
        limits: Limits,
    },
    /// Work is asked for.
    Challenge {
        /// How many zero bits.
        bits: u8,
        /// What is hashed with a nonce.
        seed: String,
    },
    /// Nobody fits yet.
    Waiting {
        /// How many wait, about.
        bin: u64,
    },
    /// A partner is there.
    Matched {
        /// The session's name.
        session: String,
        /// Who makes the first offer: who has just come.
        role: Role,
    },
    /// A sealed payload from the partner.
    Seal {
        /// The session's name.
        session: String,
        /// Counts from 1.
        n: u64,
        /// What was sent.
        body: String,
    },
    /// The session is over.
    Gone {
        /// The session's name.
        session: String,
    },
    /// The server goes away.
    Drain {
        /// When to connect again, in milliseconds.
        after_ms: u64,
    },
    /// Something was not done.
    Error {
        /// Stable, for programs.
        code: String,
        /// For people.
        text: String,
    },
    /// Anything else: a client ignores what it does not know.
    #[serde(other)]
    Other,
}

/// What a client should keep to.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Limits {
    /// Messages per second on average.
    pub messages_per_s: u32,
    /// Messages at once after a silence.
    pub burst_messages: u32,
}

/// Who makes the first offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Came last, and found the other waiting.
    Caller,
    /// Waited.
    Callee,
}
