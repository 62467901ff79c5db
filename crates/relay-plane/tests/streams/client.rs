//! A TURN client with just enough of the protocol, over any transport.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use stun_wire::limits::STREAM_FRAME_BYTES_MAX;
use stun_wire::{
    AttributeType, ChannelNumber, Class, ErrorCode, Frame, IntegrityKey, Message, MessageWriter, Method,
    TransactionId, decode_xor_address, pad_stream_frame, write_channel_data_header,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;

use crate::config::REALM;
use crate::dtls_client::DtlsClient;
use crate::server::{PASSWORD, Server, USER, soon};

/// So that no two requests of one 5-tuple are taken for one.
static REQUESTS: AtomicU8 = AtomicU8::new(0);

pub(crate) const CHANNEL: u16 = 0x4001;

/// Protocol numbers.
pub(crate) const UDP: u8 = 17;
pub(crate) const TCP: u8 = 6;

pub(crate) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// What messages travel on.
pub(crate) enum Wire {
    Datagrams(UdpSocket),
    Stream { stream: Box<dyn Bytes>, unread: Vec<u8> },
    Dtls(Box<DtlsClient>),
}

impl Wire {
    pub(crate) async fn udp(server: &Server) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect(server.udp).await.unwrap();
        Self::Datagrams(socket)
    }

    pub(crate) async fn tcp(server: &Server) -> Self {
        Self::stream(TcpStream::connect(server.tcp).await.unwrap())
    }

    pub(crate) async fn tls(server: &Server) -> Self {
        Self::stream(tls(server, server.tls, &[]).await.unwrap())
    }

    pub(crate) async fn dtls(to: SocketAddr) -> Self {
        Self::Dtls(Box::new(DtlsClient::connect(to).await))
    }

    pub(crate) fn stream(stream: impl Bytes + 'static) -> Self {
        Self::Stream { stream: Box::new(stream), unread: Vec::new() }
    }

    pub(crate) async fn send(&mut self, message: &[u8]) {
        match self {
            Self::Datagrams(socket) => {
                socket.send(message).await.unwrap();
            }
            Self::Stream { stream, .. } => {
                let mut frame = message.to_vec();
                pad_stream_frame(&mut frame, 0);
                stream.write_all(&frame).await.unwrap();
                stream.flush().await.unwrap();
            }
            Self::Dtls(client) => client.send(message).await,
        }
    }

    /// The next message; `None` at the end of a connection.
    pub(crate) async fn receive(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Datagrams(socket) => {
                let mut buffer = vec![0; 65_536];
                let length = soon(socket.recv(&mut buffer)).await.unwrap();
                buffer.truncate(length);
                Some(buffer)
            }
            Self::Dtls(client) => client.receive().await,
            Self::Stream { stream, unread } => loop {
                if let Frame::Whole { message, taken } = Frame::first(unread, STREAM_FRAME_BYTES_MAX).unwrap()
                {
                    let message = message.to_vec();
                    unread.drain(..taken);
                    return Some(message);
                }
                if soon(stream.read_buf(unread)).await.ok()? == 0 {
                    return None;
                }
            },
        }
    }
}

