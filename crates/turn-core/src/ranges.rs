//! Address ranges, and those that a relay refuses by default. Not the order in which rules are applied.
//!
//! The tables follow the IANA special-purpose registries: IPv4 as updated 2021-02-04, IPv6 as updated
//! 2024-10-22 with RFC 9780; each entry names its block.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses from `first` to `last`, inclusive, of one family; need not be aligned to a prefix.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// A range; `None` where the ends are swapped, of two families, or IPv4-mapped IPv6.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        let ordered = match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => first <= last,
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                first <= last && first.to_ipv4_mapped().is_none() && last.to_ipv4_mapped().is_none()
            }
            _ => false,
        };
        ordered.then_some(Self { first, last })
    }

    /// Whether `ip` lies within; an address of the other family never does.
    pub fn contains(&self, ip: IpAddr) -> bool {
        // `IpAddr` orders all of IPv4 before all of IPv6 and each family by its number.
        self.first <= ip && ip <= self.last
    }
}

/// Whether the built-in list refuses `ip` as a peer, threats.md §2 of the design: what is not unicast and
/// globally reachable, what stands for another address, and what is known to answer in other people's names.
pub(crate) fn is_refused_by_default(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            REFUSED_IPV4.iter().any(|(net, bits)| (ip.to_bits() ^ net.to_bits()) >> (32 - bits) == 0)
        }
        IpAddr::V6(ip) => {
            // Everything outside 2000::/3 is refused without being listed: IANA assigns unicast from there
            // only.
            ip.to_bits() >> 125 != 1
                || REFUSED_IPV6.iter().any(|(net, bits)| (ip.to_bits() ^ net.to_bits()) >> (128 - bits) == 0)
                || has_isatap_interface(ip)
        }
    }
}

/// Whether packets for `ip` are known to travel inside IPv4 for a while, RFC 8656 §21.4: Teredo and 6to4.
pub(crate) const fn is_tunnel(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if matches!(ip.segments(), [0x2001, 0, ..] | [0x2002, ..]))
}

/// `…:0:5efe:a.b.c.d` and `…:200:5efe:a.b.c.d`, RFC 5214 §6.1: an IPv4 address in an interface identifier.
const fn has_isatap_interface(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    matches!(segments[4], 0 | 0x0200) && segments[5] == 0x5EFE
}

/// Block and prefix length; those within another are not repeated.
const REFUSED_IPV4: [(Ipv4Addr, u32); 19] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private use
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // carriers' shared space, with cloud services in 100.100.100.200
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // a cloud's metadata and DNS service
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, with clouds' metadata services
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private use
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // IETF protocol assignments, TURN and PCP anycast among them
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 31, 196, 0), 24),  // AS112
    (Ipv4Addr::new(192, 52, 193, 0), 24),  // AMT
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays, withdrawn
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private use
    (Ipv4Addr::new(192, 175, 48, 0), 24),  // AS112
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarking
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, with the limited broadcast address
];

/// Blocks within 2000::/3.
const REFUSED_IPV6: [(Ipv6Addr, u32); 6] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // IETF assignments: Teredo, AMT, ORCHID, benchmarking
    (Ipv6Addr::new(0x2001, 0x0DB8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: an IPv4 address in disguise
    (Ipv6Addr::new(0x2620, 0x004F, 0x8000, 0, 0, 0, 0, 0), 48), // AS112
    (Ipv6Addr::new(0x3FFE, 0, 0, 0, 0, 0, 0, 0), 16), // 6bone, returned
    (Ipv6Addr::new(0x3FFF, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_6_a_range_compares_all_sixteen_bytes() {
        let range = AddressRange::new("2a00::1:fffe".parse().unwrap(), "2a00::2:1".parse().unwrap()).unwrap();
        for (ip, inside) in [
            ("2a00::1:fffd", false),
            ("2a00::1:fffe", true),
            ("2a00::1:ffff", true),
            ("2a00::2:0", true),
            ("2a00::2:1", true),
            ("2a00::2:2", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(range.contains(ip.parse().unwrap()), inside, "{ip}");
        }
    }

    #[test]
    fn row_19_swapped_and_mixed_ends_are_no_range() {
        for (first, last) in
            [("10.0.0.2", "10.0.0.1"), ("10.0.0.1", "::1"), ("::ffff:10.0.0.1", "::ffff:10.0.0.2")]
        {
            assert!(AddressRange::new(first.parse().unwrap(), last.parse().unwrap()).is_none());
        }
    }

    #[test]
    fn the_built_in_list_ends_where_its_blocks_end() {
        let mut wrong = Vec::new();
        let mut check = |ip: &str, refused: bool| {
            if is_refused_by_default(ip.parse().unwrap()) != refused {
                wrong.push((ip.to_owned(), refused));
            }
        };
        for (outside, first, last, behind) in [
            ("9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0"),
            ("100.63.255.255", "100.64.0.0", "100.127.255.255", "100.128.0.0"),
            ("168.63.129.15", "168.63.129.16", "168.63.129.16", "168.63.129.17"),
            ("172.15.255.255", "172.16.0.0", "172.31.255.255", "172.32.0.0"),
            ("2001:db7:ffff::1", "2001:db8::", "2001:db8:ffff::1", "2001:db9::"),
            ("2003:ffff::1", "4000::", "ffff::1", "2003::1"),
            ("2001:ffff::1", "2002::", "2002:ffff::1", "2003::"),
        ] {
            check(outside, false);
            check(first, true);
            check(last, true);
            check(behind, false);
        }
        for ip in ["::", "::1", "1fff:ffff::1", "fe80::1", "fc00::1", "ff02::1", "2a00::5efe:a00:1"] {
            check(ip, true);
        }
        for ip in ["2a00::200:5efe:a00:1", "2a00:1:2:3:200:5efe:a00:1"] {
            check(ip, true);
        }
        for ip in ["2a00::1:5efe:a00:1", "2a00::5eff:a00:1", "2a00::1", "3000::1"] {
            check(ip, false);
        }
        assert!(wrong.is_empty(), "address, should be refused: {wrong:?}");
    }

    #[test]
    fn teredo_and_6to4_are_tunnels() {
        let all = ["2001::1", "2002::1", "2001:1::1", "2003::1", "32.1.0.0", "32.2.0.0"];
        let tunnels = all.map(|ip| is_tunnel(ip.parse().unwrap()));
        assert_eq!(tunnels, [true, true, false, false, false, false]);
    }
}
