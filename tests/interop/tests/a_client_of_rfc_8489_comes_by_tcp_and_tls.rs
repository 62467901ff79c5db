//! `turn-client-proto` relays datagrams over a stream, TCP or TLS, with either algorithm. On channels only
//! what needs no padding, RFC 8656 §12.5: it adds none, so the next message would be read as part of the
//! last.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use interop::{Appliance, LOOPBACK, PASSWORD, PATIENCE, PUBLIC_USER, echo};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};
use turn_client_proto::api::{Transmit, TurnClientApi as _, TurnConfig, TurnEvent, TurnRecvRet};
use turn_client_proto::stun::Instant;
use turn_client_proto::stun::types::TransportType;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::TurnCredentials;
use turn_client_proto::types::stun::message::IntegrityAlgorithm;

/// The client, its stream and its clock.
struct Client<S> {
    client: TurnClientTcp,
    stream: S,
    start: Clock,
    heard: Vec<(SocketAddr, Vec<u8>)>,
}

impl<S: Read + Write> Client<S> {
    fn start(stream: S, [local, server]: [SocketAddr; 2], algorithm: IntegrityAlgorithm) -> Self {
        let mut config = TurnConfig::new(TurnCredentials::new(PUBLIC_USER, PASSWORD));
        config.set_supported_integrity(algorithm);
        let client = TurnClientTcp::allocate(local, server, config);
        Self { client, stream, start: Clock::now(), heard: Vec::new() }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    /// Sends and receives until the next event, which must be the one that is awaited.
    fn wait_for(&mut self, is_awaited: impl FnOnce(&TurnEvent) -> bool) {
        let event = self.step(|client| client.client.poll_event());
        assert!(is_awaited(&event), "{event:?}");
    }

    /// Sends and receives until there is something.
    fn step<T>(&mut self, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
        let mut buffer = [0; 4096];
        while self.start.elapsed() < PATIENCE {
            if let Some(found) = found(self) {
                return found;
            }
            let now = self.now();
            self.client.poll(now);
            while let Some(transmit) = self.client.poll_transmit(now) {
                self.stream.write_all(&transmit.data).expect("loopback takes it");
            }
            let length = match self.stream.read(&mut buffer) {
                Ok(length) => length,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(error) => panic!("{error}"),
            };
            let (from, to) = (self.client.remote_addr(), self.client.local_addr());
            let received = Transmit::new(buffer[..length].to_vec(), TransportType::Tcp, from, to);
            let now = self.now();
            if let TurnRecvRet::PeerData(data) = self.client.recv(received, now) {
                self.heard.push((data.peer, data.data().to_vec()));
            }
            while let Some(data) = self.client.poll_recv(now) {
                self.heard.push((data.peer, data.data().to_vec()));
            }
        }
        panic!("nothing in time");
    }

    /// Allocates and has a datagram come back from an echo, by Send and by a channel.
    fn reaches(mut self, peer: SocketAddr) {
        self.wait_for(|event| matches!(event, TurnEvent::AllocationCreated(..)));
        let now = self.now();
        self.client.create_permission(TransportType::Udp, peer.ip(), now).expect("a permission to ask for");
        self.wait_for(|event| matches!(event, TurnEvent::PermissionCreated(..)));
        self.has_back(peer, b"hello");
        let now = self.now();
        self.client.bind_channel(TransportType::Udp, peer, now).expect("a channel to ask for");
        self.wait_for(|event| matches!(event, TurnEvent::ChannelCreated(..)));
        self.has_back(peer, b"by a channel");
    }

    fn has_back(&mut self, peer: SocketAddr, payload: &[u8]) {
        let now = self.now();
        let sent = self.client.send_to(TransportType::Udp, peer, payload, now).expect("a permission");
        let transmit = sent.expect("something to send").build();
        self.stream.write_all(&transmit.data).expect("loopback takes it");
        self.step(|client| client.heard.pop().filter(|heard| *heard == (peer, payload.to_vec())));
    }
}

/// Takes the appliance's self-signed certificate like any other: who it is, is not the question here.
struct AnyCertificate;

impl fmt::Debug for AnyCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyCertificate")
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn connected(to: SocketAddr) -> (TcpStream, [SocketAddr; 2]) {
    let stream = TcpStream::connect(to).expect("the appliance listens");
    stream.set_read_timeout(Some(Duration::from_millis(10))).expect("a timeout");
    let local = stream.local_addr().expect("a connected socket");
    (stream, [local, to])
}

fn secured(stream: TcpStream) -> StreamOwned<ClientConnection, TcpStream> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("a provider that knows them")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).expect("a connection"), stream)
}

fn appliance() -> Appliance {
    Appliance::start_with(LOOPBACK, "password_algorithms = [\"md5\", \"sha256\"]")
}

const ALGORITHMS: [IntegrityAlgorithm; 2] = [IntegrityAlgorithm::Sha256, IntegrityAlgorithm::Sha1];

#[test]
fn datagrams_over_tcp() {
    let (appliance, peer) = (appliance(), echo(LOOPBACK));
    for algorithm in ALGORITHMS {
        let (stream, addresses) = connected(appliance.turn);
        Client::start(stream, addresses, algorithm).reaches(peer);
    }
}

#[test]
fn datagrams_over_tls_on_both_ports() {
    let (appliance, peer) = (appliance(), echo(LOOPBACK));
    for (server, algorithm) in [appliance.turns, appliance.web].into_iter().zip(ALGORITHMS) {
        let (stream, addresses) = connected(server);
        Client::start(secured(stream), addresses, algorithm).reaches(peer);
    }
}
