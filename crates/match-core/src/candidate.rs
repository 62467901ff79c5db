//! The gate for one ICE candidate: rewritten so that it tells the partner where to send and nothing else
//! (RFC 8839 §5.1).
//!
//! It judges the text, and leaves out what could only lead the partner's browser astray: to its own machine,
//! to a service of its network. Whether a candidate that is not relayed may pass is the session's exposure;
//! whether a relayed address is a live allocation of this session is the relay's own rule.

use std::net::IpAddr;

use crate::gate::BadPayload;
use crate::limits::{CANDIDATE_BYTES_MAX, CANDIDATE_PORT_MIN};

/// A candidate that has been written anew.
#[derive(PartialEq, Eq)]
pub(crate) struct Rewritten {
    /// The `candidate-attribute` without its `a=`; none where no partner of a call can be there.
    pub(crate) text: Option<String>,
    /// Whether it is anything but a relayed one over UDP, so that it tells where its sender is.
    pub(crate) is_exposing: bool,
}

/// Reads a `candidate-attribute` without its `a=` and writes it anew: no related address, no extension but
/// `generation` and `ufrag`.
pub(crate) fn rewritten(text: &str) -> Result<Rewritten, BadPayload> {
    let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if !printable || text.len() > CANDIDATE_BYTES_MAX {
        return Err(BadPayload::Candidate);
    }
    let fields = text.strip_prefix("candidate:").ok_or(BadPayload::Candidate)?;
    // Splitting at each single space leaves an empty field where the grammar allows none.
    let mut fields = fields.split(' ');
    let mut next = || fields.next().ok_or(BadPayload::Candidate);
    let foundation = next()?;
    let component = next()?;
    let transport = next()?;
    let priority = next()?;
    let address = next()?;
    let port = next()?;
    if next()? != "typ" {
        return Err(BadPayload::Candidate);
    }
    let kind = next()?;
    let is_tcp = transport.eq_ignore_ascii_case("tcp");
    if !is_tcp && !transport.eq_ignore_ascii_case("udp") {
        return Err(BadPayload::Candidate);
    }
    let is_relayed = kind == "relay";
    if !matches!(kind, "host" | "srflx" | "prflx" | "relay") || is_relayed && is_tcp {
        return Err(BadPayload::Candidate);
    }
    let component = number(component, 256).filter(|component| *component > 0);
    let (component, priority) = (component.ok_or(BadPayload::Candidate)?, number(priority, u32::MAX));
    let priority = priority.ok_or(BadPayload::Candidate)?;
    let ip = address.parse::<IpAddr>().ok();
    if ip.is_none() && !(kind == "host" && is_hidden_name(address)) {
        return Err(BadPayload::Candidate);
    }
    let port = number(port, u16::MAX.into()).filter(|port| *port > 0).ok_or(BadPayload::Candidate)?;
    if !is_ice_chars(foundation, 1, 32) {
        return Err(BadPayload::Candidate);
    }
    // Two browsers do not meet over TCP: neither listens. What listens there is something else.
    let is_usable = !is_tcp && port >= CANDIDATE_PORT_MIN && ip.is_none_or(|ip| can_hold(ip, is_relayed));
    let address = ip.map_or_else(|| address.to_owned(), |ip| ip.to_string());
    let mut out = format!("candidate:{foundation} {component} udp {priority} {address} {port} typ {kind}");
    if kind != "host" {
        // RFC 8839 §5.1: these types have a related address.
        let blank = if ip.is_some_and(|ip| ip.is_ipv6()) { "::" } else { "0.0.0.0" };
        out.push_str(&format!(" raddr {blank} rport 9"));
    }
    extensions(fields, is_tcp, &mut out)?;
    Ok(Rewritten { text: is_usable.then_some(out), is_exposing: !is_relayed })
}

/// Whether a partner can be at an address. Private ones can be: two of one network meet by them. Loopback
/// only leads back to whoever asks, unless the relay is there, on a machine where everything is tried out.
fn can_hold(ip: IpAddr, is_relayed: bool) -> bool {
    if ip.is_loopback() {
        return is_relayed;
    }
    match ip {
        IpAddr::V4(ip) => (1..224).contains(&ip.octets()[0]) && !ip.is_link_local(),
        // Global unicast and unique local addresses: no mapped, link-local, multicast or reserved ones.
        IpAddr::V6(ip) => ip.segments()[0] & 0xe000 == 0x2000 || ip.segments()[0] & 0xfe00 == 0xfc00,
    }
}

