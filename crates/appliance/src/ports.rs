//! Ports that are the same over TCP and UDP, where the configuration leaves the choice to the system.
//!
//! It reserves nothing: who is quicker has the port, and then the start fails with a clear error.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use crate::limits::PORT_CHOICES_MAX;

/// The addresses, each port 0 replaced by one that is free for TCP and for UDP. Where none is found, or the
/// address cannot be bound at all, it stays: whoever binds it tells why.
pub(crate) fn free_for_both(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    addresses.iter().map(|address| if address.port() == 0 { choose(*address) } else { *address }).collect()
}

fn choose(address: SocketAddr) -> SocketAddr {
    for _ in 0..PORT_CHOICES_MAX {
        let Ok(tcp) = TcpListener::bind(address) else { break };
        let Ok(chosen) = tcp.local_addr() else { break };
        if UdpSocket::bind(chosen).is_ok() {
            return chosen;
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_chosen_only_where_none_is_given() {
        let given = "127.0.0.1:8443".parse().unwrap();
        let open = "127.0.0.1:0".parse().unwrap();
        let chosen = free_for_both(&[given, open]);
        assert_eq!(chosen[0], given);
        assert_eq!(chosen[1].ip(), open.ip());
        assert_ne!(chosen[1].port(), 0);
    }

    #[test]
    fn an_address_that_is_not_ours_is_left_to_whoever_binds_it() {
        let foreign = "192.0.2.1:0".parse().unwrap();
        assert_eq!(free_for_both(&[foreign]), [foreign]);
    }
}
