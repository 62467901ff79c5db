//! Who may send to whom: the one place that decides about a peer address. Not permissions, which clients
//! install; every path (CreatePermission, ChannelBind, Send) asks here. Design: relay.md §1.

use std::net::{IpAddr, SocketAddr};

use crate::address::PeerAddr;
use crate::credentials::{Identity, SessionId, Side};
use crate::ranges::{AddressRange, is_refused_by_default};

/// Whom the holders of a credential may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerPolicy {
    /// Only the live relayed addresses of the partner in the same session.
    Partner,
    /// Any relayed address of this appliance; for tests and load.
    Appliance,
    /// Any public address, by real relay sockets; for other software.
    Public,
}

impl PeerPolicy {
    /// Whether relayed addresses are numbers in this process, without a socket.
    pub(crate) const fn is_closed(self) -> bool {
        matches!(self, Self::Partner | Self::Appliance)
    }
}

/// Whose packets an allocation takes part in: what two allocations must agree about before a route joins
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One side of a session, whose partner is the other side.
    Session(SessionId, Side),
    /// Anyone here but the sides of sessions.
    Anyone,
}

impl Scope {
    pub(crate) fn new(identity: Identity, peers: PeerPolicy) -> Self {
        match (identity, peers) {
            (Identity::Session { session, side, .. }, PeerPolicy::Partner) => Self::Session(session, side),
            _ => Self::Anyone,
        }
    }

    /// Whether allocations of these two scopes may be joined. Symmetric; never true of a side with itself.
    pub(crate) fn may_meet(self, other: Self) -> bool {
        match (self, other) {
            (Self::Session(session, side), Self::Session(theirs, their_side)) => {
                session == theirs && side != their_side
            }
            (Self::Anyone, Self::Anyone) => true,
            _ => false,
        }
    }
}

/// What a peer address is to an allocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerVerdict {
    /// Never.
    Refused,
    /// A relayed address of this appliance, if it is one: only a route reaches it.
    Relayed,
    /// Opened by the operator and perhaps a relayed address here: by a route, else through the relay socket.
    RelayedOrOutside,
    /// Through the relay socket.
    Outside,
}

/// The operator's rules and what this machine is.
#[derive(Clone, Default)]
pub struct AddressPolicy {
    /// Opened to `public` credentials; this alone may open loopback, interface addresses and low ports.
    pub allow: Vec<AddressRange>,
    /// Closed to `public` credentials, whatever `allow` says.
    pub deny: Vec<AddressRange>,
    /// Every socket this process listens on; an unspecified IP stands for all of ours. Never a peer.
    pub listening: Vec<SocketAddr>,
    /// The addresses of this machine and those it is known by outside.
    pub own_ips: Vec<IpAddr>,
}

impl AddressPolicy {
    /// Whether a permission for `ip` may be installed. Permissions have no port, so this is the widest that
    /// [`AddressPolicy::peer`] could allow for the address.
    pub(crate) fn allows_permission(&self, peers: PeerPolicy, ip: IpAddr) -> bool {
        let own = self.own_ips.contains(&ip);
        if peers.is_closed() {
            return own;
        }
        !is_mapped(ip) && !self.is_denied(ip) && (self.is_allowed(ip) || own || !is_refused_by_default(ip))
    }

    /// What may happen to a datagram for `peer`. `relay_ports` tells whether its port can be one of ours.
    pub(crate) fn peer(&self, peers: PeerPolicy, peer: PeerAddr, is_relay_port: bool) -> PeerVerdict {
        let (ip, port) = (peer.0.ip(), peer.0.port());
        let own = self.own_ips.contains(&ip);
        if port == 0 || is_mapped(ip) || self.is_listening(ip, port, own) {
            return PeerVerdict::Refused;
        }
        if peers.is_closed() {
            return if own { PeerVerdict::Relayed } else { PeerVerdict::Refused };
        }
        if self.is_denied(ip) {
            return PeerVerdict::Refused;
        }
        let relayed = own && is_relay_port;
        if self.is_allowed(ip) {
            return if relayed { PeerVerdict::RelayedOrOutside } else { PeerVerdict::Outside };
        }
        if relayed {
            return PeerVerdict::Relayed;
        }
        if own || is_refused_by_default(ip) || is_refused_port(port) {
            return PeerVerdict::Refused;
        }
        PeerVerdict::Outside
    }

