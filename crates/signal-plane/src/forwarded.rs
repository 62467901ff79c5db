//! Whose request it is that a trusted proxy passes on: `X-Forwarded-For`, or `Forwarded` (RFC 7239).
//!
//! Only the header that the operator names is read: a proxy sets one of them and hands on the other as its
//! client wrote it.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use hyper::header::{self, HeaderMap, HeaderName};

/// Who is trusted to tell a client's address, and how they tell it. By default nobody.
#[derive(Clone, Default)]
pub struct Proxies {
    header: AddressHeader,
    /// Each of one family.
    trusted: Vec<RangeInclusive<IpAddr>>,
}

/// The header by which a proxy tells a client's address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddressHeader {
    /// `X-Forwarded-For`: addresses, each proxy's client behind those before it.
    #[default]
    XForwardedFor,
    /// `Forwarded`, RFC 7239.
    Forwarded,
}

impl Proxies {
    /// Those in `trusted`, ranges of one family each, telling it by `header`.
    pub fn new(header: AddressHeader, trusted: Vec<RangeInclusive<IpAddr>>) -> Self {
        Self { header, trusted }
    }

    /// Whether an address is a trusted proxy's.
    pub fn is_trusted(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|range| range.contains(&address.to_canonical()))
    }

    /// The client's address: the last one that no trusted proxy has. What stands before it was there when the
    /// request came in, and a client may write what it likes. Nothing if the proxy does not tell an address.
    pub(crate) fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let name = match self.header {
            AddressHeader::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            AddressHeader::Forwarded => header::FORWARDED,
        };
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        // Not even quotation marks are minded: those of a client could reach into what a proxy has added.
        let elements = lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        for element in elements {
            let element = std::str::from_utf8(element).ok()?;
            let node = match self.header {
                AddressHeader::XForwardedFor => element,
                AddressHeader::Forwarded => parameter_for(element)?,
            };
            let address = parse(node.trim())?;
            if !self.is_trusted(address) {
                return Some(address);
            }
        }
        None
    }
}

/// The value of the one `for` of an element, without its quotation marks.
fn parameter_for(element: &str) -> Option<&str> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut values = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (Some((_, value)), None) = (values.next(), values.next()) else { return None };
    let value = value.trim();
    Some(value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value))
}

/// An address with or without a port; one of IPv6 with or without brackets.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()));
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: AddressHeader, lines: &[&str]) -> Option<String> {
        let range = |first: &str, last: &str| first.parse().unwrap()..=last.parse().unwrap();
        let trusted = vec![range("127.0.0.1", "127.0.0.1"), range("10.0.0.0", "10.0.0.255")];
        let mut headers = HeaderMap::new();
        let (name, other) = match header {
            AddressHeader::XForwardedFor => ("x-forwarded-for", "forwarded"),
            AddressHeader::Forwarded => ("forwarded", "x-forwarded-for"),
        };
        headers.append(other, "for=192.0.2.66".parse().unwrap());
        for line in lines {
            headers.append(name, line.parse().unwrap());
        }
        Proxies::new(header, trusted).client(&headers).map(|address| address.to_string())
    }

    #[test]
    fn the_last_address_that_is_no_proxy_is_the_clients() {
        for (lines, expected) in [
            (&["203.0.113.5"][..], Some("203.0.113.5")),
            (&["192.0.2.1, 203.0.113.5"], Some("203.0.113.5")),
            (&["203.0.113.5, 10.0.0.7"], Some("203.0.113.5")),
            (&["192.0.2.1", "203.0.113.5, 10.0.0.7", "10.0.0.8"], Some("203.0.113.5")),
            (&["203.0.113.5:4711"], Some("203.0.113.5")),
            (&["2001:db8::5"], Some("2001:db8::5")),
            (&["[2001:db8::5]:4711"], Some("2001:db8::5")),
            (&["::ffff:203.0.113.5"], Some("203.0.113.5")),
            (&["nonsense,203.0.113.5"], Some("203.0.113.5")),
            (&["203.0.113.5, unknown"], None),
            (&["203.0.113.5,"], None),
            (&["10.0.0.7"], None),
            (&[""], None),
            (&[], None),
        ] {
            assert_eq!(client(AddressHeader::XForwardedFor, lines).as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_same_of_rfc_7239() {
        for (lines, expected) in [
            (&["for=203.0.113.5"][..], Some("203.0.113.5")),
            (&["For=203.0.113.5;proto=https;by=10.0.0.7"], Some("203.0.113.5")),
            (&["for=192.0.2.1, for=203.0.113.5;proto=http"], Some("203.0.113.5")),
            (&["for=\"[2001:db8::5]:4711\", for=10.0.0.9"], Some("2001:db8::5")),
            (&["for=\"[2001:db8::5]\""], Some("2001:db8::5")),
            (&["for=\"203.0.113.5:80\""], Some("203.0.113.5")),
            // What a client left open does not swallow what the proxy added.
            (&["for=\"192.0.2.1", "for=203.0.113.5"], Some("203.0.113.5")),
            (&["for=203.0.113.5, for=_hidden"], None),
            (&["for=203.0.113.5;for=192.0.2.1"], None),
            (&["proto=https"], None),
            (&["203.0.113.5"], None),
            (&[], None),
        ] {
            assert_eq!(client(AddressHeader::Forwarded, lines).as_deref(), expected, "{lines:?}");
        }
    }
}
