//! A NAT box for UDP: how it maps and what it lets in, in the words of RFC 4787. Not TCP, not hairpinning.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::random::Random;

/// A NAT with one outside address.
pub struct Nat {
    kind: NatKind,
    outside: IpAddr,
    bindings: Vec<Binding>,
    random: Random,
}

impl Nat {
    /// A box that shows `outside` to the world; ports are allotted at random.
    pub const fn new(kind: NatKind, outside: IpAddr, random: Random) -> Self {
        Self { kind, outside, bindings: Vec::new(), random }
    }

    /// A datagram leaves: the source that the world sees. Makes or renews the binding, RFC 4787 §4.
    pub fn outbound(&mut self, now: Duration, inside: SocketAddr, to: SocketAddr) -> SocketAddr {
        self.forget(now);
        let (kind, expires) = (self.kind, now + self.kind.timeout);
        let found =
            self.bindings.iter().position(|it| it.inside == inside && kind.mapping.agree(it.made_for, to));
        let at = found.unwrap_or_else(|| {
            let port = self.free_port();
            self.bindings.push(Binding { inside, made_for: to, port, expires, sent_to: BTreeMap::new() });
            self.bindings.len() - 1
        });
        let binding = &mut self.bindings[at];
        binding.expires = expires;
        binding.sent_to.insert(to, expires);
        SocketAddr::new(self.outside, binding.port)
    }

    /// A datagram for the outside `port` arrives: whom it is for, if it may come in, RFC 4787 §5. It does not
    /// renew the binding, so nobody outside can keep one open.
    pub fn inbound(&mut self, now: Duration, from: SocketAddr, port: u16) -> Option<SocketAddr> {
        self.forget(now);
        let filtering = self.kind.filtering;
        let binding = self.bindings.iter().find(|binding| binding.port == port)?;
        binding.sent_to.keys().any(|known| filtering.agree(*known, from)).then_some(binding.inside)
    }

    fn forget(&mut self, now: Duration) {
        self.bindings.retain_mut(|binding| {
            binding.sent_to.retain(|_, expires| now < *expires);
            now < binding.expires
        });
    }

    fn free_port(&mut self) -> u16 {
        loop {
            let port = 1024 + self.random.below(64_512) as u16;
            if self.bindings.iter().all(|binding| binding.port != port) {
                return port;
            }
        }
    }
}

/// What a NAT does, RFC 4787 §4.1 and §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NatKind {
    /// What a mapping depends on.
    pub mapping: Dependence,
    /// What it takes to be let in.
    pub filtering: Dependence,
    /// How long a binding lasts without outbound traffic.
    pub timeout: Duration,
}

impl NatKind {
    /// A common home router: one port for all destinations, and only those who were written to may answer.
    pub const fn home() -> Self {
        Self::new(Dependence::Endpoint, Dependence::AddressAndPort)
    }

    /// "Symmetric": another port for each destination. Two of these never meet without a relay.
    pub const fn symmetric() -> Self {
        Self::new(Dependence::AddressAndPort, Dependence::AddressAndPort)
    }

    /// A kind whose bindings last two minutes, the least that RFC 4787 REQ-5 allows.
    pub const fn new(mapping: Dependence, filtering: Dependence) -> Self {
        Self { mapping, filtering, timeout: Duration::from_secs(120) }
    }
}

/// How much of the other end's address counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependence {
    /// None of it: endpoint-independent.
    Endpoint,
    /// Its IP: address-dependent.
    Address,
    /// IP and port.
    AddressAndPort,
}

impl Dependence {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Endpoint, Self::Address, Self::AddressAndPort];

    fn agree(self, one: SocketAddr, other: SocketAddr) -> bool {
        match self {
            Self::Endpoint => true,
            Self::Address => one.ip() == other.ip(),
            Self::AddressAndPort => one == other,
        }
    }
}

/// One port outside, for one address inside.
struct Binding {
    inside: SocketAddr,
    /// The destination that it was made for.
    made_for: SocketAddr,
    port: u16,
    expires: Duration,
    /// Who may answer, and until when.
    sent_to: BTreeMap<SocketAddr, Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn nat(mapping: Dependence, filtering: Dependence) -> Nat {
        Nat::new(NatKind::new(mapping, filtering), "198.18.0.1".parse().unwrap(), Random::new(1))
    }

    #[test]
    fn a_mapping_depends_on_what_its_kind_says() {
        for (mapping, other_port, other_ip) in [
            (Dependence::Endpoint, true, true),
            (Dependence::Address, true, false),
            (Dependence::AddressAndPort, false, false),
        ] {
            let mut nat = nat(mapping, Dependence::Endpoint);
            let inside = address("192.168.0.2:5000");
            let first = nat.outbound(NOW, inside, address("192.0.2.1:1"));
            assert_eq!(nat.outbound(NOW, inside, address("192.0.2.1:1")), first);
            assert_eq!(nat.outbound(NOW, inside, address("192.0.2.1:2")) == first, other_port);
            assert_eq!(nat.outbound(NOW, inside, address("192.0.2.2:1")) == first, other_ip);
            assert_ne!(nat.outbound(NOW, address("192.168.0.2:5001"), address("192.0.2.1:1")), first);
        }
    }

    #[test]
    fn a_filter_depends_on_what_its_kind_says() {
        for (filtering, other_port, other_ip) in [
            (Dependence::Endpoint, true, true),
            (Dependence::Address, true, false),
            (Dependence::AddressAndPort, false, false),
        ] {
            let mut nat = nat(Dependence::Endpoint, filtering);
            let inside = address("192.168.0.2:5000");
            let port = nat.outbound(NOW, inside, address("192.0.2.1:1")).port();
            let mut passes = |from: &str| nat.inbound(NOW, address(from), port) == Some(inside);
            assert!(passes("192.0.2.1:1"));
            assert_eq!(passes("192.0.2.1:2"), other_port);
            assert_eq!(passes("192.0.2.2:1"), other_ip);
        }
    }

    #[test]
    fn only_outbound_traffic_keeps_a_binding() {
        let mut nat = nat(Dependence::Endpoint, Dependence::Endpoint);
        let (inside, server) = (address("192.168.0.2:5000"), address("192.0.2.1:1"));
        let port = nat.outbound(NOW, inside, server).port();
        let almost = NOW + Duration::from_secs(119);
        assert_eq!(nat.inbound(almost, server, port), Some(inside));
        assert_eq!(nat.inbound(NOW + Duration::from_secs(120), server, port), None);
    }
}
