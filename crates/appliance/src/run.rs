//! Settings to running system: every part started in order, wired, and stopped in order.
//!
//! It holds no protocol logic; each part is its crate's.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use redact::Sensitive;
use relay_plane::web::{self, Caps, Decrypted, Protocol, TURN_ALPN, Web};
use relay_plane::{Relay, dtls};
use rustls::ServerConfig;
use signal_plane::Signal;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use turn_core::{SessionKey, TicketKey};

use crate::admin::Admin;
use crate::admission::Admission;
use crate::feed::{self, Entrance};
use crate::limits::{
    ADMIN_CONNECTIONS_MAX, DRAIN_LOOK_MS, WEB_CONNECTIONS_MAX, WEB_CONNECTIONS_PER_PREFIX_MAX,
    WEB_HANDSHAKES_MAX, WEB_HANDSHAKES_PER_PREFIX_MAX,
};
use crate::memory::Memory;
use crate::metrics::{Metrics, SignalNumbers};
use crate::ports::Ports;
use crate::privacy::{self, Inventory, Longest, Sources};
use crate::relay::{self, Bridge, TcpAddresses};
use crate::rules::Rules;
use crate::secrets::SharedSecrets;
use crate::settings::{self, Problems, Range, Searches, Settings};
use crate::sockets::Sockets;
use crate::tls::{self, CertificateError, Certificates};

/// The running system. Stop it with [`Appliance::stop`]; dropping it closes the listeners and drops the rest.
pub struct Appliance {
    certificates: Certificates,
    secrets: Option<SharedSecrets>,
    rules: Rules,
    admission: Arc<Admission>,
    admin: Arc<Admin>,
    admin_listener: Web,
    admin_task: JoinHandle<()>,
    /// Those that speak TURN, then, until the page takes no new visitors, those that do not.
    listeners: Vec<Web>,
    tasks: [JoinHandle<()>; 5],
    signal: Signal,
    relay: Relay,
    listening: Vec<Listening>,
    page: Option<String>,
    alternates: Vec<SocketAddr>,
}

/// One address that is listened on, in words that tell no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The key in the configuration.
    pub key: &'static str,
    /// What answers.
    pub service: &'static str,
    /// Which addresses, as a class.
    pub class: &'static str,
    /// The port, also where the configuration left the choice to the system.
    pub port: u16,
    /// `tcp` or `udp`.
    pub transport: &'static str,
}

/// The system could not be started; nothing of it runs.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No certificate could be made.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The relay could not be started for another reason.
    #[error(transparent)]
    Relay(relay_plane::StartError),
    /// QUIC could not be started.
    #[error(transparent)]
    Quic(#[from] signal_plane::QuicError),
    /// The operating system has no randomness for secrets.
    #[error("the operating system gives no random numbers; check that getrandom(2) is permitted here")]
    Randomness,
}

/// An address of the configuration could not be listened on.
#[derive(Debug)]
pub struct ListenError {
    /// The key in the configuration.
    pub key: &'static str,
    /// The address.
    pub address: Sensitive<SocketAddr>,
    /// What the operating system said.
    pub source: io::Error,
}

