//! The TCP listeners keep their limits and hand over what is ready, seen from outside over loopback.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use relay_plane::web::{Caps, Config, Counters, Decrypted, Protocol, Web};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc::Receiver;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use turn_core::AddressRange;

#[tokio::test]
async fn a_decrypted_stream_carries_bytes_both_ways_and_frees_its_place() {
    let (server, certificate) = server_config();
    let (web, mut queue, address) = start(Some(server), ROOMY);
    let counters = web.counters();
    let client = tokio::spawn(async move {
        let mut stream = handshake(address, certificate, &[b"http/1.1"]).await.unwrap();
        stream.write_all(b"ping").await.unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        answer
    });
    let mut decrypted = soon(queue.recv()).await.unwrap();
    assert!(decrypted.from.ip().is_loopback());
    let mut request = [0; 4];
    soon(decrypted.stream.read_exact(&mut request)).await.unwrap();
    assert_eq!(&request, b"ping");
    decrypted.stream.write_all(b"pong").await.unwrap();
    decrypted.stream.flush().await.unwrap();
    assert_eq!(soon(client).await.unwrap(), *b"pong");
    assert_eq!(counters().open.count, 1);
    drop(decrypted);
    assert_eq!(counters().open.count, 0);
    assert_eq!(counters().handed_over, 1);
}

#[tokio::test]
async fn row_118_a_client_that_offers_other_protocols_only_is_refused() {
    let (server, certificate) = server_config();
    let (web, _queue, address) = start(Some(server), ROOMY);
    assert!(handshake(address, certificate, &[b"h2"]).await.is_err());
    until(&web, |counters| counters.handshake_failed == 1 && counters.open.count == 0).await;
}

#[tokio::test]
async fn garbage_instead_of_a_handshake_is_counted_and_closed() {
    let (server, _) = server_config();
    let (web, _queue, address) = start(Some(server), ROOMY);
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    until(&web, |counters| counters.handshake_failed == 1 && counters.open.count == 0).await;
}