/// A handshake with the test's certificate.
pub(crate) async fn tls(
    server: &Server,
    to: SocketAddr,
    protocols: &[&[u8]],
) -> std::io::Result<impl Bytes + use<>> {
    let mut roots = RootCertStore::empty();
    roots.add(server.certificate.clone()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(to).await?;
    let name = ServerName::try_from("localhost").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

/// A client with an allocation.
pub(crate) struct Client {
    pub(crate) wire: Wire,
    pub(crate) relayed: SocketAddr,
    user: (String, String),
    nonce: Vec<u8>,
}

impl Client {
    pub(crate) async fn allocate(wire: Wire) -> Self {
        Self::allocate_as(wire, USER, PASSWORD, UDP).await
    }

    /// As somebody, and of a transport.
    pub(crate) async fn allocate_as(wire: Wire, user: &str, password: &str, transport: u8) -> Self {
        let mut client = Self::challenged(wire, user, password).await;
        let answer = client.ask(Method::ALLOCATE, |writer| {
            writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[transport, 0, 0, 0]);
        });
        let answer = answer.await;
        let answer = Message::parse(&answer).unwrap();
        let relayed = answer.find(AttributeType::XOR_RELAYED_ADDRESS).unwrap();
        client.relayed = decode_xor_address(relayed, answer.transaction_id()).unwrap();
        client
    }

    /// One that has a nonce and nothing else.
    pub(crate) async fn challenged(mut wire: Wire, user: &str, password: &str) -> Self {
        wire.send(&bare_allocate()).await;
        let challenge = wire.receive().await.unwrap();
        let challenge = Message::parse(&challenge).unwrap();
        let nonce = challenge.find(AttributeType::NONCE).unwrap().to_vec();
        let relayed = SocketAddr::from(([0; 4], 0));
        Self { wire, relayed, user: (user.into(), password.into()), nonce }
    }

    /// Binds [`CHANNEL`] to the other's relayed address.
    pub(crate) async fn bind(&mut self, peer: SocketAddr) {
        self.ask(Method::CHANNEL_BIND, |writer| {
            writer
                .attribute(AttributeType::CHANNEL_NUMBER, &[0x40, 0x01, 0, 0])
                .xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        })
        .await;
    }

    pub(crate) async fn send(&mut self, payload: &[u8]) {
        self.wire.send(&channel_data(payload)).await;
    }

    /// The payload of the next message: on the channel, or in a Data indication while the peer's worker has
    /// not heard of that.
    pub(crate) async fn receive(&mut self) -> Option<Vec<u8>> {
        let message = self.wire.receive().await?;
        if let Ok(message) = Message::parse(&message) {
            assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
            return message.find(AttributeType::DATA).map(<[u8]>::to_vec);
        }
        assert_eq!(message[..2], CHANNEL.to_be_bytes());
        Some(message[4..].to_vec())
    }

    /// Asks with credentials; the answer is a success.
    pub(crate) async fn ask(&mut self, method: Method, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
        let out = self.request(method, fill);
        self.wire.send(&out).await;
        let answer = self.wire.receive().await.unwrap();
        assert_eq!(Message::parse(&answer).unwrap().class(), Class::Success);
        answer
    }

    /// Asks with credentials; the answer is an error with this code.
    pub(crate) async fn is_refused(
        &mut self,
        code: ErrorCode,
        method: Method,
        fill: impl FnOnce(&mut MessageWriter<'_>),
    ) {
        let out = self.request(method, fill);
        self.wire.send(&out).await;
        let answer = self.wire.receive().await.unwrap();
        let answer = Message::parse(&answer).unwrap();
        assert_eq!(answer.find(AttributeType::ERROR_CODE).unwrap(), code.to_bytes());
    }

    fn request(&self, method: Method, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
        let mut out = Vec::new();
        let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let id = TransactionId([number; 12]);
        let mut writer = MessageWriter::new(&mut out, Class::Request, method, id);
        fill(&mut writer);
        let (user, password) = (self.user.0.as_bytes(), self.user.1.as_bytes());
        let key = IntegrityKey::long_term_md5(user, REALM.as_bytes(), password);
        writer
            .attribute(AttributeType::USERNAME, user)
            .attribute(AttributeType::REALM, REALM.as_bytes())
            .attribute(AttributeType::NONCE, &self.nonce)
            .integrity(&key);
        out
    }
}

/// Two clients that have bound each other.
pub(crate) async fn pair(one: Wire, other: Wire) -> (Client, Client) {
    let (mut one, mut other) = (Client::allocate(one).await, Client::allocate(other).await);
    one.bind(other.relayed).await;
    other.bind(one.relayed).await;
    (one, other)
}

pub(crate) fn binding() -> Vec<u8> {
    let mut out = Vec::new();
    MessageWriter::new(&mut out, Class::Request, Method::BINDING, TransactionId([9; 12]));
    out
}

pub(crate) fn bare_allocate() -> Vec<u8> {
    let mut out = Vec::new();
    MessageWriter::new(&mut out, Class::Request, Method::ALLOCATE, TransactionId([8; 12]))
        .attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    out
}

pub(crate) fn channel_data(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let length = u16::try_from(payload.len()).unwrap();
    write_channel_data_header(&mut out, ChannelNumber::new(CHANNEL).unwrap(), length);
    out.extend_from_slice(payload);
    out
}
