//! One UDP socket that was open before: its clients are dealt out to the workers, each always to the same
//! one, and all answers leave by it.

mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stun_wire::{AttributeType, Message, Method, decode_xor_address};
use tokio::time::timeout;

use self::common::{ID, PATIENCE, V4, ask, nonce, receive, socket, start};

#[test]
fn every_worker_has_clients_and_each_is_relayed() {
    let inherited = socket(V4);
    let listening = inherited.local_addr().unwrap();
    let relay = start(Some(inherited), false);
    assert_eq!(relay.listening(), [listening]);
    let peer = socket(V4);
    let peer_address = peer.local_addr().unwrap();
    let mut workers = BTreeSet::new();
    let mut clients = Vec::new();
    for _ in 0..30 {
        let client = socket(V4);
        // From elsewhere it hears nothing any more.
        client.connect(listening).unwrap();
        let nonce = nonce(&client);
        let answer = ask(&client, &nonce, Method::ALLOCATE, |writer| {
            writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        });
        let answer = Message::parse(&answer).unwrap();
        let relayed = answer.find(AttributeType::XOR_RELAYED_ADDRESS).unwrap();
        let relayed = decode_xor_address(relayed, ID).unwrap();
        workers.insert(relayed.port() % 2);
        ask(&client, &nonce, Method::CHANNEL_BIND, |writer| {
            writer
                .attribute(AttributeType::CHANNEL_NUMBER, &[0x40, 0x01, 0, 0])
                .xor_address(AttributeType::XOR_PEER_ADDRESS, peer_address);
        });
        clients.push((client, relayed));
    }
    assert_eq!(workers.len(), 2, "a relayed port names its worker");
    for (number, (client, relayed)) in (0_u8..).zip(&clients) {
        client.send(&[0x40, 0x01, 0, 1, number]).unwrap();
        assert_eq!(receive(&peer), (vec![number], *relayed));
        peer.send_to(&[number, number], relayed).unwrap();
        assert_eq!(receive(client).0, [0x40, 0x01, 0, 2, number, number]);
    }
    assert_eq!(relay.handle().counters().io.lost_arrivals, 0);
    relay.stop();
}

#[tokio::test]
async fn whoever_watches_learns_that_a_worker_or_the_reader_is_gone() {
    let relay = start(Some(socket(V4)), false);
    let handle = relay.handle();
    for _ in 0..3 {
        let deadline = Instant::now() + PATIENCE;
        while !handle.has_pulse() {
            assert!(Instant::now() < deadline, "a thread does not answer");
            std::thread::yield_now();
        }
    }
    assert!(timeout(Duration::ZERO, handle.ended()).await.is_err(), "all are there");
    relay.stop();
    // What was asked before may have been answered.
    let _ = handle.has_pulse();
    assert!(!handle.has_pulse() && !handle.has_pulse());
    timeout(PATIENCE, handle.ended()).await.unwrap();
}
