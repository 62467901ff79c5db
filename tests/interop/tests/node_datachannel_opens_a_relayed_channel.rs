//! node-datachannel (libdatachannel on libjuice) opens a data channel between two peers that may use relayed
//! candidates only.

use std::path::Path;

use interop::{APPLIANCE_USER, Appliance, LOOPBACK, PASSWORD, limited};

#[test]
fn with_what_every_client_knows() {
    opens_a_channel("");
}

#[test]
fn where_sha256_is_offered_too() {
    opens_a_channel("password_algorithms = [\"md5\", \"sha256\"]");
}

fn opens_a_channel(relay: &str) {
    let ip = LOOPBACK;
    let appliance = Appliance::start_with(ip, relay);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (host, port) = (appliance.turn.ip().to_string(), appliance.turn.port().to_string());
    // `tests/run interop` installs what it imports.
    let output = limited("node")
        .arg(here.join("node/relay_only_pair.mjs"))
        .args([host.as_str(), &port, APPLIANCE_USER, PASSWORD])
        .output()
        .expect("node");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let is_whole = output.status.success() && said.contains("20 of 20, relay to relay");
    assert!(is_whole, "{said}\n{}", appliance.log());
    appliance.wait_for_metric("ginnel_relay_packets_total", 40.0);
}
