//! The TURN URLs that browsers get, in the order in which they should try them.
//!
//! Not the credentials. RFC 7065 (URLs of TURN).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The ports by which the relay is reached.
#[derive(Default)]
pub(crate) struct Ports {
    udp: BTreeSet<u16>,
    tcp: BTreeSet<u16>,
    /// In the order given: TURN's own before the web's, which other TLS services compete for.
    tls: Vec<u16>,
}

impl Ports {
    /// `tls` is empty where browsers would refuse the certificate: Chromium and Firefox verify it for TURN as
    /// they do for pages, but ask nobody. A URL that can only fail would cost every call a handshake.
    pub(crate) fn new(udp: &[SocketAddr], tcp: &[SocketAddr], tls: &[SocketAddr]) -> Self {
        let ports = |addresses: &[SocketAddr]| addresses.iter().map(SocketAddr::port).collect();
        let mut of_tls: Vec<u16> = Vec::new();
        for address in tls {
            if !of_tls.contains(&address.port()) {
                of_tls.push(address.port());
            }
        }
        Self { udp: ports(udp), tcp: ports(tcp), tls: of_tls }
    }

    /// The URLs for a client that knows us as `host`: UDP before TCP before TLS, because each is slower than
    /// the one before it and passes more firewalls. `beside`: an address that leads here too, to which no
    /// certificate is tied.
    pub(crate) fn urls(&self, host: &str, beside: Option<IpAddr>) -> Vec<String> {
        let hosts: Vec<String> =
            std::iter::once(url_host(host)).chain(beside.map(|ip| url_host(&ip.to_string()))).collect();
        let bare = |ports: &BTreeSet<u16>, way: Way| -> Vec<String> {
            let of_host =
                |host: &String| -> Vec<String> { ports.iter().map(|port| way.url(host, *port)).collect() };
            hosts.iter().flat_map(of_host).collect()
        };
        let tls = self.tls.iter().map(|port| Way::Tls.url(&hosts[0], *port));
        bare(&self.udp, Way::Udp).into_iter().chain(bare(&self.tcp, Way::Tcp)).chain(tls).collect()
    }
}

/// How a client reaches the relay.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    Udp,
    Tcp,
    Tls,
    /// TLS over UDP.
    Dtls,
}

impl Way {
    /// The URL by this way; `host` as [`url_host`] gives it.
    pub(crate) fn url(self, host: &str, port: u16) -> String {
        let (scheme, transport) = match self {
            Self::Udp => ("turn", "udp"),
            Self::Tcp => ("turn", "tcp"),
            Self::Tls => ("turns", "tcp"),
            Self::Dtls => ("turns", "udp"),
        };
        format!("{scheme}:{host}:{port}?transport={transport}")
    }
}

/// A host as it stands in a URL: an IPv6 address in brackets, if it is not already.
pub(crate) fn url_host(host: &str) -> String {
    if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        ([0, 0, 0, 0], port).into()
    }

    #[test]
    fn faster_transports_come_first_and_each_port_once() {
        let v6 = "[::]:3478".parse().unwrap();
        let ports = Ports::new(&[at(3478), v6], &[at(3478), v6], &[at(5349), at(443), at(5349)]);
        assert_eq!(
            ports.urls("chat.example.org", None),
            [
                "turn:chat.example.org:3478?transport=udp",
                "turn:chat.example.org:3478?transport=tcp",
                "turns:chat.example.org:5349?transport=tcp",
                "turns:chat.example.org:443?transport=tcp",
            ]
        );
    }

    #[test]
    fn an_address_beside_the_name_has_no_certificate() {
        let ports = Ports::new(&[at(1)], &[], &[at(2)]);
        assert_eq!(
            ports.urls("::1", Some([192, 0, 2, 1].into())),
            ["turn:[::1]:1?transport=udp", "turn:192.0.2.1:1?transport=udp", "turns:[::1]:2?transport=tcp"]
        );
    }

    #[test]
    fn hosts_stand_in_urls_as_rfc_7065_has_them() {
        for (host, expected) in [
            ("chat.example.org", "chat.example.org"),
            ("192.0.2.1", "192.0.2.1"),
            ("::1", "[::1]"),
            ("[::1]", "[::1]"),
        ] {
            assert_eq!(url_host(host), expected);
        }
    }
}
