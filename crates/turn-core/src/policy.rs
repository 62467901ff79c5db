//! Who may send to whom: the one place that decides about a peer address. Not permissions, which clients
//! install; every path (CreatePermission, ChannelBind, Send, Connect, a peer that connects) asks here.
//! Design: relay.md §1.

use std::net::{IpAddr, SocketAddr};

use crate::address::{FiveTuple, PeerAddr};
use crate::credentials::{Identity, SessionId, Side};
use crate::nat64::{Nat64, is_of_unknown_translator, translated};
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

impl PeerVerdict {
    /// Whether the peer is, or may be, a relayed address here.
    pub(crate) const fn goes_by_route(self) -> bool {
        matches!(self, Self::Relayed | Self::RelayedOrOutside)
    }
}

/// The operator's rules, which may change while the server runs.
#[derive(Clone, Default)]
pub struct Rules {
    /// Opened to `public` credentials; this alone may open loopback, interface addresses and low ports.
    pub allow: Vec<AddressRange>,
    /// Closed to `public` credentials, whatever `allow` says.
    pub deny: Vec<AddressRange>,
    /// Services that this system itself asks: never a peer's, whatever `allow` says. Their hosts are closed
    /// to `public` credentials where `allow` does not open them.
    pub back_ends: Vec<SocketAddr>,
    /// Prefixes by which this network reaches IPv4, besides the well-known one. An address behind one is
    /// closed wherever the IPv4 address is that it stands for.
    pub nat64: Vec<Nat64>,
}

impl Rules {
    fn denies(&self, ip: IpAddr) -> bool {
        self.deny.iter().any(|range| range.contains(ip))
    }

    fn allows(&self, ip: IpAddr) -> bool {
        self.allow.iter().any(|range| range.contains(ip))
    }

    /// Whether an address is closed unless it is allowed.
    fn refuses_by_default(&self, ip: IpAddr) -> bool {
        is_refused_by_default(ip) || self.back_ends.iter().any(|socket| socket.ip() == ip)
    }

    /// Whether an address is closed whoever has it.
    fn is_closed(&self, ip: IpAddr) -> bool {
        self.denies(ip) || (self.refuses_by_default(ip) && !self.allows(ip))
    }

    /// Whether an address is in clothes in which no rule sees what it is: IPv4 in IPv6, which is never a
    /// peer, whatever it stands for, and what is behind a translator that nobody named.
    fn is_disguised(&self, ip: IpAddr) -> bool {
        let is_mapped = matches!(ip, IpAddr::V6(ip) if ip.to_ipv4_mapped().is_some());
        is_mapped || is_of_unknown_translator(ip, &self.nat64)
    }
}

/// The operator's rules and what this machine is.
#[derive(Clone, Default)]
pub struct AddressPolicy {
    /// What the operator opened and closed.
    pub rules: Rules,
    /// Every socket this process listens on; an unspecified IP stands for all of ours. Never a peer.
    pub listening: Vec<SocketAddr>,
    /// Those of them that answer datagrams. Never a client's: what comes from there is forged, or a loop.
    pub answering: Vec<SocketAddr>,
    /// The addresses of this machine and those it is known by outside.
    pub own_ips: Vec<IpAddr>,
}

impl AddressPolicy {
    /// Whether a permission for `ip` may be installed. Permissions have no port, so this is the widest that
    /// [`AddressPolicy::peer`] could allow for the address. `is_relayed`: whether a relayed address has that
    /// IP. Of our other addresses nobody learns by asking that they are ours.
    pub(crate) fn allows_permission(&self, peers: PeerPolicy, ip: IpAddr, is_relayed: bool) -> bool {
        let own = is_relayed && self.own_ips.contains(&ip);
        if peers.is_closed() {
            return own;
        }
        let is_open = if own { !self.rules.denies(ip) } else { !self.rules.is_closed(ip) };
        is_open && !self.rules.is_disguised(ip) && !self.translated(ip).any(|ip| self.rules.is_closed(ip))
    }