    /// Whether a datagram from here would be answered in somebody else's name or never: forged, or ourselves.
    pub(crate) fn is_hopeless_source(&self, source: SocketAddr) -> bool {
        let (ip, port) = (source.ip(), source.port());
        let not_unicast = match ip {
            IpAddr::V4(ip) => ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast(),
            IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast(),
        };
        port == 0
            || not_unicast
            || AMPLIFIER_PORTS.contains(&port)
            || self.is_listening(ip, port, self.own_ips.contains(&ip))
    }

    fn is_listening(&self, ip: IpAddr, port: u16, own: bool) -> bool {
        self.listening.iter().any(|socket| {
            socket.port() == port && (socket.ip() == ip || (socket.ip().is_unspecified() && own))
        })
    }

    fn is_denied(&self, ip: IpAddr) -> bool {
        self.deny.iter().any(|range| range.contains(ip))
    }

    fn is_allowed(&self, ip: IpAddr) -> bool {
        self.allow.iter().any(|range| range.contains(ip))
    }
}

/// An IPv4 address in IPv6 clothes is never a peer, whatever it stands for: rules for IPv4 would not see it.
const fn is_mapped(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some())
}

fn is_refused_port(port: u16) -> bool {
    port < 1024 || AMPLIFIER_PORTS.contains(&port)
}

