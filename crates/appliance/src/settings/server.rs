//! `[server]`: who we are to clients.
//!
//! It does not ask the network whether any of it is true.

use std::net::IpAddr;

use super::draft::Draft;
use crate::limits::HOST_NAME_BYTES_MAX;

/// Names, addresses and threads of this server.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// Host names that are us, in lower case; empty: any.
    pub names: Vec<String>,
    /// Public addresses behind a 1:1 NAT; where a family has several, each has its local one.
    pub external: Vec<External>,
    /// Web origins that may use the signaling, in lower case; empty: the same origin.
    pub origins: Vec<String>,
    /// Relay threads; 0: one per core.
    pub workers: usize,
    /// How long a stop waits for the last allocation to end, in seconds.
    pub drain_s: u32,
}

/// The address clients reach us by, where it is not one of ours.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct External {
    /// What clients see.
    pub public: IpAddr,
    /// Our own address that it stands for; without one, all of its family.
    pub local: Option<IpAddr>,
}

impl Server {
    pub(super) fn read(draft: &mut Draft) -> Self {
        let workers = draft.number("server.workers") as usize;
        let mut external: Vec<External> = Vec::new();
        for (text, place) in draft.texts("server.external") {
            let right = "write \"203.0.113.5\" or \"203.0.113.5/10.0.0.5\", both of one family";
            let Some(entry) = External::parse(&text) else {
                draft.refuse(
                    "server.external",
                    place,
                    "is not a public address, or not with a local one",
                    right,
                );
                continue;
            };
            let of_family = external.iter().filter(|other| other.public.is_ipv4() == entry.public.is_ipv4());
            let clashes = |other: &External| {
                other.local.is_none() || entry.local.is_none() || other.local == entry.local
            };
            if of_family.into_iter().any(clashes) {
                let wrong = "is a second address of its family for the same local address";
                let right = "keep one, or write each with the local address it stands for, \"PUBLIC/LOCAL\"";
                draft.refuse("server.external", place, wrong, right);
                continue;
            }
            external.push(entry);
        }
        let names = lower(
            draft,
            "server.names",
            is_host,
            "is not a host name",
            "write a name without scheme and port, like \"chat.example.org\"",
        );
        let origins = lower(
            draft,
            "server.origins",
            is_origin,
            "is not a web origin",
            "write scheme, host and perhaps port, like \"https://chat.example.org\", without a path",
        );
        Self { names, external, origins, workers, drain_s: draft.number("server.drain_s") }
    }
}

impl External {
    fn parse(text: &str) -> Option<Self> {
        let (public, local) = match text.split_once('/') {
            Some((public, local)) => (public, Some(parse_unicast(local)?)),
            None => (text, None),
        };
        let public = parse_unicast(public)?;
        let same_family = local.is_none_or(|local| local.is_ipv4() == public.is_ipv4());
        same_family.then_some(Self { public, local })
    }
}

fn parse_unicast(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.trim().parse().ok()?;
    let canonical = address.to_canonical() == address;
    (canonical && !address.is_unspecified() && !address.is_multicast()).then_some(address)
}

fn lower(draft: &mut Draft, key: &str, is_valid: fn(&str) -> bool, wrong: &str, right: &str) -> Vec<String> {
    let mut valid = Vec::new();
    for (text, place) in draft.texts(key) {
        let text = text.to_ascii_lowercase();
        if is_valid(&text) {
            valid.push(text);
        } else {
            draft.refuse(key, place, wrong, right);
        }
    }
    valid
}

/// A host name or an address, as it stands in a URL without its port.
pub(super) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.parse::<IpAddr>().is_ok() || (text.len() <= HOST_NAME_BYTES_MAX && text.split('.').all(label))
}

fn is_origin(text: &str) -> bool {
    let Some(host) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) else {
        return false;
    };
    if let Some(bracketed) = host.strip_prefix('[') {
        let Some((address, port)) = bracketed.split_once(']') else { return false };
        let port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return port && address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    match host.split_once(':') {
        Some((host, port)) => is_host(host) && is_port(port),
        None => is_host(host),
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_origins_are_told_from_urls() {
        for host in ["chat.example.org", "localhost", "203.0.113.5", "2001:db8::1", "a-b.c"] {
            assert!(is_host(host), "{host}");
        }
        for host in ["", "https://a", "a:80", "a..b", "-a", "a/b", "*.a", "a b"] {
            assert!(!is_host(host), "{host}");
        }
        for origin in ["https://a.b", "http://localhost:8080", "https://[2001:db8::1]:8443", "https://[::1]"]
        {
            assert!(is_origin(origin), "{origin}");
        }
        for origin in
            ["a.b", "https://", "https://a/", "https://a:0", "https://a:99999", "ftp://a", "https://[::1"]
        {
            assert!(!is_origin(origin), "{origin}");
        }
    }

    #[test]
    fn external_addresses_are_unicast_and_of_one_family() {
        assert!(External::parse("203.0.113.5").is_some_and(|e| e.local.is_none()));
        assert!(External::parse("203.0.113.5/10.0.0.5").is_some_and(|e| e.local.is_some()));
        for text in ["", "203.0.113.5/", "203.0.113.5/::1", "0.0.0.0", "224.0.0.1", "::ffff:10.0.0.1", "a"] {
            assert!(External::parse(text).is_none(), "{text}");
        }
    }
}
