//! DTLS under attack: floods, handshakes that stall, cookies and records that come again or in pieces. Bounds
//! and deadlines hold, and whoever is connected loses nothing (rows 90, 115, 116, 117, 118, 121).

#![allow(clippy::print_stdout, reason = "times that are read and not judged")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stun_wire::{Class, ErrorCode, Message, MessageWriter, Method, TransactionId};
use tokio::net::UdpSocket;
use turn_core::{SessionId, SessionKey, Side};

use crate::client::{Client, TCP, Wire, binding, pair};
use crate::config::PATIENCE;
use crate::dtls_attacker::{Hello, half_open, piece, socket_in};
use crate::dtls_client::DtlsClient;
use crate::server::{DTLS_CAPS, Server, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_90_and_117_a_flood_of_hellos_and_half_handshakes_does_not_touch_a_call() {
    let server = Server::start();
    let (mut one, mut other) = pair(Wire::udp(&server).await, Wire::udp(&server).await).await;
    let (mut third, mut fourth) = pair(Wire::dtls(server.dtls[0]).await, Wire::udp(&server).await).await;
    let before = [call(&mut one, &mut other).await, call(&mut third, &mut fourth).await];
    // Every place for a handshake is taken by somebody who goes no further.
    let hello = Hello::new().await;
    let mut stalled = Vec::new();
    let begun = Instant::now();
    for number in 0..DTLS_CAPS.handshakes {
        let socket = socket_in(10 + number as u8, server.dtls[0]).await;
        half_open(&socket, hello.clone().random(number as u32)).await;
        stalled.push(socket);
    }
    server.until(|counters| counters.dtls.open == 1 + DTLS_CAPS.handshakes as u64).await;
    let late = socket_in(9, server.dtls[0]).await;
    half_open(&late, hello.clone()).await;
    server.until(|counters| counters.dtls.refused == 1).await;
    // And strangers say hello from a hundred networks all the while.
    let flood = tokio::spawn(flood(server.dtls[0], hello));
    let during = [call(&mut one, &mut other).await, call(&mut third, &mut fourth).await];
    // It was one.
    server.until(|counters| counters.dtls.asked > 1_000).await;
    flood.abort();
    for ((before, during), what) in before.iter().zip(&during).zip(["UDP to UDP", "DTLS to UDP"]) {
        println!("{what}: before {}; during {}", told(before), told(during));
        assert_eq!((before.len(), during.len()), (PACKETS, PACKETS), "no packet of a call is lost");
    }
    let counters = server.counters().dtls;
    println!("{} strangers were asked for a cookie", counters.asked);
    assert!(counters.open <= 1 + DTLS_CAPS.handshakes as u64, "{counters:?}");
    // At the deadline they are forgotten, and their places are for others.
    let failed = DTLS_CAPS.handshakes as u64;
    server.until(|counters| (counters.dtls.failed, counters.dtls.open) == (failed, 1)).await;
    assert!(begun.elapsed() > Duration::from_secs(4), "they had their time: {:?}", begun.elapsed());
    let mut next = DtlsClient::connect(server.dtls[0]).await;
    next.send(&binding()).await;
    assert!(next.receive().await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_115_a_handshake_in_endless_pieces_ends_at_its_deadline() {
    let server = Server::start();
    let hello = Hello::new().await;
    let begun = Instant::now();
    let (slow, hasty) = (socket_in(10, server.dtls[0]).await, socket_in(11, server.dtls[1]).await);
    half_open(&slow, hello.clone()).await;
    half_open(&hasty, hello.random(1)).await;
    server.until(|counters| counters.dtls.open == 2).await;
    // One sends a byte now and then and never the first, the other pieces of messages without end.
    let mut number = 0;
    while server.counters().dtls.open > 0 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", server.counters().dtls);
        number += 1;
        if number % 20 == 0 {
            slow.send(&piece(number, 66, 1 + number / 20, &[7])).await.unwrap();
        }
        for at in 0..20 {
            let at = number.wrapping_mul(37).wrapping_add(at * 11) % 16_000;
            hasty.send(&piece(number + at, 16_383, at, &[at as u8; 100])).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(begun.elapsed() > Duration::from_secs(4), "the slow one had its time");
    assert_eq!((server.counters().dtls.failed, server.counters().dtls.accepted), (2, 0));
    println!("two handshakes in pieces ended after {:.1} s", begun.elapsed().as_secs_f64());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_121_a_cookie_that_comes_again_makes_one_association_at_most() {
    let server = Server::start();
    let socket = socket_in(10, server.dtls[0]).await;
    let hello = half_open(&socket, Hello::new().await).await;
    server.until(|counters| counters.dtls.open == 1).await;
    for _ in 0..100 {
        socket.send(hello.bytes()).await.unwrap();
    }
    // From elsewhere it is nobody's.
    let thief = socket_in(11, server.dtls[0]).await;
    thief.send(hello.bytes()).await.unwrap();
    let mut answer = [0; 2_048];
    assert_eq!(soon(thief.recv(&mut answer)).await.unwrap(), 60);
    server.until(|counters| counters.dtls.failed == 1).await;
    assert_eq!(server.counters().dtls.open, 0);
    // While the cookie is good and its association over, it makes another, which ends as the first did.
    for _ in 0..100 {
        socket.send(hello.bytes()).await.unwrap();
    }
    server.until(|counters| counters.dtls.open == 1).await;
    server.until(|counters| counters.dtls.failed == 2 && counters.dtls.open == 0).await;
    assert_eq!(server.counters().dtls.accepted, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_121_the_hellos_of_an_association_may_come_again_when_it_is_open() {
    let server = Server::start();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server.dtls[0]).await.unwrap();
    let mut client = DtlsClient::on(socket, None);
    let first = client.poll().pop().unwrap();
    client.socket.send(&first).await.unwrap();
    let mut answer = [0; 2_048];
    let length = soon(client.socket.recv(&mut answer)).await.unwrap();
    client.take(&answer[..length]);
    let second = client.poll().pop().unwrap();
    client.socket.send(&second).await.unwrap();
    client.finish().await;
    for _ in 0..20 {
        client.socket.send(&first).await.unwrap();
        client.socket.send(&second).await.unwrap();
        client.send(&binding()).await;
        assert!(client.receive().await.is_some());
    }
    server.until(|counters| (counters.dtls.open, counters.dtls.accepted) == (1, 1)).await;
    assert_eq!(server.counters().dtls.failed, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_come_cut_twice_or_in_any_order_are_read_once() {
    let server = Server::start();
    let mut client = DtlsClient::connect(server.dtls[0]).await;
    let mut sent = 0;
    for round in 0..10_u8 {
        let mut records = Vec::new();
        for number in 0..10 {
            records.extend(client.seal(&numbered(round * 10 + number)));
        }
        // Each as far as any length, then whole and twice, the last first.
        for record in records.iter().rev() {
            for length in 0..record.len() {
                client.socket.send(&record[..length]).await.unwrap();
            }
            client.socket.send(record).await.unwrap();
            client.socket.send(record).await.unwrap();
        }
        // Two records in one datagram are both read; and old ones are not, whatever came since.
        client.socket.send(&records.concat()).await.unwrap();
        let both =
            [client.seal(&numbered(100 + 2 * round)), client.seal(&numbered(101 + 2 * round))].concat();
        client.socket.send(&both.concat()).await.unwrap();
        sent += 12;
        server.until(|counters| counters.io.dtls.in_packets >= sent).await;
    }
    let mut heard = BTreeSet::new();
    for _ in 0..sent {
        let answer = client.receive().await.unwrap();
        let answer = Message::parse(&answer).unwrap();
        assert_eq!(answer.class(), Class::Success);
        assert!(heard.insert(answer.transaction_id().0), "answered twice");
    }
    client.send(&numbered(255)).await;
    let last = client.receive().await.unwrap();
    assert_eq!(Message::parse(&last).unwrap().transaction_id(), TransactionId([255; 12]));
    server.until(|counters| counters.io.dtls.in_packets == sent + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_under_a_clients_name_costs_it_nothing() {
    let server = Server::start();
    let (mut client, mut other) = pair(Wire::dtls(server.dtls[0]).await, Wire::udp(&server).await).await;
    let before = call(&mut client, &mut other).await;
    for round in 0..20_u8 {
        let Wire::Dtls(wire) = &client.wire else { panic!("what it was given") };
        for at in 0..200_u16 {
            // Numbers up to the highest there are, which would close the window to all that comes later.
            let [high, low] = (at * 327).to_be_bytes();
            let mut record =
                vec![20 + (at % 7) as u8, 0xFE, 0xFD, 0, 1, 0xFF, high, low, 0xFF, 0xFF, round, 0, 64];
            record.extend_from_slice(&[round ^ low; 64]);
            wire.socket.send(&record).await.unwrap();
        }
        client.send(&[0x80; 200]).await;
        assert_eq!(other.receive().await.unwrap(), [0x80; 200]);
    }
    let after = call(&mut client, &mut other).await;
    println!("before {}; after 4,000 records of garbage {}", told(&before), told(&after));
    assert_eq!((before.len(), after.len()), (PACKETS, PACKETS));
    server.until(|counters| (counters.dtls.open, counters.dtls.accepted) == (1, 1)).await;
    assert_eq!(server.counters().dtls.failed, 0);
}

//= RFC 6062 §5.1: "If the client connection transport is not TCP or TLS, the server MUST reject the request
//= with a 400 (Bad Request) error"
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_23_there_is_no_tcp_allocation_over_dtls() {
    let server = Server::start();
    let credential = SessionKey::new([7; 32]).mint(SessionId([3; 16]), Side::A, 4_000_000_000);
    for to in server.dtls {
        let wire = Wire::dtls(to).await;
        let mut client = Client::challenged(wire, &credential.username, &credential.password).await;
        client
            .is_refused(ErrorCode::BadRequest, Method::ALLOCATE, |writer| {
                writer.attribute(stun_wire::AttributeType::REQUESTED_TRANSPORT, &[TCP, 0, 0, 0]);
            })
            .await;
        client.is_refused(ErrorCode::AllocationMismatch, Method::CONNECT, |_| {}).await;
        client.is_refused(ErrorCode::BadRequest, Method::CONNECTION_BIND, |_| {}).await;
    }
    assert_eq!(server.counters().turn.allocations_made, 0);
}

/// Hellos without cookies, some thousand a second.
async fn flood(to: std::net::SocketAddr, hello: Hello) {
    let mut sockets = Vec::new();
    for network in 100..200 {
        sockets.push(socket_in(network, to).await);
    }
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    for number in 0.. {
        ticks.tick().await;
        for socket in &sockets[..25] {
            // What the kernel will not send it need not.
            let _ = socket.try_send(hello.clone().random(number).bytes());
        }
        sockets.rotate_left(25);
    }
}

/// Sends as a call does, a packet every 10 ms; gives how long each was on its way.
async fn call(one: &mut Client, other: &mut Client) -> Vec<Duration> {
    let start = Instant::now();
    let mut ways = Vec::new();
    let sending = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        for _ in 0..PACKETS {
            ticks.tick().await;
            let sent = start.elapsed().as_nanos() as u64;
            one.send(&[&sent.to_be_bytes()[..], &[0; 192]].concat()).await;
        }
    };
    let receiving = async {
        while ways.len() < PACKETS {
            let Ok(heard) = tokio::time::timeout(PATIENCE, other.receive()).await else {
                break;
            };
            let heard = heard.unwrap();
            let sent = u64::from_be_bytes(heard[..8].try_into().unwrap());
            ways.push(start.elapsed().saturating_sub(Duration::from_nanos(sent)));
        }
    };
    tokio::join!(sending, receiving);
    ways
}

fn told(ways: &[Duration]) -> String {
    let mut ways = ways.to_vec();
    ways.sort_unstable();
    let at = |share: f64| ways[((ways.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    format!("median {:.2} ms, 99 % {:.2} ms, worst {:.2} ms", at(0.5), at(0.99), at(1.0))
}

/// A Binding request that is told from others by its answer.
fn numbered(number: u8) -> Vec<u8> {
    let mut out = Vec::new();
    MessageWriter::new(&mut out, Class::Request, Method::BINDING, TransactionId([number; 12]));
    out
}

/// One second of a call.
const PACKETS: usize = 100;
