//! NAT behaviour discovery: the two addresses and two ports that it needs, found among those configured.
//!
//! It answers nobody; `turn-core` does.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use super::draft::Draft;
use super::listen::{Listen, collide};
use super::server::Server;

/// Two addresses of one family with the same two ports, RFC 5780 §6.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Discovery {
    /// Addresses of this machine.
    pub local: [IpAddr; 2],
    /// What clients know them by.
    pub public: [IpAddr; 2],
    /// The port of `listen.turn` and the other one.
    pub ports: [u16; 2],
}

impl Discovery {
    /// The four endpoints as this machine knows them and as clients do, in the order that `turn-core` wants:
    /// both ports of the first address, then both of the other.
    pub fn endpoints(&self) -> [(SocketAddr, SocketAddr); 4] {
        [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(ip, port)| {
            let with_port = |ip| SocketAddr::new(ip, self.ports[port]);
            (with_port(self.local[ip]), with_port(self.public[ip]))
        })
    }
}

/// Finds a pair for each family; one is enough.
pub(super) fn read(
    draft: &mut Draft,
    listen: &Listen,
    server: &Server,
    relay_ports: &RangeInclusive<u16>,
) -> Vec<Discovery> {
    if !draft.switch(KEY) {
        return Vec::new();
    }
    let other_port = u16::try_from(draft.number(PORT_KEY)).expect("the bounds of the key");
    let families = [SocketAddr::is_ipv4, SocketAddr::is_ipv6];
    let pairs: Vec<[SocketAddr; 2]> =
        families.into_iter().filter_map(|family| pair(&listen.turn, family)).collect();
    if pairs.is_empty() {
        let wrong = "needs two addresses of one family with one port in listen.turn, \
                     each named: 0.0.0.0, [::] and port 0 do not say which";
        let right = "write two of this machine's, like \
                     listen.turn = [\"192.0.2.1:3478\", \"192.0.2.2:3478\"], or set it to false";
        draft.refuse(KEY, draft.place(KEY), wrong, right);
    }
    let mut found = Vec::new();
    for pair in pairs {
        let ports = [pair[0].port(), other_port];
        let taken = (ports[0] == ports[1]).then_some("listen.turn").or_else(|| {
            let other = pair.map(|address| SocketAddr::new(address.ip(), other_port));
            let all = listen.all();
            let clash = |at: &SocketAddr| other.iter().any(|other| collide(*other, *at) && other != at);
            let foreign =
                all.iter().find(|(key, at)| clash(at) || (*key != "listen.turn" && other.contains(at)));
            foreign.map(|(key, _)| *key).or(relay_ports.contains(&other_port).then_some("relay.ports"))
        });
        if let Some(other) = taken {
            let wrong = format!("is port {other_port}, which {other} has already");
            draft.refuse(
                PORT_KEY,
                draft.place(PORT_KEY),
                &wrong,
                "choose a port that is free on both addresses",
            );
            return Vec::new();
        }
        let local = pair.map(|address| address.ip());
        let Some(public) = public(local, server) else {
            let wrong = "has no public address for one of the two that relay.nat_discovery uses";
            let right = "write one for each, like [\"203.0.113.5/10.0.0.5\", \"203.0.113.6/10.0.0.6\"]";
            draft.refuse("server.external", draft.place("server.external"), wrong, right);
            return Vec::new();
        };
        found.push(Discovery { local, public, ports });
    }
    found
}

/// The first address of a family and the next one that has the same port; where the first is not one of a
/// pair, the next that is.
fn pair(addresses: &[SocketAddr], family: fn(&SocketAddr) -> bool) -> Option<[SocketAddr; 2]> {
    let named = |at: &&SocketAddr| family(at) && !at.ip().is_unspecified() && at.port() != 0;
    let named: Vec<SocketAddr> = addresses.iter().filter(named).copied().collect();
    named.iter().enumerate().find_map(|(index, first)| {
        let other =
            named[index + 1..].iter().find(|at| at.port() == first.port() && at.ip() != first.ip())?;
        Some([*first, *other])
    })
}

/// What clients know the two addresses by: themselves, unless the family is behind a NAT.
fn public(local: [IpAddr; 2], server: &Server) -> Option<[IpAddr; 2]> {
    if !server.external.iter().any(|external| external.public.is_ipv4() == local[0].is_ipv4()) {
        return Some(local);
    }
    let of = |ip: IpAddr| server.external.iter().find(|it| it.local == Some(ip)).map(|it| it.public);
    Some([of(local[0])?, of(local[1])?])
}

const KEY: &str = "relay.nat_discovery";

const PORT_KEY: &str = "relay.nat_discovery_port";
