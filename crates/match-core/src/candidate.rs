//! The gate for one ICE candidate: rewritten so that it tells the partner where to send and nothing else
//! (RFC 8839 §5.1).
//!
//! It judges the text. Whether a candidate that is not relayed may pass is the session's exposure; whether a
//! relayed address is a live allocation of this session is the relay's own rule.

use std::net::IpAddr;

use crate::gate::BadPayload;
use crate::limits::CANDIDATE_BYTES_MAX;

/// A candidate that has been written anew.
#[derive(PartialEq, Eq)]
pub(crate) struct Rewritten {
    /// The `candidate-attribute` without its `a=`.
    pub(crate) text: String,
    /// Whether it is anything but a relayed one over UDP, so that it tells where its sender is.
    pub(crate) is_exposing: bool,
}

/// Reads a `candidate-attribute` without its `a=` and writes it anew: no related address, no extension but
/// `generation`, `ufrag` and, where TCP asks for it, `tcptype`.
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
    let transport = match transport.to_ascii_lowercase().as_str() {
        "udp" => "udp",
        "tcp" => "tcp",
        _ => return Err(BadPayload::Candidate),
    };
    if !matches!(kind, "host" | "srflx" | "prflx" | "relay") || kind == "relay" && transport == "tcp" {
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
    let address = ip.map_or_else(|| address.to_owned(), |ip| ip.to_string());
    let mut out =
        format!("candidate:{foundation} {component} {transport} {priority} {address} {port} typ {kind}");
    if kind != "host" {
        // RFC 8839 §5.1: these types have a related address.
        let blank = if ip.is_some_and(|ip| ip.is_ipv6()) { "::" } else { "0.0.0.0" };
        out.push_str(&format!(" raddr {blank} rport 9"));
    }
    extensions(fields, transport == "tcp", &mut out)?;
    Ok(Rewritten { text: out, is_exposing: kind != "relay" })
}

/// Whether a host name is a random one that hides an address within the local network.
fn is_hidden_name(text: &str) -> bool {
    text.strip_suffix(".local").is_some_and(|name| {
        (1..=63).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
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

    fn text(given: &str) -> Result<(String, bool), BadPayload> {
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
                "candidate:8 2 UDP 7 2001:db8::1 1 typ relay",
                "candidate:8 2 udp 7 2001:db8::1 1 typ relay raddr :: rport 9",
            ),
        ] {
            assert!(text(given) == Ok((expected.to_owned(), false)), "{given}");
        }
    }

    #[test]
    fn row_152_characters_outside_the_grammar() {
        let long = format!("candidate:1 1 udp 1 192.0.2.1 5 typ relay x {}", "y".repeat(600));
        for given in [
            "",
            "candidate:",
            "1 1 udp 1 192.0.2.1 5 typ relay",
            "a=candidate:1 1 udp 1 192.0.2.1 5 typ relay",
            "candidate:1 1 udp 1 192.0.2.1 5 typ",
            "candidate:1  1 udp 1 192.0.2.1 5 typ relay",
            "candidate:1 1 udp 1 192.0.2.1 5 typ relay ",
            "candidate:1 1 udp 1 192.0.2.1 5 typ relay\r\na=crypto:1 x",
            "candidate:1\n 1 udp 1 192.0.2.1 5 typ relay",
            "candidate:1 1 udp 1 192.0.2.1 5 typ relay generation 0\r",
            "candidate:1 1 udp 1 192.0.2.1 5 typ relay x \0",
            "candidate:1 1 udp 1 192.0.2.1 5 typ relay generation -1",
            "candidate:1 1 udp 1 192.0.2.1 5 typ relay ufrag a;b!",
            "candidate:1 1 udp 1 192.0.2.1 5 typ relay raddr",
            "candidate:1 0 udp 1 192.0.2.1 5 typ relay",
            "candidate:1 257 udp 1 192.0.2.1 5 typ relay",
            "candidate:1 1 udp 4294967296 192.0.2.1 5 typ relay",
            "candidate:1 1 udp +1 192.0.2.1 5 typ relay",
            "candidate:1 1 udp 1 192.0.2.1 0 typ relay",
            "candidate:1 1 udp 1 192.0.2.1 65536 typ relay",
            "candidate:1 1 udp 1 turn.example.org 5 typ relay",
            "candidate:1 1 udp 1 printer.example.org 5 typ host",
            "candidate:1 1 udp 1 a.b.local 5 typ host",
            "candidate:1 1 udp 1 x.local 5 typ relay",
            "candidate:1 1 sctp 1 192.0.2.1 5 typ relay",
            "candidate:1 1 tcp 1518 192.0.2.1 9 typ relay tcptype passive",
            "candidate:1 1 tcp 1518 192.0.2.1 9 typ host tcptype x",
            "candidate:1 1 udp 2122 192.0.2.1 5 typ RELAY",
            "candidate:1 1 udp 1 0xc0.0.2.1 5 typ relay",
            "candidate:abcdefghijklmnopqrstuvwxyz0123456789 1 udp 1 192.0.2.1 5 typ relay",
            &long,
        ] {
            assert!(text(given) == Err(BadPayload::Candidate), "{given:?}");
        }
    }

    #[test]
    fn row_154_what_tells_where_its_sender_is_is_marked_and_tells_no_more() {
        for (given, expected) in [
            (
                "candidate:1 1 udp 2122 192.0.2.1 5 typ host network-id 3",
                "candidate:1 1 udp 2122 192.0.2.1 5 typ host",
            ),
            (
                "candidate:1 1 udp 2122 192.0.2.1 5 typ srflx raddr 10.0.0.1 rport 7",
                "candidate:1 1 udp 2122 192.0.2.1 5 typ srflx raddr 0.0.0.0 rport 9",
            ),
            (
                "candidate:1 1 udp 2122 2001:db8::1 5 typ prflx raddr fd00::1 rport 7",
                "candidate:1 1 udp 2122 2001:db8::1 5 typ prflx raddr :: rport 9",
            ),
            (
                "candidate:1 1 udp 2122 0b1c2d3e-aaaa-bbbb-cccc-0123456789ab.local 5 typ host",
                "candidate:1 1 udp 2122 0b1c2d3e-aaaa-bbbb-cccc-0123456789ab.local 5 typ host",
            ),
            (
                "candidate:1 1 tcp 1518 192.0.2.1 9 typ host tcptype active",
                "candidate:1 1 tcp 1518 192.0.2.1 9 typ host tcptype active",
            ),
        ] {
            assert!(text(given) == Ok((expected.to_owned(), true)), "{given}");
        }
    }
}
