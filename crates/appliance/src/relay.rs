//! The relay as the appliance runs it: settings to its configuration, and what the matcher asks of it.
//!
//! It makes no decision about a packet or a credential; `turn-core` does.

use std::iter;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use match_core::{IceServer, SessionId, Side};
use relay_plane::{RelayCounters, dtls};
use turn_core::{
    AddressPolicy, AddressRange, AllocationLimits, AnswerLimits, BandwidthLimits, Discovery, DropReason,
    Endpoint, External, ListenerId, PeerPolicy, Rules, SessionKey, SharedSecret, StaticUser, TicketKey,
    WorkerId,
};

use crate::back_ends::{self, BackEnd};
use crate::ice::Ports;
use crate::metrics::RelayNumbers;
use crate::settings::{self, Peers, Range, Secret, Settings, User};

/// What the matcher asks of the relay: it mints credentials with the key that both know.
pub(crate) struct Bridge {
    handle: relay_plane::Handle,
    key: SessionKey,
    /// The configured name; `None`: the one by which a client came.
    name: Option<String>,
    ports: Ports,
    /// The configured URLs; empty: by name and ports.
    urls: Vec<String>,
    /// An address of this machine, for clients that came by a loopback one: Firefox talks to no TURN server
    /// there.
    beside_loopback: Option<IpAddr>,
    /// No credential lives longer than this from now.
    credential_s_max: u64,
}

impl Bridge {
    pub(crate) fn new(
        relay: &relay_plane::Relay,
        ports: Ports,
        key: SessionKey,
        settings: &Settings,
        credential_s_max: u64,
    ) -> Self {
        let name = settings.server.names.first().cloned();
        let reached = |ip: &&IpAddr| {
            ip.is_ipv4() && relay.listening().iter().any(|at| at.ip().is_ipv4() && at.ip().is_unspecified())
        };
        let beside_loopback = relay.own_ips().iter().find(reached).copied().filter(|ip| !ip.is_loopback());
        let urls = settings.relay.urls.clone();
        Self { handle: relay.handle(), key, name, ports, urls, beside_loopback, credential_s_max }
    }
}

impl signal_plane::Relay for Bridge {
    fn ice_servers(&self, session: SessionId, side: Side, host: &str, ends_unix_s: u64) -> Vec<IceServer> {
        let credential = self.key.mint(turn_core::SessionId(session.0), turn_side(side), ends_unix_s);
        let urls = if self.urls.is_empty() {
            let host = self.name.as_deref().unwrap_or(host);
            self.ports.urls(host, self.beside_loopback.filter(|_| is_loopback(host)))
        } else {
            self.urls.clone()
        };
        vec![IceServer { urls, username: Some(credential.username), credential: Some(credential.password) }]
    }

    fn is_relaying(&self, session: SessionId, side: Side) -> bool {
        let time = Duration::from_millis(match_core::limits::RELAYED_MS);
        self.handle.was_heard(turn_core::SessionId(session.0), turn_side(side), time)
    }

    fn session_ended(&self, session: SessionId) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.handle.end_session(turn_core::SessionId(session.0), now + self.credential_s_max);
    }
}

const fn turn_side(side: Side) -> turn_core::Side {
    match side {
        Side::A => turn_core::Side::A,
        Side::B => turn_core::Side::B,
    }
}

/// What is listened on over TCP.
pub(crate) struct TcpAddresses {
    /// TURN without TLS.
    pub(crate) turn: Vec<SocketAddr>,
    /// TURN over TLS.
    pub(crate) turns: Vec<SocketAddr>,
    /// The same beside HTTPS.
    pub(crate) web: Vec<SocketAddr>,
    /// Without TURN.
    pub(crate) others: Vec<SocketAddr>,
}

/// The ports that browsers are told of.
pub(crate) fn ports(settings: &Settings, relay: &relay_plane::Relay, tcp: &TcpAddresses) -> Ports {
    let udp = listening_keys(settings).zip(relay.listening().iter().copied());
    // What discovery adds is for discovery, and no browser speaks DTLS to a TURN server.
    let is_for_browsers = |key| ![DISCOVERY_KEY, TURNS_KEY].contains(&key);
    let udp: Vec<_> = udp.filter(|(key, _)| is_for_browsers(*key)).map(|(_, address)| address).collect();
    let tls = if offers_tls(settings) { [&tcp.turns[..], &tcp.web].concat() } else { Vec::new() };
    Ports::new(&udp, &tcp.turn, &tls)
}

