//! A 5-tuple in as few bytes as it has. Not what goes over the wire.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::address::{ClientAddr, FiveTuple, ListenerId, LocalIp};

/// A [`FiveTuple`] in 40 bytes, which fit a cache line besides what else a packet needs. Two are equal where
/// client, local address and listener are; an IPv6 flow label is none of these.
///
/// The first word is the client's port, the listener, which of the addresses are IPv6, and the scope of a
/// link-local client. IPv4 needs the second word besides, for both addresses.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Packed([u64; 5]);

impl Packed {
    /// Something of it, for who only wants it to be in the processor's cache.
    pub(crate) const fn first_word(&self) -> u64 {
        self.0[0]
    }

    /// The 5-tuple that it was made of.
    pub(crate) fn unpack(&self) -> FiveTuple {
        let Self([first, words @ ..]) = *self;
        let [low, high, listener, families, ..] = first.to_le_bytes();
        let (port, listener) = (u16::from_le_bytes([low, high]), ListenerId(listener));
        let (client, local) = if families == 0 {
            (u128::from(words[0] as u32), u128::from(words[0] >> 32))
        } else {
            (joined(words[0], words[1]), joined(words[2], words[3]))
        };
        let client = match families & CLIENT_V6 {
            0 => SocketAddr::from((Ipv4Addr::from_bits(client as u32), port)),
            _ => SocketAddrV6::new(Ipv6Addr::from_bits(client), port, 0, (first >> 32) as u32).into(),
        };
        let local = match families & LOCAL_V6 {
            0 => IpAddr::V4(Ipv4Addr::from_bits(local as u32)),
            _ => IpAddr::V6(Ipv6Addr::from_bits(local)),
        };
        FiveTuple { client: ClientAddr(client), local: LocalIp(local), listener }
    }
}

impl From<&FiveTuple> for Packed {
    fn from(tuple: &FiveTuple) -> Self {
        let (client, local) = (tuple.client.0, tuple.local.0);
        let first = u64::from(client.port()) | u64::from(tuple.listener.0) << 16;
        if let (SocketAddr::V4(client), IpAddr::V4(local)) = (client, local) {
            let both = u64::from(client.ip().to_bits()) | u64::from(local.to_bits()) << 32;
            return Self([first, both, 0, 0, 0]);
        }
        let scope = match client {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(client) => client.scope_id(),
        };
        let families =
            if client.is_ipv6() { CLIENT_V6 } else { 0 } | if local.is_ipv6() { LOCAL_V6 } else { 0 };
        let (client, local) = (bits(client.ip()), bits(local));
        let first = first | u64::from(families) << 24 | u64::from(scope) << 32;
        Self([first, client as u64, (client >> 64) as u64, local as u64, (local >> 64) as u64])
    }
}

impl Hash for Packed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self([first, second, rest @ ..]) = self;
        let is_v4 = first >> 24 & 0xFF == 0;
        state.write_u64(*first);
        state.write_u64(*second);
        if !is_v4 {
            rest.iter().for_each(|word| state.write_u64(*word));
        }
    }
}

/// As the 5-tuple prints: its words are addresses.
impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.unpack().fmt(f)
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn joined(low: u64, high: u64) -> u128 {
    u128::from(low) | u128::from(high) << 64
}

const CLIENT_V6: u8 = 1;
const LOCAL_V6: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn tuple(client: &str, local: &str, listener: u8) -> FiveTuple {
        FiveTuple {
            client: ClientAddr(client.parse().unwrap()),
            local: LocalIp(local.parse().unwrap()),
            listener: ListenerId(listener),
        }
    }

    #[test]
    fn every_tuple_comes_out_as_it_went_in_and_no_two_are_the_same() {
        let clients = [
            "0.0.0.0:0",
            "192.0.2.1:5000",
            "192.0.2.1:5001",
            "255.255.255.255:65535",
            "[::]:0",
            "[::192.0.2.1]:5000",
            "[::ffff:192.0.2.1]:5000",
            "[2001:db8::1]:5000",
            "[fe80::1%1]:5000",
            "[fe80::1%4294967295]:5000",
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
        ];
        let locals = ["0.0.0.0", "198.51.100.1", "::", "::198.51.100.1", "2001:db8::2"];
        let mut seen = Vec::new();
        for client in clients {
            for local in locals {
                for listener in [0, 1, 0x40, 0x80, 0xFF] {
                    let tuple = tuple(client, local, listener);
                    let packed = Packed::from(&tuple);
                    assert_eq!(packed.unpack(), tuple);
                    assert!(!seen.contains(&packed), "{client} {local} {listener}");
                    seen.push(packed);
                }
            }
        }
    }

    #[test]
    fn it_prints_no_address() {
        for (client, local) in [("198.51.100.7:5000", "192.0.2.1"), ("[2001:db8::7]:5000", "2001:db8::1")] {
            let tuple = tuple(client, local, 3);
            assert_eq!(format!("{:?}", Packed::from(&tuple)), format!("{tuple:?}"));
            assert!(!format!("{tuple:?}").contains("5000"));
        }
    }

    #[test]
    fn a_flow_label_makes_no_other_client() {
        let mut other = tuple("[2001:db8::1]:5000", "2001:db8::2", 0);
        let packed = Packed::from(&other);
        if let SocketAddr::V6(client) = &mut other.client.0 {
            client.set_flowinfo(7);
        }
        assert_eq!(Packed::from(&other), packed);
    }
}
