//! The relay's decisions: STUN answers, allocations, permissions, channels, routes and quotas.
//!
//! It owns no socket, thread or clock. Whoever does hands in datagrams with the time and carries out what
//! comes back; [`Server`] says in which order. Two servers with the same seed and the same calls do the same.
//!
//! RFC 8489 (STUN), RFC 8656 (TURN), RFC 6062 (TCP allocations), RFC 5780 (NAT behaviour discovery); what
//! differs on purpose is in the design's relay rules: a closed relay decides per datagram, by address and
//! port, and its relayed addresses have no sockets.
#![forbid(unsafe_code)]

mod address;
mod algorithms;
mod allocation;
mod bandwidth;
mod budget;
mod clients;
mod config;
mod connections;
mod counters;
mod credentials;
mod deadlines;
mod directory;
mod discovery;
mod ended;
mod icmp;
mod keyed;
mod leavers;
pub mod limits;
pub mod memory;
mod moving;
mod nat64;
mod nonce;
mod pace;
mod packed;
mod peerings;
mod policy;
mod ports;
mod random;
mod ranges;
mod reservations;
mod route;
mod second;
mod server;
mod shared_secret;
mod slots;
mod spent;
mod ticket;
mod turnover;
mod verdict;

pub use address::{ClientAddr, FiveTuple, ListenerId, LocalIp, PeerAddr, RelayedAddr, WorkerId};
pub use bandwidth::{BandwidthLimits, Direction, Toll};
pub use budget::AnswerLimits;
pub use config::{Config, External, Now};
pub use connections::ConnectionId;
pub use counters::{Counters, DropReason, Kept};
pub use credentials::{Credential, SessionId, SessionKey, Side, StaticUser};
pub use directory::{AllocationLimits, Directory};
pub use discovery::{Discovery, Endpoint};
pub use icmp::IcmpError;
pub use moving::{Handover, Summons};
pub use nat64::Nat64;
pub use policy::{AddressPolicy, PeerPolicy, Rules, Scope};
pub use ranges::AddressRange;
pub use route::{Binding, Notice, Offer, Route};
pub use server::{Owner, Server};
pub use shared_secret::SharedSecret;
pub use spent::REMEMBERED as SPENT_REQUEST_LIFETIME;
pub use stun_wire::PasswordAlgorithm;
pub use ticket::TicketKey;
pub use verdict::{Event, Framing, Hop, Verdict};
