//! Sockets for the relay: UDP workers that move packets as `turn-core` decides, the TCP listeners with their
//! TLS handshakes, and the streams of TURN clients.
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
mod streams;
mod sys;
pub mod web;
mod worker;

pub use quic::QuicSocket;
pub use relay::{Config, Handle, Relay, StartError};
pub use stats::{IoCounters, RelayCounters, Traffic};
pub use streams::{StreamCounters, Streams, Transport};
