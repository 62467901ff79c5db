//! A world in virtual time: clients behind NATs, lossy links, and the relay's workers as they run in
//! production, only without sockets, threads and waiting. One seed decides everything that is left to chance.
//!
//! It is where to begin reading: [`World`] is driven, [`Client`] asks, [`Relay`] decides. The behaviour
//! itself is in `tests/`, one sentence a file. It is not a load test, and it never touches a network.
//!
//! ```
//! use sim::{Request, Side, World};
//!
//! let mut world = World::new(7);
//! let alice = world.person(1, Side::A);
//! let relayed = world.allocate(alice);
//! assert_eq!(relayed.ip(), sim::RELAY_V4);
//! assert_eq!(world.refusal(alice, Request::allocate()), Some(437)); // one is enough
//! ```
#![forbid(unsafe_code)]

mod client;
mod link;
mod lobby;
mod model;
mod nat;
mod random;
mod relay;
mod request;
mod setup;
mod tcp;
mod transaction;
mod world;

pub use client::{Client, Failure, Granted, Heard, Ticket};
pub use link::Link;
pub use lobby::Lobby;
pub use model::{Hears, Identity, Model, Prospect, Wish};
pub use nat::{Dependence, Nat, NatKind};
pub use random::Random;
pub use relay::{Outcome, Packet, Relay};
pub use request::{Request, Signature};
pub use setup::Setup;
pub use turn_core::{
    Credential, DropReason, Owner, PasswordAlgorithm, PeerPolicy, SessionId, SharedSecret, Side,
};
pub use world::{ClientId, RELAY_PORT, RELAY_PORTS, RELAY_STREAM_PORT, RELAY_V4, RELAY_V6, SiteId, World};
