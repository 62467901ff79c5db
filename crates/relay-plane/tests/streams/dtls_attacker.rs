//! Hellos and records that no honest client sends, from whatever address. Not a test.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;

use crate::dtls_client::DtlsClient;
use crate::server::soon;

/// What begins a handshake, with a cookie or without. A library's hello, changed in few places.
#[derive(Clone)]
pub(crate) struct Hello(Vec<u8>);

impl Hello {
    /// One that nobody has sent yet.
    pub(crate) async fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        Self::of(&mut DtlsClient::on(socket, None))
    }

    /// A client's own, that it was about to send.
    pub(crate) fn of(client: &mut DtlsClient) -> Self {
        Self(client.poll().pop().unwrap())
    }

    /// That of another client.
    pub(crate) fn random(mut self, number: u32) -> Self {
        self.0[RANDOM..RANDOM + 4].copy_from_slice(&number.to_be_bytes());
        self
    }

    /// The one that follows a verify request.
    pub(crate) fn with_cookie_of(mut self, verify_request: &[u8]) -> Self {
        // Behind the version, with its length.
        let cookie = &verify_request[BODY + 2..];
        let at = RANDOM + 32;
        let at = at + 1 + usize::from(self.0[at]);
        assert_eq!(self.0[at], 0, "it has a cookie");
        self.0[at] = cookie[0];
        self.0.splice(at + 1..=at, cookie[1..].iter().copied());
        // The record's number and length, the message's number and both its lengths.
        self.0[10] = 1;
        self.0[18] = 1;
        let length = u16::try_from(self.0.len() - BODY).unwrap();
        self.0[11..13].copy_from_slice(&(length + 12).to_be_bytes());
        self.0[15..17].copy_from_slice(&length.to_be_bytes());
        self.0[23..25].copy_from_slice(&length.to_be_bytes());
        self
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A socket of a network of its own, so that nobody shares its bounds.
pub(crate) async fn socket_in(network: u8, to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, network, 1), 0)).await.unwrap();
    socket.connect(to).await.unwrap();
    socket
}

/// Shows a good cookie and says nothing more. Gives the hello that had it.
pub(crate) async fn half_open(socket: &UdpSocket, hello: Hello) -> Hello {
    socket.send(hello.bytes()).await.unwrap();
    let mut answer = [0; 2_048];
    let length = soon(socket.recv(&mut answer)).await.unwrap();
    let hello = hello.with_cookie_of(&answer[..length]);
    socket.send(hello.bytes()).await.unwrap();
    hello
}

/// A piece of a ClientKeyExchange of so many bytes, as a handshake's third message.
pub(crate) fn piece(number: u16, whole: u16, at: u16, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    let [high, low] = number.to_be_bytes();
    let mut record = vec![22, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, high, low];
    record.extend_from_slice(&(length + 12).to_be_bytes());
    let [whole, at, length] = [whole, at, length].map(u16::to_be_bytes);
    let message = [&[16, 0][..], &whole, &[0, 2, 0], &at, &[0], &length, bytes].concat();
    record.extend_from_slice(&message);
    record
}

/// Where the body of a datagram's first message begins, and the random number in a hello's.
const BODY: usize = 13 + 12;
const RANDOM: usize = BODY + 2;
