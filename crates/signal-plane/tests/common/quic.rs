//! A QUIC listener for the server, and clients: with HTTP/3 and without.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::rustls::crypto::ring;
use quinn::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use quinn::rustls::version::TLS13;
use quinn::rustls::{ClientConfig, RootCertStore, ServerConfig};
use quinn::{Connection, Endpoint, RecvStream, Runtime as _, SendStream, TokioRuntime};
use serde_json::{Value, json};
use signal_plane::{QUIC_PROTOCOLS, Signal};
use tokio::time::timeout;
use web_transport_proto::{ConnectRequest, ConnectResponse, Frame, Settings, VarInt};

use super::PATIENCE;

/// Where QUIC is answered, and how to reach it.
pub(crate) struct Quic {
    pub(crate) address: SocketAddr,
    certificate: CertificateDer<'static>,
}

impl Quic {
    pub(crate) fn serve(signal: &Signal) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.into())
            .unwrap();
        tls.alpn_protocols = QUIC_PROTOCOLS.iter().map(|protocol| protocol.to_vec()).collect();
        assert!(QuicServerConfig::try_from(tls.clone()).is_ok());
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        signal.serve_quic(TokioRuntime.wrap_udp_socket(socket).unwrap(), &tls).unwrap();
        Self { address, certificate }
    }

    /// What a client needs to know, with 0-RTT for whoever is given a ticket.
    fn client(&self, protocol: &str) -> quinn::ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let mut tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        tls.enable_early_data = true;
        quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
    }

    /// A handshake that goes to another address: its packets are for whoever listens there.
    pub(crate) fn knock(&self, endpoint: &Endpoint, at: SocketAddr) -> quinn::Connecting {
        endpoint.connect_with(self.client("ginnel.1"), at, "localhost").unwrap()
    }

    /// Comes back with whatever it was given the first time, and whether it could speak at once.
    pub(crate) async fn may_speak_early(&self) -> bool {
        let config = self.client("ginnel.1");
        let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let connect = || endpoint.connect_with(config.clone(), self.address, "localhost").unwrap();
        let first = connect().await.unwrap();
        let (mut send, mut recv) = first.open_bi().await.unwrap();
        // Two round trips are enough for a ticket to arrive.
        for _ in 0..2 {
            send.write_all(&[0, 0, 0, 2, b'{', b'}']).await.unwrap();
            timeout(PATIENCE, recv.read_exact(&mut [0; 4])).await.expect("an answer").unwrap();
        }
        connect().into_0rtt().is_ok()
    }

    /// A connection that speaks this protocol.
    pub(crate) async fn connect(&self, protocol: &str) -> Connection {
        self.try_connect(protocol, "localhost").await.unwrap()
    }

    pub(crate) async fn try_connect(
        &self,
        protocol: &str,
        name: &str,
    ) -> Result<Connection, quinn::ConnectionError> {
        let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let connecting = endpoint.connect_with(self.client(protocol), self.address, name).unwrap();
        timeout(PATIENCE, connecting).await.expect("a handshake in time")
    }

    /// A connection from this address of loopback: each /24 of it is a network.
    pub(crate) async fn connect_from(&self, from: [u8; 4]) -> Connection {
        let endpoint = Endpoint::client((from, 0).into()).unwrap();
        timeout(PATIENCE, self.knock(&endpoint, self.address)).await.expect("a handshake in time").unwrap()
    }

    /// The signaling without HTTP.
    pub(crate) async fn raw(&self) -> QuicClient {
        let connection = self.connect("ginnel.1").await;
        let (send, recv) = connection.open_bi().await.unwrap();
        QuicClient { connection, send, recv, session: None }
    }

    /// An HTTP/3 connection that has said its settings.
    pub(crate) async fn http3(&self) -> Http3 {
        let connection = self.connect("h3").await;
        let mut control = connection.open_uni().await.unwrap();
        let mut settings = Settings::default();
        settings.enable_webtransport(1);
        settings.write(&mut control).await.unwrap();
        Http3 { connection, control }
    }

    /// What a page's request says.
    pub(crate) fn request(&self, path: &str) -> ConnectRequest {
        let url = format!("https://localhost:{}{path}", self.address.port());
        let mut request = ConnectRequest::new(url.parse::<url::Url>().unwrap());
        let origin = format!("https://localhost:{}", self.address.port());
        request.headers.insert("origin", origin.parse().unwrap());
        request
    }

    /// The signaling over WebTransport, as a page has it.
    pub(crate) async fn web_transport(&self) -> QuicClient {
        let http3 = self.http3().await;
        let (send, recv, response) = http3.ask(&self.request("/signal")).await;
        assert!(response.is_ok(), "{response:?} {:?}", http3.connection.close_reason());
        let id = http3.id(&send);
        let stream = http3.stream(id).await;
        let (connection, session) = (http3.connection, Some((send, recv, http3.control)));
        QuicClient { connection, send: stream.0, recv: stream.1, session }
    }
}