#[tokio::test(start_paused = true)]
async fn row_115_a_silent_client_is_closed_at_the_deadline() {
    let (server, _) = server_config();
    let (web, _queue, address) = start(Some(server), ROOMY);
    let mut client = TcpStream::connect(address).await.unwrap();
    until(&web, |counters| counters.handshake_late == 1).await;
    assert_eq!(client.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn row_116_a_prefix_over_its_limit_is_closed_and_served_again_after() {
    let (web, mut queue, address) = start(None, Caps { open_per_prefix: 1, ..ROOMY });
    let _first = TcpStream::connect(address).await.unwrap();
    let held = soon(queue.recv()).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    assert_eq!(soon(second.read(&mut [0; 1])).await.unwrap_or(0), 0);
    until(&web, |counters| counters.refused_prefix == 1).await;
    drop(held);
    let _third = TcpStream::connect(address).await.unwrap();
    assert!(soon(queue.recv()).await.is_some());
}

#[tokio::test]
async fn row_116_the_total_and_the_handshakes_have_limits_of_their_own() {
    let (web, mut queue, address) = start(None, Caps { open: 1, ..ROOMY });
    let _first = TcpStream::connect(address).await.unwrap();
    let _held = soon(queue.recv()).await.unwrap();
    let _second = TcpStream::connect(address).await.unwrap();
    until(&web, |counters| counters.refused_open == 1).await;

    let (server, _) = server_config();
    let (web, _queue, address) = start(Some(server), Caps { handshakes: 1, ..ROOMY });
    let _first = TcpStream::connect(address).await.unwrap();
    until(&web, |counters| counters.open.count == 1).await;
    let _second = TcpStream::connect(address).await.unwrap();
    until(&web, |counters| counters.refused_handshakes == 1).await;
}

#[tokio::test]
async fn row_116_one_network_of_silent_clients_leaves_handshakes_to_others() {
    let (server, certificate) = server_config();
    let caps = Caps { handshakes: 16, handshakes_per_prefix: 8, ..ROOMY };
    let (web, mut queue, address) = start(Some(server), caps);
    // The prefix is that of loopback's first /24, whatever the address in it.
    let mut silent = Vec::new();
    for host in 1..=8 {
        silent.push(connect_from([127, 0, 0, host], address).await);
        until(&web, |counters| counters.open.count == u64::from(host)).await;
    }
    for host in 9..40 {
        let mut late = connect_from([127, 0, 0, host], address).await;
        assert_eq!(soon(late.read(&mut [0; 1])).await.unwrap_or(0), 0);
    }
    until(&web, |counters| counters.refused_prefix == 31 && counters.open.count == 8).await;
    let other = connect_from([127, 0, 1, 1], address).await;
    let (shaken, decrypted) = tokio::join!(encrypt(other, certificate, &[b"http/1.1"]), soon(queue.recv()));
    shaken.unwrap();
    assert_eq!(decrypted.unwrap().from.ip(), std::net::IpAddr::from([127, 0, 1, 1]));
}

#[tokio::test]
async fn stop_closes_the_listener_and_ends_the_queue_but_not_the_streams() {
    let (web, mut queue, address) = start(None, ROOMY);
    let mut client = TcpStream::connect(address).await.unwrap();
    let mut held = soon(queue.recv()).await.unwrap();
    web.stop().await;
    assert!(soon(queue.recv()).await.is_none());
    assert!(TcpStream::connect(address).await.is_err());
    held.stream.write_all(b"x").await.unwrap();
    assert_eq!(soon(client.read_u8()).await.unwrap(), b'x');
}

#[tokio::test]
async fn behind_a_trusted_proxy_the_announced_address_counts() {
    let (server, certificate) = server_config();
    let (web, mut queue, address) =
        start_behind(loopback(), Some(server), Caps { open_per_prefix: 1, ..ROOMY });
    let mut held = Vec::new();
    for client in ["203.0.113.5:40000", "198.51.100.7:40000"] {
        let shaken =
            handshake_behind(&announcing(client), address, certificate.clone(), &[b"http/1.1"]).await;
        let decrypted = soon(queue.recv()).await.unwrap();
        assert_eq!(decrypted.from, client.parse().unwrap());
        held.push((decrypted, shaken.unwrap()));
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    third.write_all(announcing("203.0.113.9:40001").as_bytes()).await.unwrap();
    assert_eq!(soon(third.read(&mut [0; 1])).await.unwrap_or(0), 0);
    until(&web, |counters| counters.refused_prefix == 1 && counters.open.count == 2).await;
    drop(held);
    until(&web, |counters| counters.open.count == 0).await;
}

#[tokio::test]
async fn a_trusted_proxy_that_announces_nobody_is_closed() {
    let (server, certificate) = server_config();
    let (web, _queue, address) = start_behind(loopback(), Some(server), ROOMY);
    assert!(handshake(address, certificate, &[b"http/1.1"]).await.is_err());
    until(&web, |counters| counters.handshake_failed == 1 && counters.open.count == 0).await;
}

#[tokio::test]
async fn an_announcement_of_anybody_else_is_garbage() {
    let (server, certificate) = server_config();
    let (web, _queue, address) = start(Some(server), ROOMY);
    let announced = announcing("203.0.113.5:40000");
    assert!(handshake_behind(&announced, address, certificate, &[b"http/1.1"]).await.is_err());
    until(&web, |counters| counters.handshake_failed == 1 && counters.open.count == 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_announces_slowly_is_closed_at_the_deadline() {
    let (web, _queue, address) = start_behind(loopback(), None, ROOMY);
    let mut proxy = TcpStream::connect(address).await.unwrap();
    proxy.write_all(b"PROXY TCP4 203.").await.unwrap();
    until(&web, |counters| counters.handshake_late == 1 && counters.open.count == 0).await;
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_tells_no_address() {
    let (_web, _queue, address) = start(None, ROOMY);
    let config = Config {
        addresses: vec![address],
        inherited: vec![],
        tls: None,
        protocol: Some(Protocol::Http),
        proxies: vec![],
        caps: ROOMY,
    };
    let error = Web::start(config).map(|_| ()).unwrap_err();
    assert_eq!(error.source.kind(), std::io::ErrorKind::AddrInUse);
    let told = format!("{error} {error:?}");
    assert!(!told.contains("127.0.0.1"), "{told}");
}

/// A machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);

const ROOMY: Caps = Caps { open: 100, open_per_prefix: 100, handshakes: 100, handshakes_per_prefix: 100 };

fn start(tls: Option<Arc<ServerConfig>>, caps: Caps) -> (Web, Receiver<Decrypted>, SocketAddr) {
    start_behind(vec![], tls, caps)
}

fn start_behind(
    proxies: Vec<AddressRange>,
    tls: Option<Arc<ServerConfig>>,
    caps: Caps,
) -> (Web, Receiver<Decrypted>, SocketAddr) {
    let addresses = vec!["127.0.0.1:0".parse().unwrap()];
    let config = Config { addresses, inherited: vec![], tls, protocol: Some(Protocol::Http), proxies, caps };
    let (web, queue) = Web::start(config).unwrap();
    let address = web.addresses()[0];
    (web, queue, address)
}

fn server_config() -> (Arc<ServerConfig>, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let builder = ServerConfig::builder().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![certificate.clone()], key).unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    (Arc::new(config), certificate)
}

async fn handshake(
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    handshake_behind("", address, certificate, protocols).await
}

/// With something before the handshake.
async fn handshake_behind(
    before: &str,
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(before.as_bytes()).await?;
    encrypt(stream, certificate, protocols).await
}

async fn encrypt(
    stream: TcpStream,
    certificate: CertificateDer<'static>,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

/// Connects from an address of loopback: each /24 of it is a network.
async fn connect_from(from: [u8; 4], to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    soon(socket.connect(to)).await.unwrap()
}

/// The line by which a proxy announces a client.
fn announcing(client: &str) -> String {
    let client: SocketAddr = client.parse().unwrap();
    format!("PROXY TCP4 {} 192.0.2.1 {} 443\r\n", client.ip(), client.port())
}

fn loopback() -> Vec<AddressRange> {
    let address = "127.0.0.1".parse().unwrap();
    vec![AddressRange::new(address, address).unwrap()]
}

/// What happens at once where nothing else runs.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("within the deadline")
}

/// Waits for the counters to say so.
async fn until(web: &Web, met: impl Fn(&Counters) -> bool) {
    let counters = web.counters();
    soon(async {
        while !met(&counters()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
