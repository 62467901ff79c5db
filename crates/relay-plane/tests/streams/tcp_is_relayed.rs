//! TCP allocations over real sockets: bytes pass both ways as they are, an end is told as what it is, and a
//! slow reader makes the other side wait (rows 23, 97, 98, 121).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stun_wire::{AttributeType, Class, ErrorCode, Message, Method, decode_xor_address};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use turn_core::{BandwidthLimits, DropReason, SessionId, SessionKey, Side};

use crate::client::{Bytes, Client, TCP, Wire};
use crate::server::{Server, soon};

const SESSION: SessionId = SessionId([3; 16]);

/// The key of the servers under test.
const KEY: [u8; 32] = [7; 32];

fn credential() -> (String, String) {
    let credential = SessionKey::new(KEY).mint(SESSION, Side::A, 4_000_000_000);
    (credential.username, credential.password)
}

/// A client with a TCP allocation.
async fn relaying(wire: Wire) -> Client {
    let (user, password) = credential();
    Client::allocate_as(wire, &user, &password, TCP).await
}

async fn connect(client: &mut Client, peer: SocketAddr) -> Vec<u8> {
    let answer = client.ask(Method::CONNECT, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    });
    let answer = answer.await;
    Message::parse(&answer).unwrap().find(AttributeType::CONNECTION_ID).unwrap().to_vec()
}

/// The client's own connection, joined with a peer's that has said nothing yet.
async fn bind(wire: Wire, id: &[u8]) -> Box<dyn Bytes> {
    let (stream, said) = bind_to_talker(wire, id).await;
    assert!(said.is_empty());
    stream
}

/// The same, and what the peer's first words were, as far as they came with the answer.
async fn bind_to_talker(wire: Wire, id: &[u8]) -> (Box<dyn Bytes>, Vec<u8>) {
    let (user, password) = credential();
    let mut data = Client::challenged(wire, &user, &password).await;
    data.ask(Method::CONNECTION_BIND, |writer| {
        writer.attribute(AttributeType::CONNECTION_ID, id);
    })
    .await;
    let Wire::Stream { stream, unread } = data.wire else { panic!("a stream") };
    (stream, unread)
}

/// A client, its connection and its peer's.
async fn joined(server: &Server) -> (Client, Box<dyn Bytes>, TcpStream) {
    joined_by(server, Wire::tcp(server).await).await
}

/// The same with a connection for data that the client has made.
async fn joined_by(server: &Server, data: Wire) -> (Client, Box<dyn Bytes>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = relaying(Wire::tcp(server).await).await;
    let id = connect(&mut client, listener.local_addr().unwrap()).await;
    let (peer, from) = soon(listener.accept()).await.unwrap();
    assert_eq!(from, client.relayed, "a connection leaves from the relayed address");
    (client, bind(data, &id).await, peer)
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 % 251) as u8).collect()
}

async fn permit(client: &mut Client, peer: SocketAddr) {
    client
        .ask(Method::CREATE_PERMISSION, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        })
        .await;
}

/// Waits for a connection's end, of whatever kind.
async fn ends(stream: &mut (impl Bytes + ?Sized)) {
    let read = soon(stream.read(&mut [0; 1])).await;
    assert!(read.is_err() || read.is_ok_and(|length| length == 0));
}

