//! Address ranges of `relay.allow`, `relay.deny` and `listen.trusted_proxies`, parsed strictly.
//!
//! A rule that its author read differently than we do is a hole, so everything doubtful is refused. What a
//! range means for a peer is decided elsewhere.

use std::net::IpAddr;

use super::draft::Draft;

/// All addresses from one to another, both included and of one family.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: IpAddr,
    last: IpAddr,
}

impl Range {
    /// Parses `10.0.0.0/8`, `10.0.0.5-10.0.0.9` or `10.0.0.5`; the same for IPv6.
    ///
    /// # Errors
    ///
    /// What is wrong and what would be right, without quoting the text.
    pub(crate) fn parse(text: &str) -> Result<Self, (&'static str, &'static str)> {
        let range = if let Some((address, bits)) = text.split_once('/') {
            Self::network(parse_address(address)?, bits)?
        } else if let Some((first, last)) = text.split_once('-') {
            Self { first: parse_address(first)?, last: parse_address(last)? }
        } else {
            let address = parse_address(text)?;
            Self { first: address, last: address }
        };
        if range.first.is_ipv4() != range.last.is_ipv4() {
            return Err(("mixes IPv4 and IPv6", "write a range for each family"));
        }
        if range.first > range.last {
            return Err(("has its ends swapped", "write the lower address first"));
        }
        Ok(range)
    }

    /// All ranges of a list, but for those that are refused.
    pub(super) fn read_all(draft: &mut Draft, key: &str) -> Vec<Self> {
        let mut ranges = Vec::new();
        for (text, place) in draft.texts(key) {
            match Self::parse(&text) {
                Ok(range) => ranges.push(range),
                Err((wrong, right)) => draft.refuse(key, place, wrong, right),
            }
        }
        ranges
    }

    /// The lowest address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// The highest address.
    pub fn last(&self) -> IpAddr {
        self.last
    }

    fn network(address: IpAddr, bits: &str) -> Result<Self, (&'static str, &'static str)> {
        let width = if address.is_ipv4() { 32 } else { 128 };
        let canonical = bits == "0" || !bits.starts_with(['0', '+']);
        let bits: u32 = bits
            .parse()
            .ok()
            .filter(|bits| *bits <= width && canonical)
            .ok_or(("has no valid prefix length", "write 0 to 32 for IPv4, 0 to 128 for IPv6"))?;
        let host_bits = width - bits;
        let host = 1_u128.checked_shl(host_bits).map_or(u128::MAX, |power| power - 1);
        let network = number(address);
        if network & host != 0 {
            return Err((
                "has bits set behind its prefix length",
                "write the network's first address, as in \"10.0.0.0/8\", or a single address without \"/\"",
            ));
        }
        Ok(Self { first: address, last: address_of(network | host, address.is_ipv4()) })
    }
}

fn parse_address(text: &str) -> Result<IpAddr, (&'static str, &'static str)> {
    let address: IpAddr = text.trim().parse().map_err(|_| {
        ("is no address range", "write it like \"10.0.0.0/8\", \"10.0.0.5-10.0.0.9\" or \"2001:db8::/32\"")
    })?;
    match address {
        IpAddr::V6(mapped) if mapped.to_ipv4_mapped().is_some() => {
            Err(("is an IPv4 address inside an IPv6 one", "write the IPv4 address itself"))
        }
        address => Ok(address),
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

fn address_of(number: u128, v4: bool) -> IpAddr {
    match u32::try_from(number) {
        Ok(number) if v4 => IpAddr::V4(number.into()),
        _ => IpAddr::V6(number.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(text: &str) -> Option<(String, String)> {
        Range::parse(text).ok().map(|range| (range.first().to_string(), range.last().to_string()))
    }

    #[test]
    fn networks_ranges_and_single_addresses_have_their_ends() {
        for (text, first, last) in [
            ("10.0.0.0/8", "10.0.0.0", "10.255.255.255"),
            ("0.0.0.0/0", "0.0.0.0", "255.255.255.255"),
            ("10.0.0.5/32", "10.0.0.5", "10.0.0.5"),
            ("10.0.0.5-10.0.0.9", "10.0.0.5", "10.0.0.9"),
            ("10.0.0.5", "10.0.0.5", "10.0.0.5"),
            ("::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
        ] {
            assert_eq!(ends(text), Some((first.to_owned(), last.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_could_be_read_two_ways_is_refused() {
        for text in [
            "10.0.0.1/8",
            "10.0.0.9-10.0.0.5",
            "10.0.0.0-::1",
            "::ffff:10.0.0.0/104",
            "::ffff:10.0.0.1",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "010.0.0.0/8",
            "10.0.0/8",
            "10.0.0.0/8/8",
            "10.0.0.0/255.0.0.0",
            "example.org",
            "",
        ] {
            assert!(Range::parse(text).is_err(), "{text}");
        }
    }
}
