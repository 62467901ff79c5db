//! Who is on the stage: clients, peers and listeners. Nothing happens here. RFC 5780 §6.

use std::net::{IpAddr, SocketAddr};

use sim::{RELAY_V4, RELAY_V6};
use turn_core::{ClientAddr, Discovery, Endpoint, FiveTuple, ListenerId, LocalIp};

use super::Client;

impl Client {
    pub(super) fn new(address: &str) -> Self {
        let address: SocketAddr = address.parse().expect("an address of this folder");
        let local = LocalIp(if address.is_ipv6() { RELAY_V6 } else { RELAY_V4 });
        let place = address.is_ipv6().into();
        let is_stream = address.port() == STREAM_PORT;
        let listener = if is_stream { ListenerId::stream(place) } else { ListenerId(place) };
        let tuple = FiveTuple { client: ClientAddr(address), local, listener };
        Self { tuple, nonce: b"AAAAAAAAAAAAAAAA".to_vec() }
    }
}

/// Where NAT behaviour is discovered: the listener of IPv4 clients is the first of four.
pub(super) fn discovery() -> Discovery {
    let other = IpAddr::from([192, 0, 2, 2]);
    let places = [(0, RELAY_V4, 3478), (2, RELAY_V4, 3479), (3, other, 3478), (4, other, 3479)];
    Discovery::new(places.map(|(listener, local, port)| Endpoint {
        listener: ListenerId(listener),
        local,
        public: SocketAddr::new(local, port),
    }))
}

/// Of both families, two on one address, two in one network; even ones are the first worker's.
pub(super) const CLIENTS: [&str; 8] = [
    "198.18.0.1:5000",
    "198.18.0.1:5001",
    "198.18.0.2:5000",
    "198.18.1.1:5000",
    "[2001:db8:7::1]:5000",
    "[2001:db8:7::2]:5000",
    "198.18.2.1:6000",
    "198.18.3.1:6000",
];

/// Where the clients come from that are on streams.
const STREAM_PORT: u16 = 6000;

/// Peers that are not on the stage.
pub(super) const OUTSIDE: [&str; 6] =
    ["9.9.9.9:5000", "9.9.9.9:5001", "8.8.8.8:5000", "[2600::1]:5000", "127.0.0.1:80", "192.0.2.1:3478"];

/// Of which the stage has the first two.
pub(super) const WORKERS: u16 = 512;

/// The longest answer to somebody who proved nothing, a 401; relay.md §3.
pub(super) const UNPROVED_BYTES_MAX: usize = 60;

/// Connections whose names are remembered.
pub(super) const NAMED_MAX: usize = 4;

/// Relayed addresses that are remembered.
pub(super) const RELAYED_MAX: usize = 8;
