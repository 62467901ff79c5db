//! Sockets for the relay: UDP workers that move packets as `turn-core` decides, and the TCP listeners with
//! their TLS handshakes.
//!
//! It decides nothing that an RFC or the protocol document talks about.

mod clock;
mod limits;
mod mailbox;
mod outbox;
mod quic;
mod relay;
mod socket;
mod stats;
mod sys;
pub mod web;
mod worker;

pub use quic::QuicSocket;
pub use relay::{Config, Handle, Relay, StartError};
pub use stats::{IoCounters, RelayCounters};
