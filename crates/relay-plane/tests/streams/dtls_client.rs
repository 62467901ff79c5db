//! A DTLS client with its own cryptography, and the means to send what no client should. Not a test.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use dimpl::crypto::{Dtls12CipherSuite, rust_crypto};
use dimpl::{Config, Dtls, DtlsCertificate, Output};
use tokio::net::UdpSocket;
use tokio::time::timeout_at;

use crate::server::soon;

pub(crate) struct DtlsClient {
    pub(crate) socket: UdpSocket,
    dtls: Dtls,
    due: Instant,
    received: VecDeque<Vec<u8>>,
    /// The server's certificate, as it came.
    pub(crate) certificate: Vec<u8>,
    is_connected: bool,
    is_closed: bool,
}

impl DtlsClient {
    /// A finished handshake with a server at this address.
    pub(crate) async fn connect(to: SocketAddr) -> Self {
        Self::connect_by(to, None).await
    }

    /// The same with this cipher suite only.
    pub(crate) async fn connect_by(to: SocketAddr, suite: Option<Dtls12CipherSuite>) -> Self {
        let ip = if to.is_ipv4() { "127.0.0.1" } else { "::1" };
        let socket = UdpSocket::bind((ip, 0)).await.unwrap();
        socket.connect(to).await.unwrap();
        let mut client = Self::on(socket, suite);
        client.finish().await;
        client
    }

    /// A client that has said nothing yet.
    pub(crate) fn on(socket: UdpSocket, suite: Option<Dtls12CipherSuite>) -> Self {
        let mut config = Config::builder().with_crypto_provider(rust_crypto::default_provider());
        if let Some(suite) = suite {
            config = config.dtls12_cipher_suites(&[suite]);
        }
        let made = rcgen::generate_simple_self_signed(Vec::new()).unwrap();
        let certificate = DtlsCertificate {
            certificate: made.cert.der().to_vec(),
            private_key: made.signing_key.serialize_der(),
        };
        let now = Instant::now();
        let mut dtls = Dtls::new_12(Arc::new(config.build().unwrap()), certificate, now);
        dtls.set_active(true);
        dtls.handle_timeout(now).unwrap();
        Self {
            socket,
            dtls,
            due: now,
            received: VecDeque::new(),
            certificate: Vec::new(),
            is_connected: false,
            is_closed: false,
        }
    }

    /// Makes the handshake.
    pub(crate) async fn finish(&mut self) {
        soon(self.run(|client| client.is_connected)).await;
    }

    /// The records that carry a message.
    pub(crate) fn seal(&mut self, message: &[u8]) -> Vec<Vec<u8>> {
        self.dtls.send_application_data(message).unwrap();
        self.poll()
    }

    pub(crate) async fn send(&mut self, message: &[u8]) {
        for datagram in self.seal(message) {
            self.socket.send(&datagram).await.unwrap();
        }
    }

    /// The next message; `None` after the server's good-bye.
    pub(crate) async fn receive(&mut self) -> Option<Vec<u8>> {
        soon(self.run(|client| client.is_closed || !client.received.is_empty())).await;
        self.received.pop_front()
    }

    pub(crate) async fn close(&mut self) {
        self.dtls.close().unwrap();
        for datagram in self.poll() {
            self.socket.send(&datagram).await.unwrap();
        }
    }

    /// What the library wants to send now.
    pub(crate) fn poll(&mut self) -> Vec<Vec<u8>> {
        let mut out = vec![0; 20_000];
        let mut datagrams = Vec::new();
        loop {
            match self.dtls.poll_output(&mut out) {
                Output::Packet(datagram) => datagrams.push(datagram.to_vec()),
                Output::ApplicationData(message) => self.received.push_back(message.to_vec()),
                Output::PeerCert(certificate) => self.certificate = certificate.to_vec(),
                Output::Connected => self.is_connected = true,
                Output::CloseNotify => self.is_closed = true,
                Output::Timeout(due) => {
                    self.due = due;
                    return datagrams;
                }
                _ => {}
            }
        }
    }

    /// Hands a datagram to the library.
    pub(crate) fn take(&mut self, datagram: &[u8]) {
        self.dtls.handle_timeout(Instant::now()).unwrap();
        self.dtls.handle_packet(datagram).unwrap();
    }

    async fn run(&mut self, until: impl Fn(&Self) -> bool) {
        let mut buffer = vec![0; 65_536];
        loop {
            for datagram in self.poll() {
                self.socket.send(&datagram).await.unwrap();
            }
            if until(self) {
                return;
            }
            match timeout_at(self.due.into(), self.socket.recv(&mut buffer)).await {
                Ok(received) => self.take(&buffer[..received.unwrap()]),
                Err(_) => self.dtls.handle_timeout(Instant::now()).unwrap(),
            }
        }
    }
}
