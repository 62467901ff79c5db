//! A relay with a bare, a TLS and a shared listener, wired as the appliance does it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use relay_plane::web::{self, Caps, Decrypted, Protocol, TURN_ALPN, Web};
use relay_plane::{Config, Relay, RelayCounters, dtls};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use tokio::sync::mpsc;
use turn_core::{
    AddressPolicy, AddressRange, AnswerLimits, BandwidthLimits, External, PeerPolicy, Rules, SessionId,
    StaticUser, TicketKey,
};

use crate::config::{PATIENCE, REALM, closed};

pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "known-to-this-test";

/// All that runs; what is dropped stops.
pub(crate) struct Server {
    pub(crate) udp: SocketAddr,
    pub(crate) tcp: SocketAddr,
    pub(crate) tls: SocketAddr,
    /// HTTPS and TURN.
    pub(crate) web: SocketAddr,
    /// TURN, bare, behind a trusted proxy.
    pub(crate) proxied: SocketAddr,
    /// TURN over DTLS alone, and beside the rest.
    pub(crate) dtls: [SocketAddr; 2],
    pub(crate) certificate: CertificateDer<'static>,
    /// What DTLS handshakes get.
    pub(crate) certified: Arc<Mutex<Arc<CertifiedKey>>>,
    /// What spoke HTTP on the shared listener.
    pub(crate) http: mpsc::Receiver<Decrypted>,
    relay: Relay,
    _listeners: [Web; 4],
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(BandwidthLimits::default())
    }

    /// One whose bandwidth is limited.
    pub(crate) fn start_with(bandwidth: BandwidthLimits) -> Self {
        let (certificate, certified, turn_tls, web_tls) = tls();
        let ours = AddressRange::new(LOOPBACK, LOOPBACK).unwrap();
        let (tcp, tcp_queue) = listen(None, Some(Protocol::Turn), vec![]);
        let (tls, tls_queue) = listen(Some(turn_tls), Some(Protocol::Turn), vec![]);
        let (web, web_queue) = listen(Some(web_tls), None, vec![]);
        let (proxied, proxied_queue) = listen(None, Some(Protocol::Turn), vec![ours]);
        let listeners = [tcp, tls, web, proxied];
        let addresses = [0, 1, 2, 3].map(|place: usize| listeners[place].addresses()[0]);
        let [tcp, tls, web, proxied] = addresses;
        let certified = Arc::new(Mutex::new(certified));
        let of_dtls = Arc::clone(&certified);
        let certificate_of_dtls = Arc::new(move || Arc::clone(&of_dtls.lock().unwrap()));
        let relay = Relay::start(config(addresses.to_vec(), bandwidth, certificate_of_dtls)).unwrap();
        let (to_http, http) = mpsc::channel(16);
        for mut queue in [tcp_queue, tls_queue, web_queue, proxied_queue] {
            let (streams, to_http) = (relay.streams(), to_http.clone());
            tokio::spawn(async move {
                while let Some(decrypted) = queue.recv().await {
                    let (streams, to_http) = (streams.clone(), to_http.clone());
                    tokio::spawn(async move {
                        match decrypted.protocol {
                            Protocol::Turn => streams.serve(decrypted).await,
                            Protocol::Http => to_http.send(decrypted).await.unwrap(),
                        }
                    });
                }
            });
        }
        let [udp, shared, secured] = relay.listening().try_into().unwrap();
        let dtls = [secured, shared];
        let _listeners = listeners;
        Self { udp, tcp, tls, web, proxied, dtls, certificate, certified, http, relay, _listeners }
    }

    /// Waits until the counters say so.
    pub(crate) async fn until(&self, met: impl Fn(&RelayCounters) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !met(&self.counters()) {
            assert!(Instant::now() < deadline, "{:?}", self.counters());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn end_session(&self, session: SessionId) {
        self.relay.handle().end_session(session, u64::MAX);
    }

    pub(crate) fn counters(&self) -> RelayCounters {
        self.relay.handle().counters()
    }
}

/// Nearly all clients of a test come from one prefix.
pub(crate) const DTLS_CAPS: Caps =
    Caps { open: 1_000, open_per_prefix: 12, handshakes: 8, handshakes_per_prefix: 4 };

/// What happens within seconds where nothing else runs.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("within the deadline")
}

fn listen(
    tls: Option<Arc<ServerConfig>>,
    protocol: Option<Protocol>,
    proxies: Vec<AddressRange>,
) -> (Web, mpsc::Receiver<Decrypted>) {
    let caps = Caps { open: 1_000, open_per_prefix: 1_000, handshakes: 100, handshakes_per_prefix: 100 };
    let addresses = vec!["127.0.0.1:0".parse().unwrap()];
    Web::start(web::Config { addresses, inherited: vec![], tls, protocol, proxies, caps }).unwrap()
}

fn tls() -> (CertificateDer<'static>, Arc<CertifiedKey>, Arc<ServerConfig>, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = rustls::crypto::ring::default_provider();
    let certified = CertifiedKey::from_der(vec![certificate.clone()], key.clone_key(), &provider).unwrap();
    let builder = ServerConfig::builder().with_no_client_auth();
    let mut turn = builder.with_single_cert(vec![certificate.clone()], key).unwrap();
    turn.alpn_protocols = TURN_ALPN.map(<[u8]>::to_vec).to_vec();
    let mut web = turn.clone();
    web.alpn_protocols.push(b"http/1.1".to_vec());
    (certificate, Arc::new(certified), Arc::new(turn), Arc::new(web))
}

fn config(
    listen_streams: Vec<SocketAddr>,
    bandwidth: BandwidthLimits,
    certificate: dtls::Certificate,
) -> Config {
    let any = vec!["127.0.0.1:0".parse().unwrap()];
    Config {
        bandwidth,
        listen: any.clone(),
        web: any.clone(),
        dtls: Some(dtls::Config { listen: any, certificate, caps: DTLS_CAPS }),
        listen_streams,
        turn: turn_core::Config {
            users: vec![StaticUser::new(USER, REALM, PASSWORD, PeerPolicy::Appliance)],
            // For TCP allocations, which no other user has.
            session_peers: PeerPolicy::Public,
            tcp: true,
            addresses: AddressPolicy {
                rules: Rules {
                    allow: vec![AddressRange::new(LOOPBACK, LOOPBACK).unwrap()],
                    ..Rules::default()
                },
                ..AddressPolicy::default()
            },
            external: vec![External { public: LOOPBACK, local: Some(LOOPBACK) }],
            // Enough for the datagram clients; streams are not counted, and would be over it.
            answers: AnswerLimits { per_address_s: 10, per_prefix_s: 10, total_s: 10 },
            relay_ports: 61_000..=65_535,
            mobility: Some(TicketKey::new([9; 32])),
            ..closed().turn
        },
        ..closed()
    }
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
