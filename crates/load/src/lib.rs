//! A client of `ginnel.1`, and the loads made of many of them: idle connections, matches, relayed messages.
//!
//! It is the load generator's and the tests' client: it seals nothing, sets up no WebRTC, and checks no
//! certificate, since nothing that it sends is worth hiding. `docs/protocol.md` is what it is written from.

mod client;
mod idle;
mod latency;
mod lateness;
pub mod limits;
mod machine;
mod matches;
mod message;
mod messages;
mod plan;
mod process;
mod proof;
mod target;
mod wire;

pub use client::Client;
pub use idle::{Crowd, Idle, open_many};
pub use latency::Latency;
pub use matches::{Matched, Times};
pub use message::{Heard, Limits, Media, Role, Said, Want};
pub use messages::{Exchange, Exchanged, Talker, exchange};
pub use plan::{Measurement, Part, Plan, Report};
pub use process::{Process, Server, Usage};
pub use target::Target;
pub use wire::Wire;

/// Why a load cannot go on. No text holds an address.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// What was asked for cannot be.
    #[error("{0}")]
    Asked(String),
    /// No connection.
    #[error("cannot connect: {0}; is the server running there?")]
    Connect(std::io::Error),
    /// Something other than the signaling answered.
    #[error("the server refused the connection: {0}")]
    Handshake(String),
    /// The server ended a connection.
    #[error("the server closed the connection{0}")]
    Closed(String),
    /// The server said something that its protocol does not have.
    #[error("the server said what `ginnel.1` does not have: {0}")]
    Protocol(&'static str),
    /// An error of the protocol.
    #[error("the server said `{code}`: {text}")]
    Refused {
        /// The stable code.
        code: String,
        /// For people.
        text: String,
    },
    /// The server's numbers.
    #[error("cannot read the server's numbers: {0}")]
    Numbers(String),
    /// Nothing happened for too long.
    #[error("{0} took longer than {1} s")]
    Late(&'static str, u64),
}
