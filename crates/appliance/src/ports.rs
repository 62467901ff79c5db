//! Ports where the configuration leaves the choice to the system: the same over TCP and UDP, and none that
//! the configuration would not be allowed to name.
//!
//! It reserves nothing: who is quicker has the port, and then the start fails with a clear error.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;

use crate::limits::PORT_CHOICES_MAX;
use crate::settings::Settings;

/// The ports that are spoken for.
pub(crate) struct Ports {
    /// For relay sockets.
    of_relay: RangeInclusive<u16>,
    /// Named in the configuration, or chosen.
    taken: BTreeSet<u16>,
}

impl Ports {
    /// All that the settings name.
    pub(crate) fn new(settings: &Settings) -> Self {
        let discovery = settings.relay.discovery.iter().flat_map(|pair| pair.ports);
        let taken = settings.listen.ports().map(|(_, port)| port).chain(discovery).collect();
        Self { of_relay: settings.relay.ports.clone(), taken }
    }

    /// The addresses, each port 0 replaced by one that is free for TCP and for UDP. Where none is found, or
    /// the address cannot be bound at all, it stays: whoever binds it tells why.
    pub(crate) fn fill(&mut self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        addresses
            .iter()
            .map(|address| if address.port() == 0 { self.choose(*address) } else { *address })
            .collect()
    }

    fn choose(&mut self, address: SocketAddr) -> SocketAddr {
        for _ in 0..PORT_CHOICES_MAX {
            let Ok(tcp) = TcpListener::bind(address) else { break };
            let Ok(chosen) = tcp.local_addr() else { break };
            let is_spoken_for = self.of_relay.contains(&chosen.port()) || self.taken.contains(&chosen.port());
            if !is_spoken_for && UdpSocket::bind(chosen).is_ok() {
                self.taken.insert(chosen.port());
                return chosen;
            }
        }
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(of_relay: RangeInclusive<u16>) -> Ports {
        Ports { of_relay, taken: BTreeSet::new() }
    }

    #[test]
    fn a_port_is_chosen_only_where_none_is_given() {
        let given = "127.0.0.1:8443".parse().unwrap();
        let open = "127.0.0.1:0".parse().unwrap();
        let chosen = ports(1..=1).fill(&[given, open]);
        assert_eq!(chosen[0], given);
        assert_eq!(chosen[1].ip(), open.ip());
        assert_ne!(chosen[1].port(), 0);
    }

    #[test]
    fn an_address_that_is_not_ours_is_left_to_whoever_binds_it() {
        let foreign = "192.0.2.1:0".parse().unwrap();
        assert_eq!(ports(1..=1).fill(&[foreign]), [foreign]);
    }

    #[test]
    fn none_is_chosen_that_is_spoken_for() {
        let open: SocketAddr = "127.0.0.1:0".parse().unwrap();
        // Some of those that the system gives.
        let any = TcpListener::bind(open).unwrap().local_addr().unwrap().port();
        let (of_relay, mut seen) = (any..=u16::MAX, BTreeSet::new());
        let mut ports = ports(of_relay.clone());
        for chosen in ports.fill(&[open; 64]).into_iter().map(|address| address.port()) {
            assert!(!of_relay.contains(&chosen), "{chosen} is in {of_relay:?}");
            assert!(chosen == 0 || seen.insert(chosen), "{chosen} is chosen twice");
        }
    }
}
