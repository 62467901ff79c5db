//! The sockets of the matcher: the page over HTTP/1.1, the signaling over WebSocket, WebTransport and QUIC.
//!
//! It decides nothing about who meets whom; that is `match_core`. It opens no listener and ends no TLS
//! either: it is handed byte streams, so that whoever owns the listener may tell several protocols apart
//! first.

mod actor;
mod admission;
mod ahead;
mod challenges;
mod counters;
mod exchange;
mod forwarded;
mod fragments;
mod http;
mod http3;
mod kept;
mod lengths;
pub mod limits;
pub mod memory;
mod origin;
mod outbox;
mod pool;
mod quic;
mod signal;
mod socket;
mod stream;
mod transports;
mod web_transport;

pub use challenges::Challenges;
pub use counters::{Counters, QuicCounters, Refusal};
pub use forwarded::{AddressHeader, Proxies};
pub use limits::Limits;
pub use origin::is_allowed_origin;
pub use quic::{PROTOCOLS as QUIC_PROTOCOLS, StartError as QuicError};
pub use signal::{Admits, Config, Doorkeeper, Peer, Relay, Signal};