/// UDP services that answer a forged packet with a larger one, or with one at all: a server that sends to
/// them, or answers them, can be made to take part in a flood or a loop.
const AMPLIFIER_PORTS: [u16; 15] = [7, 13, 17, 19, 53, 69, 111, 123, 137, 161, 389, 1900, 3478, 5060, 11211];

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> AddressPolicy {
        let range = |first: &str, last: &str| {
            AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap()
        };
        AddressPolicy {
            allow: vec![range("10.1.0.0", "10.1.255.255"), range("127.0.0.0", "127.255.255.255")],
            deny: vec![range("10.1.2.0", "10.1.2.255"), range("8.8.8.0", "8.8.8.255")],
            listening: vec!["0.0.0.0:3478".parse().unwrap(), "127.0.0.1:9641".parse().unwrap()],
            own_ips: ["1.2.3.4", "127.0.0.1", "192.168.7.7"].map(|ip| ip.parse().unwrap()).to_vec(),
        }
    }

    fn verdict(peers: PeerPolicy, peer: &str) -> PeerVerdict {
        let peer: SocketAddr = peer.parse().unwrap();
        policy().peer(peers, PeerAddr(peer), peer.port() >= 49152)
    }

    #[test]
    fn public_rules_apply_in_their_order() {
        use PeerVerdict::{Outside, Refused, Relayed, RelayedOrOutside};
        for (peer, expected) in [
            ("1.2.3.4:3478", Refused),             // our own listening socket, by another address
            ("127.0.0.1:9641", Refused),           // our own, although 127/8 is allowed
            ("10.1.2.3:5000", Refused),            // denied, although allowed
            ("8.8.8.8:5000", Refused),             // denied
            ("10.1.3.3:80", Outside),              // allowed: low ports too
            ("127.0.0.1:5000", Outside),           // allowed
            ("127.0.0.1:50000", RelayedOrOutside), // allowed, and perhaps a relayed address
            ("1.2.3.4:50000", Relayed),            // perhaps a relayed address of another allocation
            ("1.2.3.4:5000", Refused),             // an address of this machine
            ("10.2.0.1:5000", Refused),            // the built-in list
            ("9.9.9.9:53", Refused),               // row 13
            ("9.9.9.9:11211", Refused),            // row 13
            ("9.9.9.9:0", Refused),
            ("9.9.9.9:80", Refused), // row 13
            ("9.9.9.9:1023", Refused),
            ("9.9.9.9:1024", Outside),
            ("1.2.3.4:9641", Refused), // an address of this machine, though that listener has another
            ("9.9.9.9:5000", Outside),
        ] {
            assert_eq!(verdict(PeerPolicy::Public, peer), expected, "{peer}");
        }
    }

    #[test]
    fn a_closed_relay_knows_only_its_own_addresses() {
        for peers in [PeerPolicy::Partner, PeerPolicy::Appliance] {
            assert_eq!(verdict(peers, "1.2.3.4:5000"), PeerVerdict::Relayed);
            for peer in ["9.9.9.9:5000", "10.1.3.3:5000", "1.2.3.4:3478", "1.2.3.4:0"] {
                assert_eq!(verdict(peers, peer), PeerVerdict::Refused, "{peer}");
            }
            // Not listening there: that listener has another address of ours.
            assert_eq!(verdict(peers, "1.2.3.4:9641"), PeerVerdict::Relayed);
            assert!(policy().allows_permission(peers, "1.2.3.4".parse().unwrap()));
            assert!(!policy().allows_permission(peers, "9.9.9.9".parse().unwrap()));
        }
    }

    #[test]
    fn a_permission_is_granted_where_some_port_could_be() {
        for (ip, expected) in [
            ("9.9.9.9", true),
            ("1.2.3.4", true),
            ("192.168.7.7", true), // ours, and so a relayed address of somebody here
            ("192.168.7.8", false),
            ("10.1.3.3", true),  // allowed
            ("10.1.2.3", false), // denied, although allowed
            ("8.8.8.8", false),  // denied
            ("::ffff:9.9.9.9", false),
        ] {
            assert_eq!(policy().allows_permission(PeerPolicy::Public, ip.parse().unwrap()), expected, "{ip}");
        }
    }

    #[test]
    fn rows_3_and_4_no_rule_opens_an_ipv4_address_in_ipv6_clothes() {
        let all = AddressRange::new("::".parse().unwrap(), "ffff:ffff::".parse().unwrap()).unwrap();
        let open = AddressPolicy { allow: vec![all], ..AddressPolicy::default() };
        for ip in ["::ffff:9.9.9.9", "::ffff:127.0.0.1", "::ffff:0.0.0.0"] {
            let peer = PeerAddr(SocketAddr::new(ip.parse().unwrap(), 5000));
            assert_eq!(open.peer(PeerPolicy::Public, peer, false), PeerVerdict::Refused, "{ip}");
            assert!(!open.allows_permission(PeerPolicy::Public, ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn rows_9_to_11_only_the_two_sides_of_one_session_meet() {
        let side = |session, side| Scope::Session(SessionId([session; 16]), side);
        assert!(side(1, Side::A).may_meet(side(1, Side::B)));
        assert!(!side(1, Side::A).may_meet(side(1, Side::A)));
        assert!(!side(1, Side::A).may_meet(side(2, Side::B)));
        assert!(!side(1, Side::A).may_meet(Scope::Anyone));
        assert!(!Scope::Anyone.may_meet(side(1, Side::A)));
        assert!(Scope::Anyone.may_meet(Scope::Anyone));
    }

    #[test]
    fn rows_70_and_74_sources_that_cannot_be_answered() {
        for source in [
            "9.9.9.9:0",
            "0.0.0.0:5000",
            "224.0.0.1:5000",
            "255.255.255.255:5000",
            "[::]:5000",
            "[ff02::1]:5000",
        ] {
            assert!(policy().is_hopeless_source(source.parse().unwrap()), "{source}");
        }
        for source in ["9.9.9.9:53", "9.9.9.9:3478", "1.2.3.4:3478", "127.0.0.1:9641"] {
            assert!(policy().is_hopeless_source(source.parse().unwrap()), "{source}");
        }
        assert!(!policy().is_hopeless_source("9.9.9.9:5000".parse().unwrap()));
    }
}