impl Appliance {
    /// Starts everything the settings ask for, on sockets that are open already where there are some; call it
    /// inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// The first part that could not be started.
    pub fn start(settings: &Settings, mut sockets: Sockets) -> Result<Self, StartError> {
        let listen = &settings.listen;
        let certificates = Certificates::start(settings)?;
        let mut metrics = Metrics::new();
        let mut listening = Vec::new();
        let mut ports = Ports::new(settings);
        let mut open = |listener: Listener, addresses: &[SocketAddr], tls| {
            let addresses = &ports.fill(addresses)[..];
            let inherited = sockets.take_streams(addresses);
            let (web, queue) = listener.open(addresses, inherited, tls, &listen.trusted_proxies)?;
            metrics.listener(listener.name, Box::new(web.counters()));
            listening.extend(web.addresses().iter().map(|address| listener.listening(*address)));
            Ok::<_, StartError>((web, queue))
        };
        let [of_turn, of_turns, of_web] = [TURN, TURNS, WEB].map(|it| it.within(&settings.memory));
        let (turn, turn_queue) = open(of_turn, &listen.turn, None)?;
        let (turns, turns_queue) = open(of_turns, &listen.turns, Some(certificates.tcp(&TURN_ALPN)))?;
        // Ours decides: who offers TURN at all speaks it, also where HTTP is offered before it.
        let both = [&TURN_ALPN[..], &[b"http/1.1"]].concat();
        let (web, web_queue) = open(of_web, &listen.web, Some(certificates.tcp(&both)))?;
        let (http, http_queue) = open(HTTP, &listen.http, None)?;
        let (local, local_queue) = open(LOCAL, &listen.local, None)?;
        let (admin_listener, admin_queue) = open(ADMIN, &[listen.admin], None)?;

        let tcp = TcpAddresses {
            turn: turn.addresses().to_vec(),
            turns: turns.addresses().to_vec(),
            web: web.addresses().to_vec(),
            others: [&http, &local, &admin_listener].into_iter().flat_map(Web::addresses).copied().collect(),
        };
        let admission = Arc::new(Admission::start(&settings.matching.admission));
        let (mut relay, signal) =
            start_relay_and_signal(settings, &tcp, sockets.datagrams, &certificates, &admission)?;
        start_quic(&mut relay, &signal, &certificates)?;
        listening.splice(0..0, listening_udp(&relay, settings));
        let https = web.addresses().first().map(SocketAddr::port);
        let (streams, proxies) = (relay.streams(), feed::proxies(&settings.listen));
        let feed = |queue, entrance| {
            let proxies = proxies.clone();
            tokio::spawn(feed::run(queue, signal.clone(), streams.clone(), entrance, proxies))
        };
        let tasks = [
            feed(turn_queue, Entrance::Web),
            feed(turns_queue, Entrance::Web),
            feed(web_queue, Entrance::Web),
            feed(http_queue, Entrance::Http { https }),
            feed(local_queue, Entrance::Local),
        ];
        count(&mut metrics, &relay, &signal, &certificates, &admission);
        let counted = [&turn, &turns, &web, &http, &local, &admin_listener];
        let secrets = SharedSecrets::start(&settings.relay, relay.handle());
        let parts = (&relay, &signal, &admission, &certificates);
        let admin = Admin::new(metrics, inventory(settings, parts, secrets.as_ref(), counted));
        Ok(Self {
            page: page(&local, &web, &settings.server.names),
            certificates,
            secrets,
            rules: Rules::start(settings, relay.handle()),
            admission,
            admin_task: tokio::spawn(Arc::clone(&admin).serve(admin_queue)),
            admin,
            admin_listener,
            listeners: vec![turn, turns, web, http, local],
            tasks,
            signal,
            relay,
            listening,
            alternates: settings.relay.alternates.clone(),
        })
    }

    /// Takes over the rules about addresses from settings that were read anew, and a certificate, shared
    /// secrets and keys of admission that were replaced; what cannot be used is in the log, and the old ones
    /// stay. Returns when it is done.
    pub async fn reload(&self, settings: Result<&Settings, &Problems>) {
        self.rules.reload(settings);
        if let Some(secrets) = &self.secrets {
            secrets.reload();
        }
        self.certificates.reload().await;
        self.admission.reload().await;
    }

    /// Takes nobody new: `/readyz` says so, nobody is matched any more, the page is not served, and the relay
    /// sends newcomers with credentials of other software to another server. Who is here stays, and gets in
    /// again by any listener of TURN when a connection breaks.
    pub async fn close(&mut self) {
        self.signal.drain().await;
        self.relay.handle().drain(&self.alternates);
        // Last of the three: whom `/readyz` sent away finds nobody who still takes people in.
        self.admin.stopping();
        for listener in self.listeners.drain(TURN_LISTENERS..) {
            listener.stop().await;
        }
        for listener in &self.listeners {
            listener.turn_http_away();
        }
    }

    /// Returns when the last allocation has ended. One look may miss an allocation that goes from one worker
    /// to another, two do not: each tells its count more often than that.
    pub async fn emptied(&self) {
        let handle = self.relay.handle();
        let mut was_empty = false;
        loop {
            let is_empty = handle.counters().turn.allocations == 0;
            if is_empty && was_empty {
                return;
            }
            was_empty = is_empty;
            tokio::time::sleep(Duration::from_millis(DRAIN_LOOK_MS)).await;
        }
    }

    /// Stops everything: what [`Appliance::close`] does first, then people are told, and the admin pages go
    /// last.
    pub async fn stop(mut self) {
        self.close().await;
        for listener in self.listeners {
            listener.stop().await;
        }
        self.signal.stop().await;
        // Its workers end within one turn of their loops.
        self.relay.stop();
        for task in self.tasks {
            end(task).await;
        }
        self.admin_listener.stop().await;
        end(self.admin_task).await;
    }

