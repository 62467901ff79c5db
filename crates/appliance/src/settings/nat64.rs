//! `relay.nat64`: the prefixes by which the networks around reach IPv4, parsed strictly. RFC 6052.
//!
//! What a prefix means for a peer is decided elsewhere.

use std::net::Ipv6Addr;

use turn_core::Nat64;

use super::draft::Draft;

/// All prefixes of the list, but for those that are refused.
pub(super) fn read(draft: &mut Draft) -> Vec<Nat64> {
    let mut prefixes = Vec::new();
    for (text, place) in draft.texts(KEY) {
        match parse(&text) {
            Ok(prefix) => prefixes.push(prefix),
            Err((wrong, right)) => draft.refuse(KEY, place, wrong, right),
        }
    }
    prefixes
}

fn parse(text: &str) -> Result<Nat64, (&'static str, &'static str)> {
    let is_no_prefix = ("is not an IPv6 prefix", "write it like \"2001:db8:64::/96\"");
    let (prefix, bits) = text.split_once('/').ok_or(is_no_prefix)?;
    let prefix: Ipv6Addr = prefix.trim().parse().map_err(|_| is_no_prefix)?;
    let bits = match bits {
        "32" => 32,
        "40" => 40,
        "48" => 48,
        "56" => 56,
        "64" => 64,
        "96" => 96,
        _ => {
            let right = "write /32, /40, /48, /56, /64 or /96, as the translator has it";
            return Err(("has a length that RFC 6052 does not know", right));
        }
    };
    Nat64::new(prefix, bits).ok_or(if prefix.to_bits() << bits == 0 {
        ("has bits set among those from 64 to 71", "write zeros there, as RFC 6052 §2.2 asks")
    } else {
        ("has bits set behind its prefix length", "write the prefix's first address")
    })
}

const KEY: &str = "relay.nat64";