async fn nothing_is_left(server: &Server) {
    server.until(|counters| counters.turn.connections == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_pass_as_they_are_over_tcp_and_tls() {
    let server = Server::start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let wires = [
        (Wire::tcp(&server).await, Wire::tcp(&server).await),
        (Wire::tls(&server).await, Wire::tls(&server).await),
        (Wire::tcp(&server).await, Wire::tls(&server).await),
    ];
    for (control, data) in wires {
        let mut client = relaying(control).await;
        let id = connect(&mut client, listener.local_addr().unwrap()).await;
        let (mut peer, _) = soon(listener.accept()).await.unwrap();
        let mut data = bind(data, &id).await;
        // Nothing of this begins as a frame does.
        let sent = bytes(1 << 20);
        let (mut there, mut back) = (vec![0; sent.len()], vec![0; sent.len()]);
        for _ in 0..2 {
            soon(async {
                let (wrote, read) = tokio::join!(data.write_all(&sent), peer.read_exact(&mut there));
                wrote.and(read).unwrap();
                data.flush().await.unwrap();
                let (wrote, read) = tokio::join!(peer.write_all(&sent), data.read_exact(&mut back));
                wrote.and(read).unwrap();
            })
            .await;
            assert!(there == sent && back == sent);
        }
    }
    let bytes = 3 * 2 * (1 << 20);
    let all = |of: u64| of == bytes;
    server.until(|it| all(it.streams.tcp_to_peer_bytes) && all(it.streams.tcp_from_peer_bytes)).await;
    nothing_is_left(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_connects_and_what_it_says_meanwhile_is_kept() {
    let server = Server::start();
    let mut client = relaying(Wire::tls(&server).await).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let from = socket.local_addr().unwrap();
    permit(&mut client, from).await;
    let mut peer = socket.connect(client.relayed).await.unwrap();
    peer.write_all(b"who is there?").await.unwrap();
    let attempt = client.wire.receive().await.unwrap();
    let attempt = Message::parse(&attempt).unwrap();
    assert_eq!((attempt.class(), attempt.method()), (Class::Indication, Method::CONNECTION_ATTEMPT));
    let told = attempt.find(AttributeType::XOR_PEER_ADDRESS).unwrap();
    assert_eq!(decode_xor_address(told, attempt.transaction_id()), Ok(from));
    let id = attempt.find(AttributeType::CONNECTION_ID).unwrap();
    let (mut data, mut heard) = bind_to_talker(Wire::tcp(&server).await, id).await;
    while heard.len() < 13 {
        soon(data.read_buf(&mut heard)).await.unwrap();
    }
    assert_eq!(heard, b"who is there?");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_23_a_peer_without_a_permission_is_closed_at_once() {
    let server = Server::start();
    let client = relaying(Wire::tcp(&server).await).await;
    // It may be over before it is noticed that it began.
    if let Ok(mut peer) = TcpStream::connect(client.relayed).await {
        ends(&mut peer).await;
    }
    server.until(|counters| counters.turn.drops[DropReason::NoPermission as usize] == 1).await;
    nothing_is_left(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_refuses_is_a_failure_and_a_wrong_id_a_mistake() {
    let server = Server::start();
    let mut client = relaying(Wire::tcp(&server).await).await;
    // Bound, so nobody else's, and nobody listens.
    let holder = TcpSocket::new_v4().unwrap();
    holder.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = holder.local_addr().unwrap();
    client
        .is_refused(ErrorCode::ConnectionTimeoutOrFailure, Method::CONNECT, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, closed);
        })
        .await;
    let (user, password) = credential();
    let mut data = Client::challenged(Wire::tcp(&server).await, &user, &password).await;
    for id in 0..4 {
        data.is_refused(ErrorCode::BadRequest, Method::CONNECTION_BIND, |writer| {
            writer.u32(AttributeType::CONNECTION_ID, id);
        })
        .await;
    }
    nothing_is_left(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_121_one_side_may_say_all_before_the_other() {
    let server = Server::start();
    for (client_first, tls) in [(true, false), (false, false), (true, true), (false, true)] {
        let data = if tls { Wire::tls(&server).await } else { Wire::tcp(&server).await };
        let (_client, mut data, mut peer) = joined_by(&server, data).await;
        let (first, second): (&mut dyn Bytes, &mut dyn Bytes) =
            if client_first { (&mut *data, &mut peer) } else { (&mut peer, &mut *data) };
        first.write_all(b"that is all").await.unwrap();
        first.shutdown().await.unwrap();
        let mut heard = Vec::new();
        soon(second.read_to_end(&mut heard)).await.unwrap();
        assert_eq!(heard, b"that is all");
        let answer = bytes(100_000);
        second.write_all(&answer).await.unwrap();
        second.shutdown().await.unwrap();
        heard.clear();
        soon(first.read_to_end(&mut heard)).await.unwrap();
        assert!(heard == answer);
        nothing_is_left(&server).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_121_a_reset_is_told_as_one_and_leaves_nothing() {
    let server = Server::start();
    let (_client, mut data, peer) = joined(&server).await;
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    let read = soon(data.read(&mut [0; 1])).await;
    assert!(read.is_err(), "a broken connection is not the end of what was to be said");
    nothing_is_left(&server).await;
    let (_client, data, mut peer) = joined(&server).await;
    drop(data);
    ends(&mut peer).await;
    // It has said nothing, so this is no end for it; but there is nobody to hear it.
    while peer.write_all(&[0; 1 << 16]).await.is_ok() {}
    nothing_is_left(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_allocation_was_for_ends_with_it() {
    let server = Server::start();
    for end in 0..3 {
        let (mut client, mut data, mut peer) = joined(&server).await;
        let unbound = TcpListener::bind("127.0.0.1:0").await.unwrap();
        connect(&mut client, unbound.local_addr().unwrap()).await;
        let (mut pending, _) = soon(unbound.accept()).await.unwrap();
        let relayed = client.relayed;
        match end {
            0 => {
                client
                    .ask(Method::REFRESH, |writer| {
                        writer.u32(AttributeType::LIFETIME, 0);
                    })
                    .await;
            }
            1 => drop(client),
            _ => server.end_session(SESSION),
        }
        ends(&mut *data).await;
        ends(&mut peer).await;
        ends(&mut pending).await;
        nothing_is_left(&server).await;
        assert!(TcpStream::connect(relayed).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_98_who_does_not_read_makes_the_other_wait_and_loses_nothing() {
    let server = Server::start();
    for client_reads in [true, false] {
        let (_client, mut data, mut peer) = joined(&server).await;
        let (reader, writer): (&mut dyn Bytes, &mut dyn Bytes) =
            if client_reads { (&mut *data, &mut peer) } else { (&mut peer, &mut *data) };
        let piece = bytes(251 * 256);
        let mut wrote = 0;
        // Until the kernel's buffers on the way are full.
        while let Ok(written) =
            tokio::time::timeout(Duration::from_millis(500), writer.write(&piece[wrote % piece.len()..]))
                .await
        {
            wrote += written.unwrap();
            assert!(wrote < 64 << 20, "nobody holds so much");
        }
        writer.shutdown().await.unwrap();
        let mut read = Vec::new();
        soon(reader.read_to_end(&mut read)).await.unwrap();
        assert_eq!(read.len(), wrote);
        assert!(read.chunks(piece.len()).all(|chunk| *chunk == piece[..chunk.len()]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_97_bytes_are_charged_to_who_sends_and_receives_them() {
    // A megabyte a second.
    let server = Server::start_with(BandwidthLimits { session_bps: 8_000_000, total_bps: 0 });
    let (_client, mut data, mut peer) = joined(&server).await;
    let sent = bytes(2 << 20);
    let mut read = vec![0; sent.len()];
    let start = Instant::now();
    let (wrote, read) = tokio::join!(peer.write_all(&sent), soon(data.read_exact(&mut read)));
    wrote.and(read).unwrap();
    // Half a second's worth may pass at once.
    assert!(start.elapsed() > Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_of_the_relay_reach_each_other() {
    let server = Server::start();
    let mut one = relaying(Wire::tcp(&server).await).await;
    let mut other = relaying(Wire::tls(&server).await).await;
    permit(&mut other, one.relayed).await;
    let ours = connect(&mut one, other.relayed).await;
    let attempt = other.wire.receive().await.unwrap();
    let theirs = Message::parse(&attempt).unwrap().find(AttributeType::CONNECTION_ID).unwrap().to_vec();
    let mut ours = bind(Wire::tcp(&server).await, &ours).await;
    let mut theirs = bind(Wire::tls(&server).await, &theirs).await;
    ours.write_all(b"hello").await.unwrap();
    let mut heard = [0; 5];
    soon(theirs.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"hello");
}
