//! Payloads of all lengths pass both ways between clients on UDP, TCP, TLS and DTLS.

use crate::client::{Wire, pair, tls};
use crate::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_pair_of_transports_carries_payloads_whole() {
    let server = Server::start();
    let pairs = [
        (Wire::udp(&server).await, Wire::tcp(&server).await),
        (Wire::udp(&server).await, Wire::tls(&server).await),
        (Wire::tcp(&server).await, Wire::tls(&server).await),
        (Wire::tcp(&server).await, Wire::tcp(&server).await),
        (Wire::stream(tls(&server, server.web, &[]).await.unwrap()), Wire::tls(&server).await),
    ];
    for (one, other) in pairs {
        let (mut one, mut other) = pair(one, other).await;
        for length in [1, 3, 4, 100, 1_200, 9_000, 60_001] {
            let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            one.send(&payload).await;
            assert_eq!(other.receive().await.as_deref(), Some(&payload[..]), "{length} bytes");
            other.send(&payload).await;
            assert_eq!(one.receive().await.as_deref(), Some(&payload[..]), "{length} bytes");
        }
    }
    server.until(|counters| counters.io.tls.in_packets > 20 && counters.io.tcp.out_packets > 20).await;
    server.until(|counters| counters.streams.open == 0 && counters.turn.allocations == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dtls_carries_what_fits_a_record_to_and_from_every_transport() {
    let server = Server::start();
    let [secured, shared] = server.dtls;
    let pairs = [
        (Wire::udp(&server).await, Wire::dtls(secured).await),
        (Wire::dtls(secured).await, Wire::dtls(shared).await),
        (Wire::tls(&server).await, Wire::dtls(shared).await),
    ];
    for (one, other) in pairs {
        let (mut one, mut other) = pair(one, other).await;
        for length in [1, 3, 4, 100, 1_200, 9_000, 16_380] {
            let payload: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            one.send(&payload).await;
            assert_eq!(other.receive().await.as_deref(), Some(&payload[..]), "{length} bytes");
            other.send(&payload).await;
            assert_eq!(one.receive().await.as_deref(), Some(&payload[..]), "{length} bytes");
        }
        if !matches!(one.wire, Wire::Dtls(_)) {
            one.send(&[1; 16_381]).await;
            one.send(&[2; 10]).await;
            assert_eq!(other.receive().await.as_deref(), Some(&[2; 10][..]));
        }
    }
    server.until(|counters| counters.io.too_long == 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_frames_in_one_write_arrive_in_order() {
    let server = Server::start();
    let (mut one, mut other) = pair(Wire::tls(&server).await, Wire::tcp(&server).await).await;
    for number in 0..500_u32 {
        one.send(&number.to_be_bytes().repeat(100)).await;
    }
    for number in 0..500_u32 {
        assert_eq!(other.receive().await, Some(number.to_be_bytes().repeat(100)));
    }
}