    /// What may happen to a datagram for `peer`. `relay_ports` tells whether its port can be one of ours.
    pub(crate) fn peer(&self, peers: PeerPolicy, peer: PeerAddr, is_relay_port: bool) -> PeerVerdict {
        let (ip, port) = (peer.0.ip(), peer.0.port());
        let own = self.own_ips.contains(&ip);
        if port == 0 || self.rules.is_disguised(ip) || is_one_of(&self.listening, ip, port, own) {
            return PeerVerdict::Refused;
        }
        if peers.is_closed() {
            return if own { PeerVerdict::Relayed } else { PeerVerdict::Refused };
        }
        let is_closed = |ip| self.is_service(ip, port) || self.is_closed_or_own(ip);
        // In a closed relay a number of ours may be that of a back end on this machine: nothing leaves.
        let is_back_end = self.rules.back_ends.contains(&peer.0);
        if is_back_end || self.rules.denies(ip) || self.translated(ip).any(is_closed) {
            return PeerVerdict::Refused;
        }
        let relayed = own && is_relay_port;
        if self.rules.allows(ip) {
            return if relayed { PeerVerdict::RelayedOrOutside } else { PeerVerdict::Outside };
        }
        if relayed {
            return PeerVerdict::Relayed;
        }
        if own || self.rules.refuses_by_default(ip) || is_refused_port(port) {
            return PeerVerdict::Refused;
        }
        PeerVerdict::Outside
    }

    /// Whether a peer of a `public` allocation may connect from `ip`, whatever its port: where one connects
    /// from says nothing. From our own addresses only where the operator opened them.
    pub(crate) fn may_connect_from(&self, ip: IpAddr) -> bool {
        !self.rules.is_disguised(ip)
            && !self.is_closed_or_own(ip)
            && !self.translated(ip).any(|ip| self.is_closed_or_own(ip))
    }

    /// Whether a datagram on this way cannot be answered: what was sent to everybody has no address of ours
    /// to answer from, and of sources see [`Self::is_hopeless_source`].
    pub(crate) fn is_hopeless(&self, tuple: &FiveTuple) -> bool {
        is_for_many(tuple.local.0) || self.is_hopeless_source(tuple.client.0)
    }

    /// Whether a datagram from here would be answered in somebody else's name or never: forged, or ourselves.
    pub(crate) fn is_hopeless_source(&self, source: SocketAddr) -> bool {
        let (ip, port) = (source.ip(), source.port());
        port == 0
            || ip.is_unspecified()
            || is_for_many(ip)
            || AMPLIFIER_PORTS.contains(&port)
            || is_one_of(&self.answering, ip, port, self.own_ips.contains(&ip))
    }

    /// Whether this system listens there, or asks something there.
    fn is_service(&self, ip: IpAddr, port: u16) -> bool {
        is_one_of(&self.listening, ip, port, self.own_ips.contains(&ip))
            || self.rules.back_ends.contains(&SocketAddr::new(ip, port))
    }

    /// Whether an address is closed, or one of this machine that is not allowed.
    fn is_closed_or_own(&self, ip: IpAddr) -> bool {
        self.rules.is_closed(ip) || (self.own_ips.contains(&ip) && !self.rules.allows(ip))
    }

    /// The IPv4 addresses that `ip` stands for.
    fn translated(&self, ip: IpAddr) -> impl Iterator<Item = IpAddr> {
        translated(ip, &self.rules.nat64)
    }
}

/// Whether it stands for more than one host.
const fn is_for_many(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_multicast() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_multicast(),
    }
}