    /// Whether every worker has come round since this was asked last, in a form that can be taken along.
    pub fn pulse(&self) -> impl Fn() -> bool + Send + 'static {
        let handle = self.relay.handle();
        move || handle.has_pulse()
    }

    /// Returns when a part of the system has ended by itself; the log says why. Who was served by it is not
    /// served any more, so the process should end.
    pub async fn failed(&self) {
        self.relay.handle().ended().await;
    }

    /// What is listened on.
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }

    /// The address to open in a browser, if any listener serves the page: on this machine without TLS if
    /// possible, because there browsers neither warn nor refuse the camera.
    pub fn page(&self) -> Option<&str> {
        self.page.as_deref()
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, source) = (self.key, &self.source);
        let (class, port) = (class(self.address.expose().ip()), self.address.expose().port());
        let variable = settings::variable(key);
        write!(f, "{key}: cannot listen on port {port} of {class}: {source}; ")?;
        match source.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "stop the program that uses it (ss -lptun 'sport = :{port}' shows it) or choose ")?;
                write!(f, "another port in {key} ({variable})")
            }
            io::ErrorKind::PermissionDenied => {
                write!(f, "choose a port from 1024 up in {key} ({variable}) or grant CAP_NET_BIND_SERVICE")
            }
            _ => write!(f, "name an address that this machine has in {key} ({variable})"),
        }
    }
}

impl std::error::Error for ListenError {}

/// A group of TCP listeners.
#[derive(Clone, Copy)]
struct Listener {
    key: &'static str,
    /// Its label in the metrics.
    name: &'static str,
    service: &'static str,
    protocol: Option<Protocol>,
    /// Whether trusted proxies pass connections on to it.
    is_proxied: bool,
    caps: Caps,
}

impl Listener {
    /// The same with as many connections as there is memory for.
    fn within(self, memory: &Memory) -> Self {
        let caps =
            Caps { open: memory.connections, open_per_prefix: memory.connections_per_prefix, ..self.caps };
        Self { caps, ..self }
    }

    fn open(
        self,
        addresses: &[SocketAddr],
        inherited: Vec<TcpListener>,
        tls: Option<Arc<ServerConfig>>,
        proxies: &[Range],
    ) -> Result<(Web, mpsc::Receiver<Decrypted>), ListenError> {
        let Self { protocol, is_proxied, caps, .. } = self;
        let proxies = if is_proxied { proxies.iter().map(relay::range).collect() } else { Vec::new() };
        let config = web::Config { addresses: addresses.to_vec(), inherited, tls, protocol, proxies, caps };
        Web::start(config).map_err(|error| ListenError {
            key: self.key,
            address: error.address,
            source: error.source,
        })
    }

    fn listening(self, address: SocketAddr) -> Listening {
        let (key, service) = (self.key, self.service);
        Listening { key, service, class: class(address.ip()), port: address.port(), transport: "tcp" }
    }
}

fn page(local: &Web, web: &Web, names: &[String]) -> Option<String> {
    let port = |listener: &Web| listener.addresses().first().map(SocketAddr::port);
    let name = names.first().map_or("localhost", String::as_str);
    let without_tls = port(local).map(|port| format!("http://localhost:{port}"));
    without_tls.or_else(|| port(web).map(|port| format!("https://{name}:{port}")))
}

