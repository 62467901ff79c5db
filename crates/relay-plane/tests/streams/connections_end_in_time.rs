//! A stream's end is its allocations' end, and a stream without allocations ends (rows 95, 115, 119, 121).

use std::time::{Duration, Instant};

use relay_plane::RelayCounters;
use stun_wire::{AttributeType, Class, Message, Method, decode_xor_address};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Client, Wire, bare_allocate, binding};
use crate::server::{Server, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_95_a_closed_connection_takes_its_allocations_along() {
    let server = Server::start();
    for _ in 0..50 {
        let tcp = Client::allocate(Wire::tcp(&server).await).await;
        let tls = Client::allocate(Wire::tls(&server).await).await;
        drop((tcp, tls));
    }
    let all_made = |counters: &RelayCounters| counters.turn.allocations_made == 100;
    server.until(|it| all_made(it) && it.turn.allocations == 0 && it.streams.open == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_119_what_is_no_turn_is_closed_at_once() {
    let server = Server::start();
    let long_stun = [&[0, 1, 0xFF, 0xFC, 0x21, 0x12, 0xA4, 0x42][..], &[0; 12]].concat();
    let garbage: [&[u8]; 4] = [b"GET / HTTP/1.1\r\n\r\n", &[0xFF], &long_stun, &[0x40, 0x01, 0xFF, 0xFF]];
    for (number, bytes) in garbage.into_iter().enumerate() {
        let mut stream = TcpStream::connect(server.tcp).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        // That is not for want of an allocation, which would take ten seconds.
        assert_eq!(soon(stream.read(&mut [0; 1])).await.unwrap_or(0), 0, "{number}");
        server
            .until(|counters| (counters.streams.not_turn, counters.streams.idle) == (number as u64 + 1, 0))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_115_who_makes_no_allocation_is_closed_after_ten_seconds() {
    let server = Server::start();
    let start = Instant::now();
    let mut silent = TcpStream::connect(server.tcp).await.unwrap();
    let mut unproved = Wire::tls(&server).await;
    unproved.send(&bare_allocate()).await;
    assert!(unproved.receive().await.is_some());
    let mut ended = Client::allocate(Wire::tcp(&server).await).await;
    let mut working = Client::allocate(Wire::tcp(&server).await).await;
    ended
        .ask(Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, 0);
        })
        .await;
    assert_eq!(soon(silent.read(&mut [0; 1])).await.unwrap_or(0), 0);
    assert!(unproved.receive().await.is_none());
    assert!(ended.wire.receive().await.is_none());
    assert!(start.elapsed() > Duration::from_secs(9), "they had their time: {:?}", start.elapsed());
    working.wire.send(&binding()).await;
    assert!(working.wire.receive().await.is_some());
    server.until(|counters| counters.streams.idle == 3 && counters.streams.open == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_121_a_client_that_has_said_all_still_gets_its_answers() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.tcp).await.unwrap();
    stream.write_all(&[binding(), bare_allocate()].concat()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answers = Vec::new();
    soon(stream.read_to_end(&mut answers)).await.unwrap();
    let (binding, challenge) = answers.split_at(32);
    assert_eq!(Message::parse(binding).unwrap().class(), Class::Success);
    assert_eq!(Message::parse(challenge).unwrap().class(), Class::Error);
    server.until(|counters| counters.streams.open == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_121_a_reset_leaves_nothing_behind() {
    let server = Server::start();
    for state in 0..3 {
        let stream = TcpStream::connect(server.tcp).await.unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        match state {
            0 => drop(stream),
            1 => {
                let mut stream = stream;
                stream.write_all(&bare_allocate()[..10]).await.unwrap();
            }
            _ => drop(Client::allocate(Wire::stream(stream)).await),
        }
    }
    server.until(|counters| counters.streams.open == 0 && counters.turn.allocations == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_on_streams_are_not_counted_against_the_budget() {
    let server = Server::start();
    let mut wire = Wire::tcp(&server).await;
    for _ in 0..100 {
        wire.send(&binding()).await;
        assert!(wire.receive().await.is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_a_proxy_names_twice_has_one_connection() {
    let server = Server::start();
    let announced = async || {
        let mut stream = TcpStream::connect(server.proxied).await.unwrap();
        stream.write_all(b"PROXY TCP4 203.0.113.5 192.0.2.1 40000 3478\r\n").await.unwrap();
        Wire::stream(stream)
    };
    let mut first = Client::allocate(announced().await).await;
    assert!(announced().await.receive().await.is_none());
    first.wire.send(&binding()).await;
    let answer = first.wire.receive().await.unwrap();
    let answer = Message::parse(&answer).unwrap();
    let mapped = answer.find(AttributeType::XOR_MAPPED_ADDRESS).unwrap();
    let mapped = decode_xor_address(mapped, answer.transaction_id()).unwrap();
    assert_eq!(mapped, "203.0.113.5:40000".parse().unwrap());
    drop(first);
    server.until(|counters| counters.turn.allocations == 0 && counters.streams.open == 0).await;
    let mut next = announced().await;
    next.send(&binding()).await;
    assert!(next.receive().await.is_some());
}
