//! DTLS: nothing is kept before the cookie, and what is kept has bounds (rows 90, 115, 116, 117, 121).

use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::crypto::Dtls12CipherSuite;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;
use stun_wire::{AttributeType, Class, Message, Method};
use tokio::net::UdpSocket;

use crate::client::{Client, Wire, bare_allocate, binding};
use crate::dtls_attacker::Hello;
use crate::dtls_client::DtlsClient;
use crate::server::{DTLS_CAPS, Server, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_suite_on_both_ports_has_the_certificate_of_the_moment() {
    let server = Server::start();
    for to in server.dtls {
        for suite in [
            Dtls12CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256,
            Dtls12CipherSuite::ECDHE_ECDSA_AES256_GCM_SHA384,
            Dtls12CipherSuite::ECDHE_ECDSA_AES128_GCM_SHA256,
        ] {
            let mut client = DtlsClient::connect_by(to, Some(suite)).await;
            assert_eq!(client.certificate, &server.certificate[..]);
            client.send(&binding()).await;
            let answer = client.receive().await.unwrap();
            assert_eq!(Message::parse(&answer).unwrap().class(), Class::Success);
        }
    }
    server.until(|counters| counters.dtls.accepted == 6 && counters.io.dtls.out_packets == 6).await;

    let mut before = Client::allocate(Wire::dtls(server.dtls[0]).await).await;
    let other = certified(&rcgen::PKCS_ECDSA_P384_SHA384);
    *server.certified.lock().unwrap() = Arc::clone(&other);
    let after = DtlsClient::connect(server.dtls[0]).await;
    assert_eq!(after.certificate, &other.cert[0][..]);
    before.wire.send(&binding()).await;
    assert!(before.wire.receive().await.is_some());

    // Keys that the library does not know are for TLS only.
    *server.certified.lock().unwrap() = certified(&rcgen::PKCS_ED25519);
    let (refused, with_cookie) = asked(server.dtls[0]).await;
    refused.socket.send(with_cookie.bytes()).await.unwrap();
    let mut alert = [0; 64];
    assert_eq!(soon(refused.socket.recv(&mut alert)).await.unwrap(), 15);
    assert_eq!((alert[0], alert[14]), (21, 40));
    server.until(|counters| counters.dtls.failed == 1).await;

    // DTLS 1.0 is told that it is too old, and need not ask again.
    let mut old = with_cookie.bytes().to_vec();
    old[26] = 0xFF;
    refused.socket.send(&old).await.unwrap();
    assert_eq!(soon(refused.socket.recv(&mut alert)).await.unwrap(), 15);
    assert_eq!((alert[0], alert[14]), (21, 70));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_90_and_117_strangers_are_sent_less_than_they_send_and_leave_nothing() {
    let server = Server::start();
    let (_other, with_cookie) = asked(server.dtls[0]).await;
    for to in server.dtls {
        for number in 0..50 {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.connect(to).await.unwrap();
            let mut client = DtlsClient::on(socket, None);
            // Every other one has a cookie, and it is somebody else's.
            let hello = if number % 2 == 0 { Hello::of(&mut client) } else { with_cookie.clone() };
            client.socket.send(hello.bytes()).await.unwrap();
            let mut answer = [0; 2_048];
            let length = soon(client.socket.recv(&mut answer)).await.unwrap();
            assert!(length <= hello.bytes().len() && answer[13] == 3, "a verify request of {length} bytes");
        }
    }
    server.until(|counters| counters.dtls.asked == 101).await;
    let counters = server.counters();
    assert_eq!((counters.dtls.open, counters.dtls.refused, counters.dtls.failed), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_116_one_network_has_so_many_associations_and_no_more() {
    let server = Server::start();
    let mut clients = Vec::new();
    for _ in 0..DTLS_CAPS.open_per_prefix {
        // Who has an allocation stays.
        clients.push(Client::allocate(Wire::dtls(server.dtls[0]).await).await.wire);
    }
    let late = tokio::spawn(DtlsClient::connect(server.dtls[0]));
    server.until(|counters| counters.dtls.refused > 0).await;
    assert!(!late.is_finished());
    for client in &mut clients {
        client.send(&binding()).await;
        assert!(client.receive().await.is_some());
    }
    let Some(Wire::Dtls(mut one)) = clients.pop() else { panic!("what it was given") };
    one.close().await;
    soon(late).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_116_one_network_of_half_handshakes_leaves_room_for_others() {
    let server = Server::start();
    let mut halves = Vec::new();
    for _ in 0..DTLS_CAPS.handshakes {
        halves.push(asked(server.dtls[0]).await);
    }
    // All at once: the first ones stay no longer than five seconds.
    for (half, hello) in &halves {
        half.socket.send(hello.bytes()).await.unwrap();
    }
    let begun = DTLS_CAPS.handshakes_per_prefix as u64;
    let expected = (begun, DTLS_CAPS.handshakes as u64 - begun);
    server.until(|counters| (counters.dtls.open, counters.dtls.refused) == expected).await;
    let other = UdpSocket::bind("127.0.1.1:0").await.unwrap();
    other.connect(server.dtls[0]).await.unwrap();
    let mut other = DtlsClient::on(other, None);
    other.finish().await;
    other.send(&binding()).await;
    assert!(other.receive().await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_115_who_stops_in_the_handshake_or_makes_no_allocation_is_forgotten() {
    let server = Server::start();
    let start = Instant::now();
    let (half, hello) = asked(server.dtls[0]).await;
    half.socket.send(hello.bytes()).await.unwrap();
    let mut unproved = Wire::dtls(server.dtls[0]).await;
    unproved.send(&bare_allocate()).await;
    assert!(unproved.receive().await.is_some());
    let mut ended = Client::allocate(Wire::dtls(server.dtls[1]).await).await;
    let mut working = Client::allocate(Wire::dtls(server.dtls[1]).await).await;
    ended
        .ask(Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, 0);
        })
        .await;
    server.until(|counters| counters.dtls.failed == 1).await;
    assert!(start.elapsed() > Duration::from_secs(4), "it had its time: {:?}", start.elapsed());
    assert!(unproved.receive().await.is_none());
    assert!(ended.wire.receive().await.is_none());
    assert!(start.elapsed() > Duration::from_secs(9), "they had their time: {:?}", start.elapsed());
    working.wire.send(&binding()).await;
    assert!(working.wire.receive().await.is_some());
    server.until(|counters| counters.dtls.idle == 2 && counters.dtls.open == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_121_a_good_bye_or_a_new_beginning_ends_the_allocations() {
    let server = Server::start();
    let Wire::Dtls(mut client) = Client::allocate(Wire::dtls(server.dtls[0]).await).await.wire else {
        panic!("what it was given");
    };
    server.until(|counters| counters.turn.allocations == 1).await;
    client.close().await;
    server.until(|counters| counters.turn.allocations == 0 && counters.dtls.open == 0).await;

    let first = Client::allocate(Wire::dtls(server.dtls[0]).await).await;
    let Wire::Dtls(client) = first.wire else { panic!("what it was given") };
    // It has crashed and starts again from the same port.
    let mut again = Box::new(DtlsClient::on(client.socket, None));
    again.finish().await;
    let second = Client::allocate(Wire::Dtls(again)).await;
    assert_ne!(second.relayed, first.relayed);
    server.until(|counters| counters.turn.allocations == 1 && counters.dtls.open == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_anybody_could_send_ends_no_association() {
    let server = Server::start();
    let Wire::Dtls(mut client) = Wire::dtls(server.dtls[0]).await else { panic!("just made") };
    let (_other, hello) = asked(server.dtls[0]).await;
    for round in 0..20 {
        for kind in 20..=63 {
            for epoch in 0..=2 {
                let mut record = vec![kind, 0xFE, 0xFD, 0, epoch, 0, 0, 0, 0, 0, 200 + round, 0, 30];
                // A fatal alert; a message that is none.
                record.extend_from_slice(&[2, 40]);
                record.extend_from_slice(&[round; 28]);
                client.socket.send(&record).await.unwrap();
                client.socket.send(&record[..record.len() - usize::from(round)]).await.unwrap();
            }
        }
        client.socket.send(hello.bytes()).await.unwrap();
        client.send(&binding()).await;
        let mut buffer = [0; 2_048];
        // Verify requests for the foreign hello come too.
        while buffer[0] != 23 {
            let length = soon(client.socket.recv(&mut buffer)).await.unwrap();
            if buffer[0] == 23 {
                client.take(&buffer[..length]);
            }
        }
        assert!(client.poll().is_empty() && client.receive().await.is_some(), "round {round}");
    }
}

/// A client that has been asked for its cookie, and the hello that shows it. Not as the library makes that:
/// where it is late, it sends its first one again.
async fn asked(to: std::net::SocketAddr) -> (DtlsClient, Hello) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(to).await.unwrap();
    let mut client = DtlsClient::on(socket, None);
    let hello = Hello::of(&mut client);
    client.socket.send(hello.bytes()).await.unwrap();
    let mut buffer = vec![0; 2_048];
    let length = soon(client.socket.recv(&mut buffer)).await.unwrap();
    (client, hello.with_cookie_of(&buffer[..length]))
}

fn certified(algorithm: &'static rcgen::SignatureAlgorithm) -> Arc<CertifiedKey> {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let made =
        rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let der = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = rustls::crypto::ring::default_provider();
    Arc::new(CertifiedKey::from_der(vec![made.der().clone()], der, &provider).unwrap())
}