/// Whether browsers take our certificate, and are told of the ports where they see it.
pub(crate) const fn offers_tls(settings: &Settings) -> bool {
    !matches!(settings.tls.source, settings::Source::SelfSigned)
}

/// The relay's configuration. `tcp`: what is listened on over TCP, with the ports it has got;
/// `inherited`: what is open already.
pub(crate) fn config(
    settings: &Settings,
    key: SessionKey,
    tickets: TicketKey,
    tcp: &TcpAddresses,
    inherited: Vec<UdpSocket>,
    dtls: dtls::Config,
) -> relay_plane::Config {
    let relay = &settings.relay;
    let limits = relay.limits;
    let external = settings.server.external.iter();
    let listen = udp_addresses(settings, &tcp.turn);
    let discovery = relay.discovery.iter().map(|it| discovery(it, &listen)).collect();
    relay_plane::Config {
        listen: listen.clone(),
        web: tcp.web.clone(),
        inherited,
        dtls: Some(dtls),
        listen_streams: [&tcp.turn[..], &tcp.turns, &tcp.web].concat(),
        workers: settings.server.workers,
        limits: AllocationLimits {
            per_side: limits.allocations_per_side.unwrap_or(0),
            per_prefix: limits.allocations_per_prefix.unwrap_or(0),
            total: limits.allocations.unwrap_or(0),
        },
        bandwidth: BandwidthLimits {
            session_bps: limits.session_bps.unwrap_or(0),
            total_bps: limits.total_bps.unwrap_or(0),
        },
        turn: turn_core::Config {
            realm: relay.realm.clone(),
            session_key: key,
            password_algorithms: relay.password_algorithms.clone(),
            username_anonymity: relay.username_anonymity,
            session_peers: policy(relay.peers),
            shared_secrets: shared_secrets(&relay.shared_secrets),
            users: relay.users.iter().map(|user| static_user(user, &relay.realm)).collect(),
            addresses: AddressPolicy {
                rules: rules(settings),
                listening: tcp.others.clone(),
                ..AddressPolicy::default()
            },
            external: external.map(|it| External { public: it.public, local: it.local }).collect(),
            discovery,
            answers: AnswerLimits {
                per_address_s: limits.answers_per_address_s.unwrap_or(0),
                per_prefix_s: limits.answers_per_prefix_s.unwrap_or(0),
                total_s: limits.answers_total_s.unwrap_or(0),
            },
            relay_ports: relay.ports.clone(),
            old_channels: relay.old_channels,
            icmp: relay.icmp,
            tcp: relay.tcp_allocations,
            mobility: relay.mobility.then_some(tickets),
            lifetime_max: Duration::from_secs(u64::from(limits.lifetime_max_s)),
            worker: WorkerId(0),
            workers: 1,
        },
    }
}

/// What the relay listens on: the addresses of `listen.turn` with the ports they have over TCP, in their
/// order, then what NAT behaviour discovery needs besides.
fn udp_addresses(settings: &Settings, turn: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut addresses = turn.to_vec();
    for (local, _) in settings.relay.discovery.iter().flat_map(settings::Discovery::endpoints) {
        if !addresses.contains(&local) {
            addresses.push(local);
        }
    }
    addresses
}

/// The keys that the relay's addresses are there for, in its order.
pub(crate) fn listening_keys(settings: &Settings) -> impl Iterator<Item = &'static str> {
    let listen = &settings.listen.turn;
    let (of_turn, all) = (listen.len(), udp_addresses(settings, listen).len());
    let keys = iter::repeat_n(TURN_KEY, of_turn).chain(iter::repeat_n(DISCOVERY_KEY, all - of_turn));
    let keys = keys.chain(iter::repeat_n(WEB_KEY, settings.listen.web.len()));
    keys.chain(iter::repeat_n(TURNS_KEY, settings.listen.turns.len()))
}

/// The key that one of the relay's addresses is there for. `tcp` has the ports where the configuration leaves
/// them to the system.
pub(crate) fn listening_key(address: &SocketAddr, settings: &Settings, tcp: &TcpAddresses) -> &'static str {
    let addresses = [&udp_addresses(settings, &tcp.turn)[..], &tcp.web].concat();
    let place = addresses.iter().position(|other| other == address);
    place.and_then(|place| listening_keys(settings).nth(place)).unwrap_or(TURNS_KEY)
}

