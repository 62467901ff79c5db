//! IPv4 addresses inside IPv6 ones that a translator turns back into them: RFC 6052. Not whether they may be
//! peers, which `policy` says; what is found here only ever closes an address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A prefix by which a network reaches IPv4: the well-known one, or one of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Nat64 {
    prefix: Ipv6Addr,
    bits: u32,
}

impl Nat64 {
    /// A prefix of so many bits; `None` where RFC 6052 §2.2 knows no such length, or bits are set behind it
    /// or among those from 64 to 71.
    pub const fn new(prefix: Ipv6Addr, bits: u32) -> Option<Self> {
        let is_known = matches!(bits, 32 | 40 | 48 | 56 | 64 | 96);
        //= RFC 6052 §2.2: "Bits 64 to 71 of the address are reserved ... These bits MUST be set to zero"
        if is_known && prefix.to_bits() << bits == 0 && prefix.octets()[RESERVED_OCTET] == 0 {
            Some(Self { prefix, bits })
        } else {
            None
        }
    }

    /// The address that packets for `ip` end at, if the prefix is its own. Reserved bits and those behind the
    /// IPv4 address are not looked at: a translator need not either.
    fn ipv4(self, ip: Ipv6Addr) -> Option<Ipv4Addr> {
        if (ip.to_bits() ^ self.prefix.to_bits()) >> (128 - self.bits) != 0 {
            return None;
        }
        let octets = ip.octets();
        let mut found = (self.bits as usize / 8..octets.len()).filter(|at| *at != RESERVED_OCTET);
        Some(Ipv4Addr::from_octets(std::array::from_fn(|_| {
            octets[found.next().expect("four are left behind the longest prefix")]
        })))
    }
}

/// The IPv4 addresses that packets for `ip` may end at, in a network with these prefixes.
pub(crate) fn translated(ip: IpAddr, prefixes: &[Nat64]) -> impl Iterator<Item = IpAddr> {
    let ip = if let IpAddr::V6(ip) = ip { Some(ip) } else { None };
    let all = std::iter::once(&WELL_KNOWN).chain(prefixes);
    ip.into_iter().flat_map(move |ip| all.clone().filter_map(move |prefix| prefix.ipv4(ip)).map(IpAddr::V4))
}

/// Whether `ip` is of RFC 8215's block for prefixes of networks' own, and of none of these: what it means
/// cannot be known.
pub(crate) fn is_of_unknown_translator(ip: IpAddr, prefixes: &[Nat64]) -> bool {
    matches!(ip, IpAddr::V6(v6) if (v6.to_bits() ^ LOCAL_USE.to_bits()) >> (128 - LOCAL_USE_BITS) == 0
        && prefixes.iter().all(|prefix| prefix.ipv4(v6).is_none()))
}

/// `64:ff9b::/96`, RFC 6052 §2.1.
const WELL_KNOWN: Nat64 =
    Nat64::new(Ipv6Addr::new(0x64, 0xFF9B, 0, 0, 0, 0, 0, 0), 96).expect("96 is a length of RFC 6052");

/// `64:ff9b:1::/48`, RFC 8215: within it networks choose prefixes of any length.
const LOCAL_USE: Ipv6Addr = Ipv6Addr::new(0x64, 0xFF9B, 1, 0, 0, 0, 0, 0);
const LOCAL_USE_BITS: u32 = 48;

/// Bits 64 to 71, which an IPv4 address goes around.
const RESERVED_OCTET: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn nat64(text: &str) -> Option<Nat64> {
        let (prefix, bits) = text.split_once('/').unwrap();
        Nat64::new(prefix.parse().unwrap(), bits.parse().unwrap())
    }

    #[test]
    fn row_5_the_rfcs_own_examples() {
        // RFC 6052 §2.4: 192.0.2.33 behind a prefix of each length.
        for (prefix, ip) in [
            ("2001:db8::/32", "2001:db8:c000:221::"),
            ("2001:db8:100::/40", "2001:db8:1c0:2:21::"),
            ("2001:db8:122::/48", "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::/56", "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::/64", "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::/96", "2001:db8:122:344::192.0.2.33"),
            ("64:ff9b::/96", "64:ff9b::192.0.2.33"),
        ] {
            let prefix = nat64(prefix).unwrap();
            assert_eq!(prefix.ipv4(ip.parse().unwrap()), Some(Ipv4Addr::new(192, 0, 2, 33)), "{ip}");
            assert_eq!(prefix.ipv4("2a00::c000:221".parse().unwrap()), None);
        }
    }

    #[test]
    fn row_5_what_is_reserved_or_behind_the_address_hides_nothing() {
        let prefix = nat64("2001:db8:122:344::/64").unwrap();
        let found = prefix.ipv4("2001:db8:122:344:ffc0:2:21ff:ffff".parse().unwrap());
        assert_eq!(found, Some(Ipv4Addr::new(192, 0, 2, 33)));
    }

    #[test]
    fn other_lengths_and_stray_bits_are_no_prefix() {
        for text in ["2001:db8::/33", "2001:db8::/128", "2001:db8::/0", "2001:db8:0:1::/48", "2001:db8::1/96"]
        {
            assert!(nat64(text).is_none(), "{text}");
        }
        assert!(nat64("2001:db8:122:344:100::/96").is_none(), "bits 64 to 71");
        assert!(nat64("2001:db8:122:344:10::/96").is_some());
    }

    #[test]
    fn a_prefix_of_the_block_for_local_use_is_known_once_it_is_named() {
        let ip = "64:ff9b:1:2::909:909".parse().unwrap();
        assert!(is_of_unknown_translator(ip, &[]));
        assert!(is_of_unknown_translator(ip, &[nat64("64:ff9b:1:3::/96").unwrap()]));
        assert!(!is_of_unknown_translator(ip, &[nat64("64:ff9b:1:2::/96").unwrap()]));
        for other in ["64:ff9b::909:909", "64:ff9b:2::909:909", "9.9.9.9"] {
            assert!(!is_of_unknown_translator(other.parse().unwrap(), &[]), "{other}");
        }
    }
}
