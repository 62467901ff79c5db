//! `turn-client-proto` relays datagrams over a stream, TCP or TLS, with either algorithm. On channels only
//! what needs no padding, RFC 8656 §12.5: it adds none, so the next message would be read as part of the
//! last.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use interop::turn_client_proto::{Client, Dial, Streams};
use interop::{Appliance, LOOPBACK, PASSWORD, PUBLIC_USER, echo};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned};
use turn_client_proto::api::{TurnClientApi as _, TurnConfig, TurnEvent};
use turn_client_proto::stun::types::TransportType;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::TurnCredentials;
use turn_client_proto::types::stun::message::IntegrityAlgorithm;

/// Allocates and has a datagram come back from an echo, by Send and by a channel.
fn reaches<S: Read + Write + Dial>(
    (stream, [local, server]): (S, [SocketAddr; 2]),
    algorithm: IntegrityAlgorithm,
    peer: SocketAddr,
) {
    let mut config = TurnConfig::new(TurnCredentials::new(PUBLIC_USER, PASSWORD));
    config.set_supported_integrity(algorithm);
    let client = TurnClientTcp::allocate(local, server, config);
    let mut client = Client::start(client, Streams::new(stream, [local, server]));
    client.wait_for(|event| matches!(event, TurnEvent::AllocationCreated(..)));
    client.permit(TransportType::Udp, peer);
    client.has_back(peer, b"hello");
    let now = client.now();
    client.client.bind_channel(TransportType::Udp, peer, now).expect("a channel to ask for");
    client.wait_for(|event| matches!(event, TurnEvent::ChannelCreated(..)));
    client.has_back(peer, b"by a channel");
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

/// A stream within TLS.
struct Secured(StreamOwned<ClientConnection, TcpStream>);

impl Dial for Secured {
    fn dial(to: SocketAddr) -> (Self, [SocketAddr; 2]) {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("a provider that knows them")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
        let (stream, ends) = TcpStream::dial(to);
        (Self(StreamOwned::new(connection, stream)), ends)
    }
}

impl Read for Secured {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Secured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn appliance() -> Appliance {
    Appliance::start_with(LOOPBACK, "password_algorithms = [\"md5\", \"sha256\"]")
}

const ALGORITHMS: [IntegrityAlgorithm; 2] = [IntegrityAlgorithm::Sha256, IntegrityAlgorithm::Sha1];

#[test]
fn datagrams_over_tcp() {
    let (appliance, peer) = (appliance(), echo(LOOPBACK));
    for algorithm in ALGORITHMS {
        reaches(TcpStream::dial(appliance.turn), algorithm, peer);
    }
}

#[test]
fn datagrams_over_tls_on_both_ports() {
    let (appliance, peer) = (appliance(), echo(LOOPBACK));
    for (server, algorithm) in [appliance.turns, appliance.web].into_iter().zip(ALGORITHMS) {
        reaches(Secured::dial(server), algorithm, peer);
    }
}
