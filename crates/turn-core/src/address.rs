//! The addresses of TURN, each a type of its own, so that none is taken for another and none reaches a log.
//! Not the rules about which may talk to which. RFC 8656 §2.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use redact::Kind as _;

/// Which of the appliance's listening addresses, by its place in the configuration; the same on every worker.
/// Those of streams ([`ListenerId::stream`]) are counted apart from those of datagrams, and on one of
/// datagrams DTLS ([`ListenerId::dtls`]) is a protocol of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub u8);

impl ListenerId {
    /// The listening address for streams (TCP, TLS) at this place, below 64.
    pub const fn stream(place: u8) -> Self {
        Self(place | STREAM)
    }

    /// DTLS on the listening address for datagrams at this place, below 64.
    pub const fn dtls(place: u8) -> Self {
        Self(place | DTLS)
    }

    /// Whether clients come to it by streams.
    pub const fn is_stream(self) -> bool {
        self.0 & STREAM != 0
    }

    /// Whether clients come to it by DTLS.
    pub const fn is_dtls(self) -> bool {
        self.0 & DTLS != 0
    }

    /// Whether clients come to it by connections, which have proved their address, and whose end is noticed.
    pub const fn is_connected(self) -> bool {
        self.is_stream() || self.is_dtls()
    }

    /// Its place among those of its kind.
    pub const fn place(self) -> u8 {
        self.0 & !(STREAM | DTLS)
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

    /// All port numbers for which [`RelayedAddr::worker`] says `worker`, in order. Others are not looked at.
    pub(crate) fn ports_of(worker: WorkerId, workers: u16) -> impl Iterator<Item = u16> + Clone {
        let pairs = (worker.0..=u16::MAX / 2).step_by(workers.max(1).into());
        pairs.flat_map(|pair| [2 * pair, 2 * pair + 1])
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

/// The one that says DTLS.
const DTLS: u8 = 0x40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_among_those_of_its_worker_once() {
        for workers in [1, 2, 3, 512, u16::MAX] {
            let mut seen = vec![0; 1 << 16];
            for worker in (0..workers).map(WorkerId) {
                for port in RelayedAddr::ports_of(worker, workers) {
                    assert_eq!(RelayedAddr(([0, 0, 0, 0], port).into()).worker(workers), worker);
                    seen[usize::from(port)] += 1;
                }
            }
            assert!(seen.iter().all(|count| *count == 1), "of {workers} workers");
        }
    }
}
