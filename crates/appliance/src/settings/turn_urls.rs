//! `relay.urls`: by what URLs clients reach the relay, where that is not by our name and ports. RFC 7065.
//!
//! It does not ask the network whether anybody answers there.

use std::net::Ipv6Addr;

use super::draft::Draft;
use super::server::is_host;
use crate::limits::TURN_URLS_MAX;

/// The URLs, in the operator's order.
pub(super) fn read(draft: &mut Draft) -> Vec<String> {
    let key = "relay.urls";
    let mut urls: Vec<String> = Vec::new();
    for (text, place) in draft.texts(key) {
        let url = text.to_ascii_lowercase();
        if !is_turn_url(&url) {
            let right =
                "write it like \"turn:chat.example.org:3478?transport=udp\", an IPv6 address in brackets";
            draft.refuse(key, place, "is not a TURN URL with port and transport", right);
        } else if urls.contains(&url) {
            draft.refuse(key, place, "stands there twice", "keep one");
        } else if urls.len() == TURN_URLS_MAX {
            let right = format!("keep the best {TURN_URLS_MAX}; each costs every call an attempt");
            draft.refuse(key, place, "is one too many", &right);
        } else {
            urls.push(url);
        }
    }
    urls
}

/// RFC 7065 §3.1, where port and transport are optional; what clients make of their absence differs.
fn is_turn_url(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("turn:").or_else(|| url.strip_prefix("turns:")) else { return false };
    let Some(at) = ["udp", "tcp"].iter().find_map(|it| rest.strip_suffix(it)?.strip_suffix("?transport="))
    else {
        return false;
    };
    let Some((host, port)) = at.rsplit_once(':') else { return false };
    let is_named = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.contains(':') && is_host(host),
    };
    is_named
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_turn_are_told_from_others() {
        for url in [
            "turn:chat.example.org:443?transport=udp",
            "turns:chat.example.org:443?transport=tcp",
            "turns:203.0.113.5:5349?transport=udp",
            "turn:[2001:db8::1]:3478?transport=tcp",
        ] {
            assert!(is_turn_url(url), "{url}");
        }
        for url in [
            "",
            "turn:",
            "stun:chat.example.org:3478",
            "turn:chat.example.org",
            "turn:chat.example.org:3478",
            "turn:chat.example.org?transport=udp",
            "turn://chat.example.org:3478?transport=udp",
            "turn:chat.example.org:0?transport=udp",
            "turn:chat.example.org:+1?transport=udp",
            "turn:chat.example.org:65536?transport=udp",
            "turn:chat.example.org:3478?transport=sctp",
            "turn:2001:db8::1:3478?transport=udp",
            "turn:user@chat.example.org:3478?transport=udp",
        ] {
            assert!(!is_turn_url(url), "{url}");
        }
    }
}
