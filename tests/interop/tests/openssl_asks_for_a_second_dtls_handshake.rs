//! `openssl s_client` asks for another handshake within its DTLS association, and there is none.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::io::Write as _;
use std::process::Stdio;

use interop::{Appliance, LOOPBACK, PATIENCE, limited, wait_for};

#[test]
fn row_118_a_second_handshake_within_the_first_is_not_made() {
    let appliance = Appliance::start(LOOPBACK);
    let address = appliance.turns.to_string();
    let mut client = limited("openssl")
        .args(["s_client", "-dtls1_2", "-connect", &address])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    appliance.wait_for_metric("ginnel_relay_dtls_clients_total{outcome=\"accepted\"}", 1.0);
    wait_for("one association", PATIENCE, || appliance.metric("ginnel_relay_dtls_associations") == 1.0);
    // By this it asks for a renegotiation.
    client.stdin.as_mut().unwrap().write_all(b"R\n").unwrap();
    // It is closed for having no allocation, as if nothing had been asked.
    wait_for("its end", PATIENCE, || {
        appliance.metric("ginnel_relay_dtls_clients_total{outcome=\"idle\"}") == 1.0
    });
    assert!(appliance.metric("ginnel_relay_dtls_clients_total{outcome=\"accepted\"}") == 1.0);
    assert!(appliance.metric("ginnel_relay_dtls_clients_total{outcome=\"failed\"}") == 0.0);
    client.kill().unwrap();
    client.wait().unwrap();
}