/// The two parts that share a key, made here and kept in memory only.
fn start_relay_and_signal(
    settings: &Settings,
    tcp: &TcpAddresses,
    inherited: Vec<UdpSocket>,
    certificates: &Certificates,
    admission: &Admission,
) -> Result<(Relay, Signal), StartError> {
    let key = SessionKey::new(random()?);
    let refuse = |error| match error {
        relay_plane::StartError::Bind { address, source } => {
            let key = relay::listening_key(address.expose(), settings, tcp);
            StartError::Listen(ListenError { key, address, source })
        }
        error => StartError::Relay(error),
    };
    let tickets = TicketKey::new(random()?);
    let of_dtls = dtls::Config {
        listen: tcp.turns.clone(),
        certificate: certificates.dtls(),
        caps: WEB.within(&settings.memory).caps,
    };
    let config = relay::config(settings, key.clone(), tickets, tcp, inherited, of_dtls);
    let relay = Relay::start(config).map_err(refuse)?;
    let (limits, mut of_matcher) = settings.memory.signal_limits();
    of_matcher.work.bits_min = settings.matching.work_bits;
    let Searches { per_s, burst } = settings.matching.searches;
    (of_matcher.searches_per_s, of_matcher.burst_searches) = (per_s, burst);
    let matcher = match_core::Config {
        limits: of_matcher,
        rooms: settings.matching.rooms,
        room_size: settings.matching.room_size,
        resume_s: settings.matching.resume_s,
        exposure: settings.matching.exposure,
        room_exposure: settings.matching.room_exposure,
        require_sealed: settings.privacy.require_sealed,
        require_token: settings.matching.admission.needs_token(),
        ban_s: settings.matching.ban_s,
        rotate_s: settings.privacy.rotate_s,
        ..Default::default()
    };
    let ports = relay::ports(settings, &relay, tcp);
    let bridge = Bridge::new(&relay, ports, key, settings, matcher.session_ttl_s);
    let config = signal_plane::Config {
        matcher,
        origins: settings.server.origins.clone(),
        names: host_names(&settings.server.names),
        doorkeeper: admission.doorkeeper(),
        challenges: certificates.challenges(),
        proxies: feed::proxies(&settings.listen),
        limits,
    };
    let signal = Signal::start(config, Arc::new(bridge), random()?);
    Ok((relay, signal))
}

/// What is kept of people, by the parts that keep it.
fn inventory(
    settings: &Settings,
    (relay, signal, admission, certificates): (&Relay, &Signal, &Arc<Admission>, &Certificates),
    secrets: Option<&SharedSecrets>,
    listeners: [&Web; 6],
) -> Inventory {
    let listeners = listeners.map(|listener| Box::new(listener.counters()) as privacy::Listener);
    Inventory::new(Sources {
        signal: signal.clone(),
        relay: relay.handle(),
        admission: Arc::clone(admission),
        listeners: listeners.into(),
        certificates: Box::new(certificates.kept()),
        shared_secrets: secrets.map(|secrets| Box::new(secrets.kept()) as privacy::Secrets),
        users: settings.relay.users.len(),
        longest: longest(settings),
    })
}

/// How long some of what is kept lives at most.
fn longest(settings: &Settings) -> Longest {
    Longest {
        allocation_s: u64::from(settings.relay.limits.lifetime_max_s),
        credential_s: match_core::Config::default().session_ttl_s,
    }
}

/// Tells the metrics where the numbers of all parts come from.
fn count(
    metrics: &mut Metrics,
    relay: &Relay,
    signal: &Signal,
    certificates: &Certificates,
    admission: &Arc<Admission>,
) {
    let (relay, signal, admission) = (relay.handle(), signal.clone(), Arc::clone(admission));
    metrics.relay(Box::new(move || relay::numbers(&relay.counters())));
    metrics.signal(Box::new(move || signal_numbers(&signal.counters())));
    metrics.certificates(Box::new(certificates.numbers()));
    metrics.admission(Box::new(move || admission.numbers()));
}

/// The signaling over QUIC, on every address of `listen.web`.
fn start_quic(relay: &mut Relay, signal: &Signal, certificates: &Certificates) -> Result<(), StartError> {
    let tls = certificates.quic(&signal_plane::QUIC_PROTOCOLS);
    let sockets = relay.take_quic();
    if !sockets.is_empty() {
        signal.offer_web_transport(certificates.hashes());
    }
    for socket in sockets {
        signal.serve_quic(Arc::new(socket), &tls)?;
    }
    Ok(())
}

fn random() -> Result<[u8; 32], StartError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| StartError::Randomness)?;
    Ok(bytes)
}

/// The relay's addresses, each with the key that it is there for.
fn listening_udp(relay: &Relay, settings: &Settings) -> Vec<Listening> {
    let listening = |(key, address): (&'static str, &SocketAddr)| {
        let service = match key {
            relay::WEB_KEY => "STUN, TURN, QUIC, DTLS",
            relay::TURNS_KEY => "TURN over DTLS",
            _ => "STUN, TURN",
        };
        Listening { key, service, class: class(address.ip()), port: address.port(), transport: "udp" }
    };
    relay::listening_keys(settings).zip(relay.listening()).map(listening).collect()
}

/// The names as they stand in a Host header. Who names some still opens the page on this machine by its own.
fn host_names(names: &[String]) -> Vec<String> {
    let local = tls::LOCAL_NAMES.iter().copied().filter(|_| !names.is_empty());
    let in_header = |name: &str| match name.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => name.to_owned(),
    };
    names.iter().map(String::as_str).chain(local).map(in_header).collect()
}