/// An HTTP/3 connection of a client.
pub(crate) struct Http3 {
    pub(crate) connection: Connection,
    pub(crate) control: SendStream,
}

impl Http3 {
    /// A request and its answer.
    pub(crate) async fn ask(
        &self,
        request: &ConnectRequest,
    ) -> (SendStream, RecvStream, Result<ConnectResponse, web_transport_proto::ConnectError>) {
        let mut bytes = Vec::new();
        request.encode(&mut bytes).unwrap();
        self.ask_in_bytes(&bytes).await
    }

    pub(crate) async fn ask_in_bytes(
        &self,
        request: &[u8],
    ) -> (SendStream, RecvStream, Result<ConnectResponse, web_transport_proto::ConnectError>) {
        let (mut send, mut recv) = self.connection.open_bi().await.unwrap();
        send.write_all(request).await.unwrap();
        let response = timeout(PATIENCE, ConnectResponse::read(&mut recv)).await.expect("an answer in time");
        (send, recv, response)
    }

    pub(crate) fn id(&self, request: &SendStream) -> VarInt {
        VarInt::try_from(u64::from(quinn::VarInt::from(request.id()))).unwrap()
    }

    /// A stream of a session.
    pub(crate) async fn stream(&self, session: VarInt) -> (SendStream, RecvStream) {
        let (mut send, recv) = self.connection.open_bi().await.unwrap();
        let mut head = Vec::new();
        Frame::WEBTRANSPORT.encode(&mut head);
        session.encode(&mut head);
        send.write_all(&head).await.unwrap();
        (send, recv)
    }

    /// The code with which the server closes the connection.
    pub(crate) async fn hear_close(&self) -> u64 {
        close_code(&self.connection).await
    }
}

/// A client of the signaling over QUIC.
pub(crate) struct QuicClient {
    pub(crate) connection: Connection,
    pub(crate) send: SendStream,
    pub(crate) recv: RecvStream,
    /// What keeps a WebTransport session open.
    pub(crate) session: Option<(SendStream, RecvStream, SendStream)>,
}

impl QuicClient {
    pub(crate) async fn say(&mut self, message: Value) {
        let text = message.to_string();
        let length = (text.len() as u32).to_be_bytes();
        self.send.write_all(&[&length, text.as_bytes()].concat()).await.unwrap();
    }

    pub(crate) async fn hear(&mut self) -> Value {
        let mut length = [0; 4];
        timeout(PATIENCE, self.recv.read_exact(&mut length)).await.expect("a message in time").unwrap();
        let mut text = vec![0; u32::from_be_bytes(length) as usize];
        timeout(PATIENCE, self.recv.read_exact(&mut text)).await.expect("its rest in time").unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    pub(crate) async fn hear_a(&mut self, t: &str) -> Value {
        let message = self.hear().await;
        assert_eq!(message["t"], t, "{message}");
        message
    }

    pub(crate) async fn greet(&mut self) {
        self.say(json!({"t": "hello", "v": 1})).await;
        self.hear_a("welcome").await;
    }

    /// The code with which the server closes the connection.
    pub(crate) async fn hear_close(&self) -> u64 {
        close_code(&self.connection).await
    }
}

async fn close_code(connection: &Connection) -> u64 {
    match timeout(PATIENCE, connection.closed()).await.expect("a close in time") {
        quinn::ConnectionError::ApplicationClosed(close) => close.error_code.into_inner(),
        other => panic!("a close with a code, not {other:?}"),
    }
}
