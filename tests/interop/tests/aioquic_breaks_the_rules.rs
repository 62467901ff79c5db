//! aioquic with its own frames and parameters: whoever breaks the rules of QUIC ends its own connection, the
//! server's memory stays as it is, and others are served.

use std::path::Path;

use interop::{Appliance, limited, python};

/// What a server may keep of it all, at most: the windows of a few connections, and what the system's
/// allocator does not give back.
const KEPT_BYTES_MAX: f64 = 16e6;

fn misbehave(case: &str) {
    let appliance = Appliance::start("127.0.0.1".parse().expect("an address"));
    let before = appliance.metric("process_resident_memory_bytes");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = limited(python())
        .arg(here.join("python/aioquic_misbehaves.py"))
        .args([&appliance.web.to_string(), case])
        .output()
        .expect("python3");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("others are served"), "{said}\n{}", appliance.log());
    let kept = appliance.metric("process_resident_memory_bytes") - before;
    assert!(kept < KEPT_BYTES_MAX, "{kept} bytes more\n{said}");
    assert!(!appliance.log().contains("panicked"), "{}", appliance.log());
}

#[test]
fn row_136_resets_are_shorter_than_what_they_answer_and_few() {
    misbehave("resets");
}

#[test]
fn row_137_malformed_transport_parameters_end_the_handshake() {
    misbehave("parameters");
}

#[test]
fn row_138_gaps_cost_no_more_than_a_window() {
    misbehave("gaps");
}

#[test]
fn row_139_floods_of_frames_cost_a_few_queues() {
    misbehave("floods");
}

#[test]
fn row_140_a_forged_address_gets_little_and_changes_nothing() {
    misbehave("migration");
}