fn signal_numbers(counters: &signal_plane::Counters) -> SignalNumbers {
    let matcher = &counters.matcher;
    SignalNumbers {
        connections: matcher.connections,
        waiting: matcher.waiting,
        rooms: matcher.rooms,
        sessions: matcher.sessions,
        lost: matcher.lost,
        resumed: matcher.resumed_total,
        challenges: matcher.challenges_total,
        reports: matcher.reports_total,
        bans: matcher.bans_total,
        requests: counters.requests_total,
        matches: matcher.matches_total,
        messages: matcher.messages_total,
        errors_by_code: matcher.errors().map(|(code, number)| (code.label(), number)).collect(),
        held_bytes: matcher.held_bytes,
        held_dropped: matcher.held_dropped_total,
        outbound_bytes: counters.outbound_bytes,
        quic_connections: counters.quic.connections,
        quic_handshakes_by_outcome: vec![
            ("accepted", counters.quic.accepted_total),
            ("failed", counters.quic.failed_total),
            ("refused", counters.quic.refused_total),
            ("retried", counters.quic.retried_total),
        ],
        refusals_by_reason: counters.refusals().map(|(reason, number)| (reason.label(), number)).collect(),
    }
}

async fn end(task: JoinHandle<()>) {
    task.abort();
    // Cancelled is what we asked for; a panic was reported when it happened.
    let _ = task.await;
}

/// What may be said of a listening address.
fn class(address: IpAddr) -> &'static str {
    match (address.is_ipv4(), address.is_unspecified(), address.is_loopback()) {
        (true, true, _) => "every IPv4 address",
        (true, _, true) => "an IPv4 loopback address",
        (true, _, _) => "one IPv4 address",
        (false, true, _) => "every IPv6 address",
        (false, _, true) => "the IPv6 loopback address",
        (false, _, _) => "one IPv6 address",
    }
}

const TURN: Listener = Listener {
    key: relay::TURN_KEY,
    name: "turn",
    service: "STUN, TURN",
    protocol: Some(Protocol::Turn),
    is_proxied: true,
    caps: WEB.caps,
};

const TURNS: Listener = Listener { key: relay::TURNS_KEY, name: "turns", service: "TURN over TLS", ..TURN };

/// How many of the listeners speak TURN, alone or beside HTTP; they stand first.
const TURN_LISTENERS: usize = 3;

const WEB: Listener = Listener {
    key: relay::WEB_KEY,
    name: "web",
    service: "HTTPS, TURN",
    protocol: None,
    is_proxied: true,
    caps: Caps {
        open: WEB_CONNECTIONS_MAX,
        open_per_prefix: WEB_CONNECTIONS_PER_PREFIX_MAX,
        handshakes: WEB_HANDSHAKES_MAX,
        handshakes_per_prefix: WEB_HANDSHAKES_PER_PREFIX_MAX,
    },
};

const HTTP: Listener = Listener {
    key: "listen.http",
    name: "http",
    service: "to HTTPS",
    protocol: Some(Protocol::Http),
    is_proxied: true,
    caps: WEB.caps,
};

/// All its clients share the prefix of loopback, so the prefix has no limit of its own.
const LOCAL: Listener = Listener {
    key: "listen.local",
    name: "local",
    service: "HTTP, WebSocket",
    protocol: Some(Protocol::Http),
    is_proxied: false,
    caps: Caps {
        open: WEB_CONNECTIONS_MAX,
        open_per_prefix: WEB_CONNECTIONS_MAX,
        handshakes: WEB_HANDSHAKES_MAX,
        handshakes_per_prefix: WEB_HANDSHAKES_MAX,
    },
};

const ADMIN: Listener = Listener {
    key: "listen.admin",
    name: "admin",
    service: "metrics, health",
    protocol: Some(Protocol::Http),
    is_proxied: false,
    caps: Caps {
        open: ADMIN_CONNECTIONS_MAX,
        open_per_prefix: ADMIN_CONNECTIONS_MAX,
        handshakes: ADMIN_CONNECTIONS_MAX,
        handshakes_per_prefix: ADMIN_CONNECTIONS_MAX,
    },
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_hosts_include_this_machine_and_no_names_mean_any() {
        assert!(host_names(&[]).is_empty());
        let names = host_names(&["chat.example.org".to_owned(), "2001:db8::1".to_owned()]);
        assert_eq!(names, ["chat.example.org", "[2001:db8::1]", "127.0.0.1", "[::1]", "localhost"]);
    }
}
