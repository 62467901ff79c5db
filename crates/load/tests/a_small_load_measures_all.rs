//! A small load on a real server: every measurement has a result, over WebSocket and QUIC, and a server that
//! asks for work gets it.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use load::{Client, Heard, Measurement, Media, Part, Plan, Process, Said, Server, Target, Want};
use match_core::{IceServer, SessionId, Side};
use quinn::{Runtime as _, TokioRuntime};
use rustls::crypto::ring;
use rustls::pki_types::PrivatePkcs8KeyDer;
use signal_plane::{Config, Peer, QUIC_PROTOCOLS, Relay, Signal};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_web_socket() {
    let (signal, address) = serve(Config::default()).await;
    let report = small().run(&target("ws", address).await, |_| ()).await.unwrap();
    let [Part::Idle(idle), Part::Matches(matched), Part::Times(times), Part::Messages(exchanged)] =
        &report.parts[..]
    else {
        panic!("four parts, not {:?}", report.parts);
    };
    assert!(!report.encrypted && idle.bytes_each.is_some() && (idle.connections, idle.lost) == (20, 0));
    assert!(matched.matches_per_s > 0.0 && matched.matches_per_cpu_s > Some(0.0), "{matched:?}");
    assert!(times.partner_waits.count > 0 && times.everybody.count > times.partner_waits.count);
    assert!(exchanged.latency.count > 0 && (exchanged.lost, exchanged.out_of_order) == (0, 0));
    assert_eq!((matched.errors, times.errors), (0, 0));
    // A message is counted once it is on its way.
    while signal.counters().matcher.messages_total < exchanged.latency.count as u64 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_quic() {
    let (signal, _) = serve(Config::default()).await;
    let plan = Plan { measurements: vec![Measurement::Messages], ..small() };
    let report = plan.run(&target("quic", serve_quic(&signal)).await, |_| ()).await.unwrap();
    let [Part::Messages(exchanged)] = &report.parts[..] else { panic!("one part, not {:?}", report.parts) };
    assert!(report.encrypted && exchanged.latency.count > 0);
    assert_eq!((exchanged.lost, exchanged.out_of_order), (0, 0));
}

#[tokio::test]
async fn work_is_done_and_errors_are_told() {
    let mut config = Config::default();
    config.matcher.limits.work.total_burst = 0;
    let (signal, address) = serve(config).await;
    let mut client = Client::connect(&target("ws", address).await, 0).await.unwrap();
    assert_eq!(signal.counters().matcher.challenges_total, 1);
    client.say(&Said::Leave {}).await.unwrap();
    assert!(matches!(client.hear().await, Ok(Heard::Error { code, .. }) if code == "bad-state"));
    client.say(&Said::Find { want: Want { media: Media::Audio, tags: &[], langs: &["en"] } }).await.unwrap();
    assert!(matches!(client.hear().await, Ok(Heard::Waiting { bin: 0 })));
    signal.stop().await;
    assert!(matches!(client.hear().await, Ok(Heard::Drain { .. })));
    assert!(client.hear().await.is_err());
}

fn small() -> Plan {
    use Measurement::{Idle, Matches, Messages, Times};
    Plan {
        measurements: vec![Idle, Matches, Times, Messages],
        connections: 20,
        clients: 20,
        rates: vec![50],
        pairs: 3,
        messages_per_s: None,
        body_bytes: 100,
        seconds: 1,
        server: Server { process: Some(Process::of(std::process::id())), metrics: None },
    }
}

async fn target(scheme: &str, address: SocketAddr) -> Target {
    Target::resolve(&format!("{scheme}://{address}")).await.unwrap()
}

async fn serve(mut config: Config) -> (Signal, SocketAddr) {
    // All of the load comes from one address.
    (config.matcher.limits.searches_per_s, config.matcher.limits.burst_searches) = (u32::MAX, u32::MAX);
    let signal = Signal::start(config, Arc::new(NoRelay), [7; 32]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = signal.clone();
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let (signal, address) = (serving.clone(), Some(peer.ip()));
            let peer = Peer { address, secure: false, proxied: false, redirect: None };
            tokio::spawn(async move { signal.serve(stream, peer).await });
        }
    });
    (signal, address)
}

fn serve_quic(signal: &Signal) -> SocketAddr {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let mut tls = rustls::ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    tls.alpn_protocols = QUIC_PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    signal.serve_quic(TokioRuntime.wrap_udp_socket(socket).unwrap(), &tls).unwrap();
    address
}

struct NoRelay;

impl Relay for NoRelay {
    fn ice_servers(&self, _: SessionId, _: Side, _: &str, _: u64) -> Vec<IceServer> {
        Vec::new()
    }

    fn is_relaying(&self, _: SessionId, _: Side) -> bool {
        false
    }

    fn session_ended(&self, _: SessionId) {}
}
