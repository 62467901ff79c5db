//! Sockets for the relay: listeners, handshakes, and whatever moves bytes between them and the cores.
//!
//! It decides nothing that an RFC or the protocol document talks about.

mod limits;
pub mod web;
