//! Sockets for the relay: UDP workers that move packets as `turn-core` decides and speak DTLS, the TCP
//! listeners with their TLS handshakes, and the streams of TURN clients.
//!
//! It decides nothing that an RFC or the protocol document talks about.

mod births;
mod clock;
pub mod dtls;
mod inherited;
mod inlet;
mod limits;
mod mailbox;
pub mod memory;
mod outbox;
mod output;
mod own_ips;
mod places;
mod proxy;
mod pulse;
mod quic;
mod relay;
mod socket;
mod stats;
mod streams;
mod sys;
mod tcp;
pub mod web;
mod worker;

pub use births::Present;
pub use clock::Clock;
pub use dtls::DtlsCounters;
pub use inherited::Inherited;
pub use limits::HANDSHAKE_TIME_MAX;
pub use quic::QuicSocket;
pub use relay::{Config, Handle, Relay, RelayKept, StartError};
pub use stats::{IoCounters, RelayCounters, Traffic};
pub use streams::{StreamCounters, Streams, Transport};