/// Whether a host name is one that browsers make up to hide an address within the local network: a UUID,
/// unlike the name of a printer.
fn is_hidden_name(text: &str) -> bool {
    let Some(name) = text.strip_suffix(".local") else { return false };
    name.len() == 36
        && name.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether a text is made of `ice-char`s only (RFC 8839 §5.1) and of a length within the bounds.
pub(crate) fn is_ice_chars(text: &str, bytes_min: usize, bytes_max: usize) -> bool {
    (bytes_min..=bytes_max).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/')
}

/// Decimal digits only, no sign, no more than the bound.
pub(crate) fn number(text: &str, max: u32) -> Option<u32> {
    let digits = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|value| digits && *value <= max)
}

/// Carries over the extensions a browser needs and drops every other pair, the related address among them.
fn extensions<'a>(
    mut fields: impl Iterator<Item = &'a str>,
    is_tcp: bool,
    out: &mut String,
) -> Result<(), BadPayload> {
    while let Some(name) = fields.next() {
        let value = fields.next().ok_or(BadPayload::Candidate)?;
        if name.is_empty() || value.is_empty() {
            return Err(BadPayload::Candidate);
        }
        let keep = match name {
            "generation" => number(value, u32::MAX).is_some(),
            "ufrag" => is_ice_chars(value, 4, 256),
            "tcptype" if is_tcp => matches!(value, "active" | "passive" | "so"),
            _ => continue,
        };
        if !keep {
            return Err(BadPayload::Candidate);
        }
        for part in [" ", name, " ", value] {
            out.push_str(part);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(given: &str) -> Result<(Option<String>, bool), BadPayload> {
        rewritten(given).map(|it| (it.text, it.is_exposing))
    }

    #[test]
    fn a_relayed_candidate_loses_what_it_tells() {
        for (given, expected) in [
            (
                "candidate:1 1 udp 41885439 192.0.2.1 50000 typ relay raddr 198.51.100.7 rport 4242 \
                 generation 0 ufrag aB3+ network-id 1 network-cost 50",
                "candidate:1 1 udp 41885439 192.0.2.1 50000 typ relay raddr 0.0.0.0 rport 9 generation 0 \
                 ufrag aB3+",
            ),
            (
                "candidate:8 2 UDP 7 2001:db8::1 5000 typ relay",
                "candidate:8 2 udp 7 2001:db8::1 5000 typ relay raddr :: rport 9",
            ),
        ] {
            assert!(text(given) == Ok((Some(expected.to_owned()), false)), "{given}");
        }
    }

    #[test]
    fn row_152_characters_outside_the_grammar() {
        let long = format!("candidate:1 1 udp 1 192.0.2.1 5000 typ relay x {}", "y".repeat(600));
        for given in [
            "",
            "candidate:",
            "1 1 udp 1 192.0.2.1 5000 typ relay",
            "a=candidate:1 1 udp 1 192.0.2.1 5000 typ relay",
            "candidate:1 1 udp 1 192.0.2.1 5000 typ",
            "candidate:1  1 udp 1 192.0.2.1 5000 typ relay",
            "candidate:1 1 udp 1 192.0.2.1 5000 typ relay ",
            "candidate:1 1 udp 1 192.0.2.1 5000 typ relay\r\na=crypto:1 x",
            "candidate:1\n 1 udp 1 192.0.2.1 5000 typ relay",
            "candidate:1 1 udp 1 192.0.2.1 5000 typ relay generation 0\r",
            "candidate:1 1 udp 1 192.0.2.1 5000 typ relay x \0",
            "candidate:1 1 udp 1 192.0.2.1 5000 typ relay generation -1",
            "candidate:1 1 udp 1 192.0.2.1 5000 typ relay ufrag a;b!",
            "candidate:1 1 udp 1 192.0.2.1 5000 typ relay raddr",
            "candidate:1 0 udp 1 192.0.2.1 5000 typ relay",
            "candidate:1 257 udp 1 192.0.2.1 5000 typ relay",
            "candidate:1 1 udp 4294967296 192.0.2.1 5000 typ relay",
            "candidate:1 1 udp +1 192.0.2.1 5000 typ relay",
            "candidate:1 1 udp 1 192.0.2.1 0 typ relay",
            "candidate:1 1 udp 1 192.0.2.1 65536 typ relay",
            "candidate:1 1 udp 1 turn.example.org 5000 typ relay",
            "candidate:1 1 udp 1 printer.example.org 5000 typ host",
            "candidate:1 1 udp 1 a.b.local 5000 typ host",
            "candidate:1 1 udp 1 printer.local 5000 typ host",
            "candidate:1 1 udp 1 0b1c2d3e-aaaa-bbbb-cccc-0123456789abc.local 5000 typ host",
            "candidate:1 1 udp 1 0b1c2d3e-aaaa-bbbb-cccc_0123456789ab.local 5000 typ host",
            "candidate:1 1 udp 1 x.local 5000 typ relay",
            "candidate:1 1 sctp 1 192.0.2.1 5000 typ relay",
            "candidate:1 1 tcp 1518 192.0.2.1 9 typ relay tcptype passive",
            "candidate:1 1 tcp 1518 192.0.2.1 9 typ host tcptype x",
            "candidate:1 1 udp 2122 192.0.2.1 5000 typ RELAY",
            "candidate:1 1 udp 1 0xc0.0.2.1 5000 typ relay",
            "candidate:abcdefghijklmnopqrstuvwxyz0123456789 1 udp 1 192.0.2.1 5000 typ relay",
            &long,
        ] {
            assert!(text(given) == Err(BadPayload::Candidate), "{given:?}");
        }
    }

    #[test]
    fn row_154_what_tells_where_its_sender_is_is_marked_and_tells_no_more() {
        for (given, expected) in [
            (
                "candidate:1 1 udp 2122 192.0.2.1 5000 typ host network-id 3",
                "candidate:1 1 udp 2122 192.0.2.1 5000 typ host",
            ),
            (
                "candidate:1 1 udp 2122 192.0.2.1 5000 typ srflx raddr 10.0.0.1 rport 7",
                "candidate:1 1 udp 2122 192.0.2.1 5000 typ srflx raddr 0.0.0.0 rport 9",
            ),
            (
                "candidate:1 1 udp 2122 2001:db8::1 5000 typ prflx raddr fd00::1 rport 7",
                "candidate:1 1 udp 2122 2001:db8::1 5000 typ prflx raddr :: rport 9",
            ),
            (
                "candidate:1 1 udp 2122 0b1c2d3e-aaaa-bbbb-cccc-0123456789ab.local 5000 typ host",
                "candidate:1 1 udp 2122 0b1c2d3e-aaaa-bbbb-cccc-0123456789ab.local 5000 typ host",
            ),
        ] {
            assert!(text(given) == Ok((Some(expected.to_owned()), true)), "{given}");
        }
    }

    #[test]
    fn row_155_no_candidate_leads_to_a_service_or_back_to_whoever_asks() {
        for place in [
            "192.168.0.1 80 typ host",
            "192.168.0.1 1023 typ srflx",
            "192.0.2.1 53 typ relay",
            "0.0.0.0 5000 typ host",
            "0.1.2.3 5000 typ host",
            "127.0.0.1 5000 typ host",
            "127.255.255.255 5000 typ srflx",
            "169.254.169.254 5000 typ host",
            "224.0.0.251 5353 typ host",
            "239.255.255.250 1900 typ prflx",
            "255.255.255.255 5000 typ host",
            "240.0.0.1 5000 typ relay",
            ":: 5000 typ host",
            "::1 5000 typ host",
            "::ffff:127.0.0.1 5000 typ host",
            "::ffff:192.168.0.1 5000 typ relay",
            "::7f00:1 5000 typ host",
            "64:ff9b::7f00:1 5000 typ host",
            "fe80::1 5000 typ host",
            "fec0::1 5000 typ host",
            "ff02::fb 5353 typ host",
        ] {
            let given = format!("candidate:1 1 udp 2122 {place}");
            assert!(text(&given) == Ok((None, !place.ends_with("relay"))), "{given}");
        }
        for kind in ["active", "passive", "so"] {
            let given = format!("candidate:1 1 tcp 1518 192.168.0.1 8080 typ host tcptype {kind}");
            assert!(text(&given) == Ok((None, true)), "{given}");
        }
    }

    #[test]
    fn where_two_of_one_network_or_one_machine_meet_is_left_in() {
        for place in [
            "192.168.0.1 1024 typ host",
            "10.0.0.1 65535 typ host",
            "172.16.0.1 5000 typ host",
            "100.64.0.1 5000 typ host",
            "192.168.0.1 5000 typ srflx raddr 0.0.0.0 rport 9",
            "fd00::1 5000 typ host",
            "2001:db8::1 5000 typ host",
            "127.0.0.1 5000 typ relay raddr 0.0.0.0 rport 9",
            "::1 5000 typ relay raddr :: rport 9",
        ] {
            let given = format!("candidate:1 1 udp 2122 {place}");
            assert!(rewritten(&given).is_ok_and(|it| it.text.as_ref() == Some(&given)), "{given}");
        }
    }
}
