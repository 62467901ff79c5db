//! `[listen]`: the addresses, and that no two of them are in each other's way.
//!
//! Nothing is bound here.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use signal_plane::AddressHeader;

use super::draft::{Draft, Place};
use super::range::Range;

/// The addresses to listen on. Port 0 is any free port.
#[derive(Clone, PartialEq, Eq)]
pub struct Listen {
    /// STUN and TURN over UDP and TCP.
    pub turn: Vec<SocketAddr>,
    /// TURN over TLS and DTLS.
    pub turns: Vec<SocketAddr>,
    /// HTTPS, QUIC, and TURN over everything.
    pub web: Vec<SocketAddr>,
    /// HTTP that only sends people to HTTPS.
    pub http: Vec<SocketAddr>,
    /// HTTP on loopback.
    pub local: Vec<SocketAddr>,
    /// Metrics and health.
    pub admin: SocketAddr,
    /// Who tells whose connections it passes on: by the PROXY protocol, to `local` by a header of HTTP.
    pub trusted_proxies: Vec<Range>,
    /// Which header that is.
    pub address_header: AddressHeader,
}

impl Listen {
    /// Reads the section; `ipv6` says whether this machine can listen on IPv6 at all.
    pub(super) fn read(draft: &mut Draft, ipv6: bool, notices: &mut Vec<String>) -> Self {
        let trusted_proxies = Range::read_all(draft, "listen.trusted_proxies");
        let address_header = match draft.text("listen.address_header").as_str() {
            "forwarded" => AddressHeader::Forwarded,
            _ => AddressHeader::XForwardedFor,
        };
        let mut taken = Taken::default();
        let turn = taken.list(draft, "listen.turn", ipv6, notices);
        let turns = taken.list(draft, "listen.turns", ipv6, notices);
        let ways_in = ["listen.turn", "listen.turns", "listen.web"];
        if ways_in.iter().all(|key| draft.entries(key).is_empty()) {
            let wrong = "is empty like listen.turns and listen.web, and nobody reaches the relay";
            let right = "name an address and a port, like \"0.0.0.0:3478\"";
            draft.refuse("listen.turn", draft.place("listen.turn"), wrong, right);
        }
        let web = taken.list(draft, "listen.web", ipv6, notices);
        let local = taken.list(draft, "listen.local", ipv6, notices);
        let http = taken.list(draft, "listen.http", ipv6, notices);
        if web.is_empty() && !http.is_empty() {
            let wrong = "sends people to HTTPS, and listen.web is empty";
            draft.refuse("listen.http", draft.place("listen.http"), wrong, "remove it or fill listen.web");
        }
        let admin = draft.text("listen.admin");
        let place = draft.place("listen.admin");
        let admin = taken.one(draft, "listen.admin", &admin, place, ipv6).unwrap_or(ADMIN_DEFAULT);
        if !admin.ip().is_loopback() {
            let port = match admin.port() {
                0 => "the port that the system chooses".to_owned(),
                port => format!("port {port}"),
            };
            notices.push(format!(
                "listen.admin is not a loopback address: whoever reaches {port} can read the metrics"
            ));
        }
        Self { turn, turns, web, http, local, admin, trusted_proxies, address_header }
    }

    /// All listening ports, with the key that names each.
    pub(crate) fn ports(&self) -> impl Iterator<Item = (&'static str, u16)> {
        self.all().into_iter().map(|(key, address)| (key, address.port()))
    }

    /// All listening addresses, with the key that names each.
    pub(super) fn all(&self) -> Vec<(&'static str, SocketAddr)> {
        let of = |key, list: &[SocketAddr]| list.iter().map(|a| (key, *a)).collect::<Vec<_>>();
        [
            of("listen.turn", &self.turn),
            of("listen.turns", &self.turns),
            of("listen.web", &self.web),
            of("listen.http", &self.http),
            of("listen.local", &self.local),
            of("listen.admin", &[self.admin]),
        ]
        .concat()
    }
}

/// The addresses read so far.
#[derive(Default)]
struct Taken(Vec<(&'static str, SocketAddr, Place)>);

impl Taken {
    fn list(
        &mut self,
        draft: &mut Draft,
        key: &'static str,
        ipv6: bool,
        notices: &mut Vec<String>,
    ) -> Vec<SocketAddr> {
        let mut addresses = Vec::new();
        for (text, place) in draft.texts(key) {
            if !ipv6 && place == Place::Default && text.starts_with('[') {
                notices
                    .push(format!("{key}: this machine has no IPv6; its default IPv6 address is left out"));
                continue;
            }
            addresses.extend(self.one(draft, key, &text, place, ipv6));
        }
        addresses
    }

    fn one(
        &mut self,
        draft: &mut Draft,
        key: &'static str,
        text: &str,
        place: Place,
        ipv6: bool,
    ) -> Option<SocketAddr> {
        let Ok(address) = text.parse::<SocketAddr>() else {
            let right = "write an address and a port up to 65535, like \"0.0.0.0:3478\" or \"[::]:3478\"";
            draft.refuse(key, place, "is not an address with a port", right);
            return None;
        };
        let refusal = if address.ip().is_multicast() || is_mapped(address.ip()) {
            Some(("is an address that nothing can listen on", "name an address of this machine"))
        } else if address.is_ipv6() && !ipv6 {
            Some(("is an IPv6 address, and this machine has no IPv6", "remove it or enable IPv6"))
        } else if key == "listen.local" && !address.ip().is_loopback() {
            let right = "use 127.0.0.1 or [::1] here, and listen.web (HTTPS) for others";
            Some(("must be a loopback address: it speaks plain HTTP", right))
        } else {
            None
        };
        if let Some((wrong, right)) = refusal {
            draft.refuse(key, place, wrong, right);
            return None;
        }
        if let Some(&(other, _, other_place)) = self.0.iter().find(|(_, other, _)| collide(*other, address)) {
            // The one that somebody wrote is the one to mend, not a default.
            let (key, place, other) = match place {
                Place::Default => (other, other_place, key),
                _ => (key, place, other),
            };
            let right = format!("{other} has it; choose another port");
            draft.refuse(key, place, "takes an address and port that is taken", &right);
            return None;
        }
        self.0.push((key, address, place));
        Some(address)
    }
}

/// Two listeners of one family and port, one of them on all addresses or both on the same.
pub(super) fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let wild = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0
        && one.port() == other.port()
        && one.is_ipv4() == other.is_ipv4()
        && (wild || one.ip() == other.ip())
}

fn is_mapped(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
}

/// Whether this machine can listen on IPv6. Some kernels have it and no address, which is enough to listen.
pub(crate) fn machine_has_ipv6() -> bool {
    let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    socket2::Socket::new(socket2::Domain::IPV6, socket2::Type::STREAM, None)
        .and_then(|socket| socket.bind(&any.into()))
        .is_ok()
}

/// Stands in for a refused address while the rest is read.
const ADMIN_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9_641);
