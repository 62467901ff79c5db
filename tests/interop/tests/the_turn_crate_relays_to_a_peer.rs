//! The client of the `turn` crate (webrtc-rs) allocates, permits and exchanges data.

use std::net::{IpAddr, SocketAddr};

use interop::{APPLIANCE_USER, Appliance, PASSWORD, PATIENCE, PUBLIC_USER, echo, turn_crate};
use tokio::time::timeout;
use turn::client::Client;
use webrtc_util::Conn;

async fn client(appliance: &Appliance, user: &str, password: &str) -> Client {
    turn_crate::client(appliance.turn, user, password).await
}

async fn receive(conn: &impl Conn) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 2048];
    let (length, from) =
        timeout(PATIENCE, conn.recv_from(&mut buffer)).await.expect("in time").expect("a datagram");
    buffer.truncate(length);
    (buffer, from)
}

#[tokio::test(flavor = "multi_thread")]
async fn to_an_outside_peer() {
    let ip: IpAddr = "127.0.0.1".parse().unwrap();
    let appliance = Appliance::start(ip);
    let client = client(&appliance, PUBLIC_USER, PASSWORD).await;
    let mapped = timeout(PATIENCE, client.send_binding_request()).await.unwrap().unwrap();
    assert!(mapped.ip().is_loopback());
    let relayed = client.allocate().await.unwrap();
    let peer = echo(ip);
    // The first goes as a Send indication, later ones by the channel that the client binds meanwhile.
    for number in 0..20_u8 {
        relayed.send_to(&[number; 300], peer).await.unwrap();
        assert_eq!(receive(&relayed).await, (vec![number; 300], peer));
    }
    client.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn to_another_client_of_the_appliance() {
    let appliance = Appliance::start("127.0.0.1".parse().unwrap());
    let (a, b) = (
        client(&appliance, APPLIANCE_USER, PASSWORD).await,
        client(&appliance, APPLIANCE_USER, PASSWORD).await,
    );
    let (relayed_a, relayed_b) = (a.allocate().await.unwrap(), b.allocate().await.unwrap());
    let (address_a, address_b) = (relayed_a.local_addr().unwrap(), relayed_b.local_addr().unwrap());
    // The side that listens first needs a permission, which this client makes by sending. What it sends
    // finds none on the other side yet. It must have been dropped before that one makes its own: a worker
    // may be slower than both clients.
    relayed_b.send_to(b"hello", address_a).await.unwrap();
    appliance.wait_for_metric(r#"ginnel_relay_drops_total{reason="no_route"}"#, 1.0);
    for number in 0..20_u8 {
        relayed_a.send_to(&[number; 300], address_b).await.unwrap();
        assert_eq!(receive(&relayed_b).await, (vec![number; 300], address_a));
        relayed_b.send_to(&[number; 200], address_a).await.unwrap();
        assert_eq!(receive(&relayed_a).await, (vec![number; 200], address_b));
    }
    appliance.wait_for_metric("ginnel_relay_allocations", 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn not_with_a_wrong_password() {
    let appliance = Appliance::start("127.0.0.1".parse().unwrap());
    let client = client(&appliance, PUBLIC_USER, "not-the-password").await;
    assert!(timeout(PATIENCE, client.allocate()).await.expect("an answer in time").is_err());
    assert!(appliance.metric("ginnel_relay_allocations") == 0.0);
}
