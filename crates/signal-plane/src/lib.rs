//! The sockets of the matcher: the page over HTTP/1.1, the signaling over WebSocket.
//!
//! It decides nothing about who meets whom; that is `match_core`. It opens no listener and ends no TLS
//! either: it is handed byte streams, so that whoever owns the listener may tell several protocols apart
//! first.

mod actor;
mod admission;
mod challenges;
mod counters;
mod exchange;
mod fragments;
mod http;
pub mod limits;
mod origin;
mod signal;
mod socket;
mod stream;

pub use challenges::Challenges;
pub use counters::{Counters, Refusal};
pub use limits::Limits;
pub use origin::is_allowed_origin;
pub use signal::{Admits, Config, Doorkeeper, Peer, Relay, Signal};
