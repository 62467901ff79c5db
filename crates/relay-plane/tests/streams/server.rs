//! A relay with a bare, a TLS and a shared listener, wired as the appliance does it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use relay_plane::web::{self, Caps, Decrypted, Protocol, TURN_ALPN, Web};
use relay_plane::{Config, Relay, RelayCounters};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::mpsc;
use turn_core::{
    AddressPolicy, AllocationLimits, AnswerLimits, BandwidthLimits, PeerPolicy, SessionKey, StaticUser,
    WorkerId,
};

pub(crate) const REALM: &str = "ginnel";
pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "known-to-this-test";

/// All that runs; what is dropped stops.
pub(crate) struct Server {
    pub(crate) udp: SocketAddr,
    pub(crate) tcp: SocketAddr,
    pub(crate) tls: SocketAddr,
    /// HTTPS and TURN.
    pub(crate) web: SocketAddr,
    pub(crate) certificate: CertificateDer<'static>,
    /// What spoke HTTP on the shared listener.
    pub(crate) http: mpsc::Receiver<Decrypted>,
    relay: Relay,
    _listeners: [Web; 3],
}

impl Server {
    pub(crate) fn start() -> Self {
        let (certificate, turn_tls, web_tls) = tls();
        let (tcp, tcp_queue) = listen(None, Some(Protocol::Turn));
        let (tls, tls_queue) = listen(Some(turn_tls), Some(Protocol::Turn));
        let (web, web_queue) = listen(Some(web_tls), None);
        let [of_tcp, of_tls, of_web] = [&tcp, &tls, &web].map(|listener| listener.addresses()[0]);
        let relay = Relay::start(config(vec![of_tcp, of_tls, of_web])).unwrap();
        let (to_http, http) = mpsc::channel(16);
        for mut queue in [tcp_queue, tls_queue, web_queue] {
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
        let udp = relay.listening()[0];
        let listeners = [tcp, tls, web];
        Self { udp, tcp: of_tcp, tls: of_tls, web: of_web, certificate, http, relay, _listeners: listeners }
    }

    /// Waits until the counters say so.
    pub(crate) async fn until(&self, met: impl Fn(&RelayCounters) -> bool) {
        let handle = self.relay.handle();
        soon(async {
            while !met(&handle.counters()) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    pub(crate) fn counters(&self) -> RelayCounters {
        self.relay.handle().counters()
    }
}

/// What must happen within seconds.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("within the deadline")
}

fn listen(tls: Option<Arc<ServerConfig>>, protocol: Option<Protocol>) -> (Web, mpsc::Receiver<Decrypted>) {
    let caps = Caps { open: 1_000, open_per_prefix: 1_000, handshakes: 100 };
    let addresses = vec!["127.0.0.1:0".parse().unwrap()];
    Web::start(web::Config { addresses, tls, protocol, caps }).unwrap()
}

fn tls() -> (CertificateDer<'static>, Arc<ServerConfig>, Arc<ServerConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let builder = ServerConfig::builder().with_no_client_auth();
    let mut turn = builder.with_single_cert(vec![certificate.clone()], key).unwrap();
    turn.alpn_protocols = TURN_ALPN.map(<[u8]>::to_vec).to_vec();
    let mut web = turn.clone();
    web.alpn_protocols.push(b"http/1.1".to_vec());
    (certificate, Arc::new(turn), Arc::new(web))
}

fn config(listen_streams: Vec<SocketAddr>) -> Config {
    Config {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        web: Vec::new(),
        listen_streams,
        workers: 2,
        limits: AllocationLimits { per_side: 16, per_prefix: 256, total: 10_000 },
        bandwidth: BandwidthLimits::default(),
        turn: turn_core::Config {
            realm: REALM.into(),
            session_key: SessionKey::new([7; 32]),
            password_algorithms: Vec::new(),
            session_peers: PeerPolicy::Partner,
            shared_secrets: Vec::new(),
            users: vec![StaticUser::new(USER, REALM, PASSWORD, PeerPolicy::Appliance)],
            discovery: Vec::new(),
            addresses: AddressPolicy::default(),
            external: Vec::new(),
            // Enough for the datagram clients; streams are not counted, and would be over it.
            answers: AnswerLimits { per_address_s: 10, per_prefix_s: 10 },
            relay_ports: 61_000..=65_535,
            old_channels: false,
            icmp: false,
            mobility: None,
            lifetime_max: Duration::from_secs(3600),
            worker: WorkerId(0),
            workers: 1,
        },
    }
}
