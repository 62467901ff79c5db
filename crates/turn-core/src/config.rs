//! What a server is told at its start, and the time it is told at every call. Not how either is obtained.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use stun_wire::{AddressFamily, PasswordAlgorithm};

use crate::address::WorkerId;
use crate::budget::AnswerLimits;
use crate::credentials::{SessionKey, StaticUser};
use crate::discovery::Discovery;
use crate::policy::{AddressPolicy, PeerPolicy};
use crate::shared_secret::SharedSecret;
use crate::ticket::TicketKey;

/// The two times a decision needs. `mono` never goes back; all workers count it from the same start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Since the process started: allocations, permissions and channels live by it.
    pub mono: Duration,
    /// Seconds since 1970: credentials live by it.
    pub unix_s: u64,
}

/// How a server of one worker is set up.
#[derive(Clone)]
pub struct Config {
    /// REALM of challenges; at most [`crate::limits::REALM_BYTES_MAX`] bytes.
    pub realm: String,
    /// The key that the matcher mints session credentials with.
    pub session_key: SessionKey,
    /// How clients may make keys from passwords; MD5 where there are none. With SHA-256 a challenge grows by
    /// 20 bytes, and without MD5 no browser can use the relay.
    pub password_algorithms: Vec<PasswordAlgorithm>,
    /// Nonces ask clients to send USERHASH in place of USERNAME. For servers whose users are all static: no
    /// others are found by hash.
    pub username_anonymity: bool,
    /// Where holders of session credentials may send.
    pub session_peers: PeerPolicy,
    /// Secrets shared with other software; who holds one may send to public addresses. Several are for
    /// replacing one by the next. Each costs a try per wrong password.
    pub shared_secrets: Vec<SharedSecret>,
    /// Users with a password of their own.
    pub users: Vec<StaticUser>,
    /// Who may be a peer.
    pub addresses: AddressPolicy,
    /// The addresses this machine is known by outside. Where a family has several, each names the local one
    /// it stands for.
    pub external: Vec<External>,
    /// Where NAT behaviour discovery is answered, at most once a family; nowhere by default.
    pub discovery: Vec<Discovery>,
    /// How many answers unproved senders may get.
    pub answers: AnswerLimits,
    /// The ports of real relay sockets, for `public` allocations.
    pub relay_ports: RangeInclusive<u16>,
    /// Whether channel numbers above 0x4FFF are taken, as RFC 5766 had them, for clients older than RFC 8656.
    pub old_channels: bool,
    /// Whether clients with real relay sockets are told of ICMP errors.
    pub icmp: bool,
    /// Whether every credential whose peers are `public` may relay TCP, RFC 6062; otherwise only users that
    /// [`StaticUser::with_tcp`] says so of.
    pub tcp: bool,
    /// The key to mobility tickets, the same for all workers; `None`: allocations do not move.
    pub mobility: Option<TicketKey>,
    /// The longest lifetime that a client may ask for; not below
    /// [`crate::limits::ALLOCATION_LIFETIME_MIN`].
    pub lifetime_max: Duration,
    /// Which worker this is.
    pub worker: WorkerId,
    /// How many workers there are; at least 1.
    pub workers: u16,
}

/// An address that stands for this machine outside, behind a 1:1 NAT.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct External {
    /// What peers are told.
    pub public: IpAddr,
    /// What relay sockets are bound to; `None`: the address the client reached.
    pub local: Option<IpAddr>,
}

impl External {
    pub(crate) fn family(&self) -> AddressFamily {
        AddressFamily::of(self.public)
    }
}
