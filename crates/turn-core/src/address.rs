//! The addresses of TURN, each a type of its own, so that none is taken for another and none reaches a log.
//! Not the rules about which may talk to which. RFC 8656 §2.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use redact::Kind as _;

/// Which of the appliance's listening addresses, by its place in the configuration; the same on every worker.
/// Those of streams ([`ListenerId::stream`]) are counted apart from those of datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u8);

impl ListenerId {
    /// The listening address for streams (TCP, TLS) at this place, below 128.
    pub const fn stream(place: u8) -> Self {
        Self(place | STREAM)
    }

    /// Whether clients come to it by streams: they have proved their address, and their end is noticed.
    pub const fn is_stream(self) -> bool {
        self.0 & STREAM != 0
    }
}

/// Client and server transport address and protocol, RFC 8656 §2. The listener stands for the server's port
/// and the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FiveTuple {
    /// Where the client's packets come from, as the server sees it.
    pub client: ClientAddr,
    /// The address the client reached; answers leave from it.
    pub local: LocalIp,
    /// The listening address it came in by.
    pub listener: ListenerId,
}

macro_rules! address_type {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}[{}]", stringify!($name), self.0.kind())
            }
        }
    };
}

address_type! {
    /// A client's transport address as the server sees it: its server-reflexive address, if it is behind a
    /// NAT.
    ClientAddr(SocketAddr)
}

address_type! {
    /// An IP address of this machine.
    LocalIp(IpAddr)
}

address_type! {
    /// The transport address of a peer: whom a client wants to talk to.
    PeerAddr(SocketAddr)
}

address_type! {
    /// A relayed transport address: where peers find a client, RFC 8656 §2.
    RelayedAddr(SocketAddr)
}

impl RelayedAddr {
    /// This relayed address as the other side of a pair sees it.
    pub const fn as_peer(self) -> PeerAddr {
        PeerAddr(self.0)
    }

    /// The worker that owns it, of so many. An even port and the next odd one have the same, because
    /// EVEN-PORT makes pairs of them.
    pub fn worker(self, workers: u16) -> WorkerId {
        WorkerId(self.0.port() / 2 % workers.max(1))
    }
}

impl PeerAddr {
    /// This peer address, taken as a relayed address of this appliance.
    pub const fn as_relayed(self) -> RelayedAddr {
        RelayedAddr(self.0)
    }
}

/// One worker: a thread with its own sockets and its own [`crate::Server`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u16);

/// The networks that limits are counted by, so that one holder of many addresses counts once:
/// a /24 of IPv4, a /48 of IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Prefix(u64);

impl Prefix {
    pub(crate) fn of(client: ClientAddr) -> Self {
        match client.0.ip() {
            IpAddr::V4(ip) => Self(u64::from(ip.to_bits() >> 8)),
            // The highest bit keeps the families apart: an IPv4 prefix has 24 bits.
            IpAddr::V6(ip) => Self((ip.to_bits() >> 80) as u64 | 1 << 63),
        }
    }
}

/// The bit of a [`ListenerId`] that says stream.
const STREAM: u8 = 0x80;
