//! SIGTERM: who is here stays until its end, newcomers are sent elsewhere, and then the process ends with 0.
//! The client is that of the `turn` crate.

use std::net::IpAddr;

use interop::{Appliance, PASSWORD, PATIENCE, PUBLIC_USER, echo, turn_crate, wait_for};
use tokio::time::timeout;
use turn::client::Client;
use webrtc_util::Conn as _;

const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

async fn client(appliance: &Appliance) -> Client {
    turn_crate::client(appliance.turn, PUBLIC_USER, PASSWORD).await
}

/// The error that a newcomer meets.
async fn refusal(appliance: &Appliance) -> String {
    let newcomer = client(appliance).await;
    match timeout(PATIENCE, newcomer.allocate()).await.expect("an answer in time") {
        Ok(_) => panic!("a newcomer was let in"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_on_and_their_end_is_the_end() {
    let mut appliance = Appliance::start_with(LOOPBACK, "alternates = [\"192.0.2.9:3478\"]");
    let peer = echo(LOOPBACK);
    let first = client(&appliance).await;
    let relayed = first.allocate().await.expect("an allocation");
    appliance.wait_for_metric("ginnel_relay_allocations", 1.0);
    appliance.terminate();
    wait_for("it to be no longer ready", PATIENCE, || !appliance.is_ready());
    let mut buffer = [0; 2048];
    for number in 0..20_u8 {
        relayed.send_to(&[number; 300], peer).await.expect("sent");
        let heard = timeout(PATIENCE, relayed.recv_from(&mut buffer)).await.expect("in time").expect("data");
        assert_eq!(heard, (300, peer));
    }
    let told = refusal(&appliance).await;
    assert!(told.contains("300"), "{told}");
    assert!(appliance.log().contains("\"draining\""), "{}", appliance.log());
    relayed.close().await.expect("closed");
    first.close().await.expect("closed");
    assert_eq!(appliance.ended(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_wait() {
    let mut appliance = Appliance::start(LOOPBACK);
    let first = client(&appliance).await;
    let _relayed = first.allocate().await.expect("an allocation");
    appliance.wait_for_metric("ginnel_relay_allocations", 1.0);
    appliance.terminate();
    wait_for("it to be no longer ready", PATIENCE, || !appliance.is_ready());
    let told = refusal(&appliance).await;
    assert!(told.contains("508"), "{told}");
    appliance.terminate();
    assert_eq!(appliance.ended(), 0);
}
