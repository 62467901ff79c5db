//! The published schema of the messages, read by the `jsonschema` of PyPI, calls good what the server calls
//! good, and nothing else: every message with every member left out, replaced by what does not belong there,
//! or added; over WebSocket, and some of each over QUIC and WebTransport.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::path::Path;

use interop::{Appliance, LOOPBACK, limited, python};

#[test]
fn about_every_message_and_what_becomes_of_it_by_a_change() {
    let appliance = Appliance::start(LOOPBACK);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/schema_and_server_agree.py");
    let (local, web) = (appliance.local.to_string(), appliance.web.to_string());
    let output = limited(python()).arg(script).args([local, web]).output().expect("python3");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let numbers: Vec<_> = said.split_whitespace().filter_map(|word| word.parse::<u32>().ok()).collect();
    assert!(numbers.len() == 6 && numbers[0] > 50 && numbers[1] > 500, "{said}");
    assert!(numbers[2..].chunks(2).all(|of| of[0] > 15 && of[1] > 50), "{said}");
}