fn discovery(pair: &settings::Discovery, listen: &[SocketAddr]) -> Discovery {
    Discovery::new(pair.endpoints().map(|(local, public)| {
        let place = listen.iter().position(|address| *address == local).expect("all four are listened on");
        let listener = ListenerId(u8::try_from(place).unwrap_or(u8::MAX));
        Endpoint { listener, local: local.ip(), public }
    }))
}

/// The relay's counters under the names of the metrics.
pub(crate) fn numbers(counters: &RelayCounters) -> RelayNumbers {
    let RelayCounters { turn, io, streams, dtls } = counters;
    RelayNumbers {
        traffic: vec![("udp", io.udp), ("tcp", io.tcp), ("tls", io.tls), ("dtls", io.dtls)],
        stream_frames_lost: vec![("late", streams.late_frames), ("overflow", streams.overflow_frames)],
        streams_closed: vec![
            ("idle", streams.idle),
            ("not_turn", streams.not_turn),
            ("stalled", streams.stalled),
        ],
        streams: streams.open,
        dtls: dtls.open,
        dtls_by_outcome: vec![
            ("accepted", dtls.accepted),
            ("asked", dtls.asked),
            ("failed", dtls.failed),
            ("idle", dtls.idle),
            ("refused", dtls.refused),
        ],
        packets_by_verdict: vec![
            ("answered", turn.bindings + turn.successes + turn.errors),
            ("dropped", turn.drops.iter().sum::<u64>() + io.quic_drops + io.lost_arrivals),
            ("from_peer", turn.from_peer_packets),
            ("quic", io.quic_packets),
            ("routed", turn.routed_packets),
            ("to_peer", turn.to_peer_packets),
        ],
        drops_by_reason: DropReason::ALL
            .iter()
            .map(|reason| (reason.label(), turn.drops[*reason as usize]))
            .chain([
                ("quic_queue", io.quic_drops),
                ("receiver_gone", io.gone_receivers),
                ("shared_socket_queue", io.lost_arrivals),
                ("too_long_for_dtls", io.too_long),
            ])
            .collect(),
        send_failures: io.send_failures,
        proofs: turn.proofs,
        wrong_passwords: turn.failures,
        second_chances: turn.second_chances,
        allocations: turn.allocations,
        tcp_connections: turn.connections,
        tcp_bytes: vec![("in", streams.tcp_from_peer_bytes), ("out", streams.tcp_to_peer_bytes)],
    }
}

/// The rules about addresses as the relay takes them.
pub(crate) fn rules(settings: &Settings) -> Rules {
    let relay = &settings.relay;
    let ranges = |of: &[Range]| of.iter().map(range).collect();
    Rules {
        allow: ranges(&relay.allow),
        deny: ranges(&relay.deny),
        back_ends: back_ends::sockets(&BackEnd::all(settings)),
        nat64: relay.nat64.clone(),
    }
}

/// The secrets as the relay takes them.
pub(crate) fn shared_secrets(secrets: &[Secret]) -> Vec<SharedSecret> {
    secrets.iter().map(|secret| SharedSecret::new(secret.expose())).collect()
}

fn static_user(user: &User, realm: &str) -> StaticUser {
    let password = std::str::from_utf8(user.password.expose()).expect("settings admit text only");
    let made = StaticUser::new(&user.name, realm, password, policy(user.peers));
    if user.tcp { made.with_tcp() } else { made }
}

const fn policy(peers: Peers) -> PeerPolicy {
    match peers {
        Peers::Partner => PeerPolicy::Partner,
        Peers::Appliance => PeerPolicy::Appliance,
        Peers::Public => PeerPolicy::Public,
    }
}

pub(crate) fn range(range: &Range) -> AddressRange {
    AddressRange::new(range.first(), range.last()).expect("settings admit ordered ranges of one family only")
}

/// Whether a host is this machine talking to itself.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub(crate) const TURN_KEY: &str = "listen.turn";

/// TURN over TLS and over DTLS.
pub(crate) const TURNS_KEY: &str = "listen.turns";

const DISCOVERY_KEY: &str = "relay.nat_discovery_port";

/// The listeners that the relay shares with HTTPS and QUIC.
pub(crate) const WEB_KEY: &str = "listen.web";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_name_and_by_address() {
        for host in ["localhost", "127.0.0.1", "127.8.8.8", "::1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["chat.example.org", "localhost.example.org", "192.0.2.1", "2001:db8::1"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
