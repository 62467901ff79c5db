//! STUN and TURN as bytes: messages, attributes, ChannelData, message integrity, fingerprint and the framing
//! of streams.
//!
//! It reads and writes, and knows nothing of roles, state, sockets or time: what a message means is decided
//! in `turn-core`. Reading borrows from the caller's buffer and never allocates; writing appends to a
//! caller's `Vec`.
//!
//! Two levels, so that accessors cannot panic: [`Message::parse`] checks the whole shape of a datagram once,
//! and everything read from a [`Message`] afterwards lies within what was checked.
//!
//! RFC 8489 (STUN), RFC 8656 (TURN), RFC 6062 (TCP allocations), RFC 7983 (telling protocols apart by the
//! first byte).
#![forbid(unsafe_code)]

mod address;
mod attribute;
mod channel_data;
mod error_code;
mod header;
mod integrity;
pub mod limits;
mod message;
mod password_algorithm;
mod stream;
mod writer;

pub use address::{AddressError, AddressFamily, decode_address, decode_xor_address};
pub use attribute::{Attribute, AttributeType, Attributes};
pub use channel_data::{ChannelData, ChannelNumber, write_channel_data_header};
pub use error_code::ErrorCode;
pub use header::{Class, MAGIC_COOKIE, Method, TransactionId};
pub use integrity::{Integrity, IntegrityKey, userhash};
pub use message::{Message, ParseError};
pub use password_algorithm::{PasswordAlgorithm, PasswordAlgorithms};
pub use stream::{Frame, StreamError, pad_stream_frame};
pub use writer::MessageWriter;

/// What a datagram on a STUN/TURN socket is by its first byte, RFC 7983 §7, RFC 5766 §11.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstByte {
    /// 0-3: a STUN message.
    Stun,
    /// 64-79: TURN ChannelData; 80-127 too, as RFC 5766 had it. On a port that TURN shares with other
    /// protocols, whoever tells them apart hands in only what is for TURN.
    ChannelData,
    /// Anything else, which this layer does not read.
    Other,
}

impl FirstByte {
    /// Classifies a datagram; an empty one is [`FirstByte::Other`].
    pub const fn of(datagram: &[u8]) -> Self {
        match datagram {
            [0..=3, ..] => Self::Stun,
            [64..=127, ..] => Self::ChannelData,
            _ => Self::Other,
        }
    }
}
