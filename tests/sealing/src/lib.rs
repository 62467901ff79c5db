//! A client's sealing in `ginnel.1`, written from the specification a second time: what the published vectors
//! and the SDK are checked against. It deliberately knows no frames, no transport and no source of
//! randomness, and nothing in the server uses it: the server cannot open what it relays.
//!
//! `docs/protocol.md`, "Sealing", is the specification; RFC 5869 (HKDF), NIST SP 800-38D (AES-GCM).

mod direction;
mod handshake;
mod limits;
mod padding;
mod sealing;
mod signs;

pub use handshake::Share;
pub use sealing::{SealError, Sealing, Step};
pub use signs::{SIGNS, Sign};

/// Which side of a session this is; the server says so in `matched`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Commits first, and makes the first offer.
    Caller,
    /// Waits for the caller.
    Callee,
}

impl Role {
    /// As it is written in frames and in what is hashed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
        }
    }
}

/// A session's identifier, decoded.
pub type SessionId = [u8; limits::SESSION_BYTES];

/// What an invite link holds besides the room's code, decoded.
pub type LinkSecret = [u8; limits::LINK_SECRET_BYTES];