/// Whether one of these sockets is bound to this address, which is one of this machine if `own`.
fn is_one_of(sockets: &[SocketAddr], ip: IpAddr, port: u16, own: bool) -> bool {
    let is_bound = |socket: &SocketAddr| socket.ip() == ip || (socket.ip().is_unspecified() && own);
    sockets.iter().any(|socket| socket.port() == port && is_bound(socket))
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
    use crate::address::{ClientAddr, ListenerId, LocalIp};

    fn policy() -> AddressPolicy {
        let range = |first: &str, last: &str| {
            AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap()
        };
        AddressPolicy {
            rules: Rules {
                allow: vec![range("10.1.0.0", "10.1.255.255"), range("127.0.0.0", "127.255.255.255")],
                deny: vec![range("10.1.2.0", "10.1.2.255"), range("8.8.8.0", "8.8.8.255")],
                back_ends: ["10.1.7.7:8443", "9.7.7.7:8443"].map(|it| it.parse().unwrap()).to_vec(),
                nat64: vec![Nat64::new("2a00:64::".parse().unwrap(), 96).unwrap()],
            },
            listening: vec!["0.0.0.0:3478".parse().unwrap(), "127.0.0.1:9641".parse().unwrap()],
            answering: vec!["0.0.0.0:3478".parse().unwrap(), "127.0.0.1:5349".parse().unwrap()],
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
            ("9.7.7.7:5000", Refused),  // row 12: a back end's host
            ("10.1.7.7:8443", Refused), // row 12: a back end, although its host is allowed
            ("10.1.7.7:8444", Outside), // its host is allowed
            ("[2a00:64::9.9.9.9]:5000", Outside),
            ("[2a00:64::8.8.8.8]:5000", Refused), // denied behind a translator
            ("[2a00:64::10.2.0.1]:5000", Refused), // the built-in list behind a translator
            ("[2a00:64::10.1.3.3]:5000", Outside), // allowed behind a translator
            ("[2a00:64::1.2.3.4]:5000", Refused), // this machine behind a translator
            ("[2a00:64::1.2.3.4]:50000", Refused), // a relayed address is reached by a route only
            ("[2a00:64::127.0.0.1]:9641", Refused), // our own listening socket behind a translator
            ("[2a00:64::10.1.7.7]:8443", Refused), // a back end behind a translator
            ("[2a00:65::10.2.0.1]:5000", Outside), // another prefix
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
            // A number of ours, though a back end on this machine has it too.
            let mut beside = policy();
            beside.rules.back_ends.push("1.2.3.4:5000".parse().unwrap());
            let peer = PeerAddr("1.2.3.4:5000".parse().unwrap());
            assert_eq!(beside.peer(peers, peer, false), PeerVerdict::Relayed);
            // Not listening there: that listener has another address of ours.
            assert_eq!(verdict(peers, "1.2.3.4:9641"), PeerVerdict::Relayed);
            assert!(policy().allows_permission(peers, "1.2.3.4".parse().unwrap(), true));
            assert!(!policy().allows_permission(peers, "1.2.3.4".parse().unwrap(), false));
            assert!(!policy().allows_permission(peers, "9.9.9.9".parse().unwrap(), true));
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
            ("9.7.7.7", false), // a back end's host
            ("10.1.7.7", true), // the same, allowed
            ("2a00:64::9.9.9.9", true),
            ("2a00:64::8.8.8.8", false),
            ("2a00:64::10.2.0.1", false),
            ("2a00:64::1.2.3.4", true), // ours: nobody learns that by asking
        ] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(policy().allows_permission(PeerPolicy::Public, ip, true), expected, "{ip}");
        }
        assert!(!policy().allows_permission(PeerPolicy::Public, "192.168.7.7".parse().unwrap(), false));
    }

    #[test]
    fn peers_connect_from_where_they_could_be_reached() {
        for (ip, expected) in [
            ("9.9.9.9", true),
            ("1.2.3.4", false),
            ("127.0.0.1", true), // ours, and allowed
            ("8.8.8.8", false),
            ("9.7.7.7", false),
            ("10.1.7.7", true),
            ("2a00:64::9.9.9.9", true),
            ("2a00:64::8.8.8.8", false),
            ("2a00:64::1.2.3.4", false),
            ("64:ff9b:1::9.9.9.9", false),
        ] {
            assert_eq!(policy().may_connect_from(ip.parse().unwrap()), expected, "{ip}");
        }
    }

    #[test]
    fn row_5_allowing_a_translators_prefix_opens_nothing_that_is_closed_behind_it() {
        let mut policy = policy();
        let all = AddressRange::new(
            "64:ff9b::".parse().unwrap(),
            "64:ff9b:1:ffff:ffff:ffff:ffff:ffff".parse().unwrap(),
        );
        policy.rules.allow.push(all.unwrap());
        let told = |ip: &str| {
            let peer = PeerAddr(SocketAddr::new(ip.parse().unwrap(), 5000));
            policy.peer(PeerPolicy::Public, peer, false)
        };
        assert_eq!(told("64:ff9b::9.9.9.9"), PeerVerdict::Outside);
        for closed in ["64:ff9b::8.8.8.8", "64:ff9b::10.2.0.1", "64:ff9b:1::9.9.9.9"] {
            assert_eq!(told(closed), PeerVerdict::Refused, "{closed}");
            assert!(
                !policy.allows_permission(PeerPolicy::Public, closed.parse().unwrap(), false),
                "{closed}"
            );
        }
        assert_eq!(told("64:ff9b::1.2.3.4"), PeerVerdict::Refused, "this machine");
        assert_eq!(told("64:ff9b::10.1.3.3"), PeerVerdict::Outside, "allowed itself");
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
        for source in ["9.9.9.9:53", "9.9.9.9:3478", "1.2.3.4:3478", "127.0.0.1:5349"] {
            assert!(policy().is_hopeless_source(source.parse().unwrap()), "{source}");
        }
        // A client may well have the number of one of our TCP ports.
        for source in ["9.9.9.9:5000", "127.0.0.1:9641"] {
            assert!(!policy().is_hopeless_source(source.parse().unwrap()), "{source}");
        }
    }

    #[test]
    fn row_39_two_sides_of_one_session_meet_and_so_does_anyone_else() {
        let (one, other) = (SessionId([1; 16]), SessionId([2; 16]));
        let scopes = [
            Scope::Session(one, Side::A),
            Scope::Session(one, Side::B),
            Scope::Session(other, Side::A),
            Scope::Session(other, Side::B),
            Scope::Anyone,
        ];
        let meet = |at: usize| scopes.map(|scope| scopes[at].may_meet(scope));
        assert_eq!(meet(0), [false, true, false, false, false]);
        assert_eq!(meet(1), [true, false, false, false, false]);
        assert_eq!(meet(2), [false, false, false, true, false]);
        assert_eq!(meet(3), [false, false, true, false, false]);
        assert_eq!(meet(4), [false, false, false, false, true]);
    }

    #[test]
    fn what_may_be_relayed_here_goes_by_a_route() {
        use PeerVerdict::{Outside, Refused, Relayed, RelayedOrOutside};
        let by_route = [Refused, Relayed, RelayedOrOutside, Outside].map(PeerVerdict::goes_by_route);
        assert_eq!(by_route, [false, true, true, false]);
    }

    #[test]
    fn neither_end_of_a_way_may_be_hopeless() {
        let is_hopeless = |client: &str, local: &str| {
            policy().is_hopeless(&FiveTuple {
                client: ClientAddr(client.parse().unwrap()),
                local: LocalIp(local.parse().unwrap()),
                listener: ListenerId(0),
            })
        };
        assert!(!is_hopeless("9.9.9.9:5000", "1.2.3.4"));
        assert!(is_hopeless("9.9.9.9:5000", "255.255.255.255"));
        assert!(is_hopeless("9.9.9.9:5000", "224.0.0.1"));
        assert!(is_hopeless("9.9.9.9:0", "1.2.3.4"));
        assert!(is_hopeless("1.2.3.4:3478", "1.2.3.4"));
    }
}
