//! The matcher's decisions for the signaling protocol `ginnel.1`: who meets whom, and what one side may send
//! the other.
//!
//! It is not a server: it opens no socket, reads no clock and draws no randomness of its own. A transport
//! parses each frame with [`Inbound::parse`], hands the result to the [`Matcher`], and carries out what
//! [`Matcher::poll_output`] says. `docs/protocol.md` is the specification of what is decided here.

mod budget;
mod candidate;
mod check;
mod client;
mod counters;
mod crowds;
mod deadlines;
mod drain;
mod entry;
mod gate;
mod held;
mod held_pool;
mod ids;
mod inbound;
mod inventory;
pub mod limits;
mod lost;
mod matcher;
pub mod memory;
mod message;
mod object;
mod output;
mod payload;
mod places;
mod queue;
mod records;
mod reports;
mod resume;
mod rooms;
#[cfg(test)]
mod schema;
mod sdp;
mod session;
mod tags;
mod waiting;
mod want;
mod work;

pub use budget::{Budget, Verdict};
pub use client::ConnectionId;
pub use counters::Counters;
pub use gate::{BadPayload, GatedBody};
pub use ids::{ResumeToken, SessionId, Side};
pub use inbound::{ClientMessage, Hello, Inbound, PayloadMessage, Resume};
pub use inventory::Kept;
pub use limits::{Config, Limits, TOKEN_BYTES_MAX, WorkLimits};
pub use matcher::{Departure, Matcher};
pub use message::{
    About, Advertised, ErrorCode, Exposure, GoneReason, IceServer, Kind, Policy, Role, ServerMessage, error,
    error_retry,
};
pub use output::{CloseReason, Matched, Output, RelayQuestion, TokenQuestion};
pub use payload::{Payload, PayloadFrame};
pub use tags::Origin;
pub use want::{Media, Want};

use std::time::Duration;

/// The time, as an argument.
///
/// Deadlines live by `mono`, which never goes back; what clients are told (`ends`) is in Unix seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Since the start of the process, monotonic.
    pub mono: Duration,
    /// Seconds since 1970-01-01 UTC.
    pub unix_s: u64,
}
