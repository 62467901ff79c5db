//! The rows of the catalogue of attacks that the SDK meets, since the server cannot look into what is sealed:
//! its own tests of those rows, run by Node. Nothing is tested here that is not tested there.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::path::Path;
use std::process::Command;

#[test]
fn row_154_the_sdk_sends_and_takes_relayed_candidates_only() {
    passes("row 154");
}

#[test]
fn row_155_the_sdk_drops_what_leads_to_a_service() {
    passes("row 155");
}

#[test]
fn row_156_the_sdk_sends_no_address_and_no_lasting_name() {
    passes("row 156");
}

#[test]
fn row_158_the_sdk_refuses_swapped_keys_and_fingerprints() {
    passes("row 158");
}

/// Every test of the SDK whose name begins with this passes, and there is one.
fn passes(row: &str) {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("test");
    let output = Command::new("node")
        .args(["--test", "--test-reporter=tap", &format!("--test-name-pattern=^{row}:")])
        .args(["candidates", "gate", "swapped"].map(|file| tests.join(format!("{file}.test.js"))))
        .output()
        .expect("this test needs node: apt install nodejs");
    let printed = String::from_utf8_lossy(&output.stdout);
    let ran = printed.lines().filter(|line| line.starts_with("ok ") && line.contains(row));
    let ran = ran.filter(|line| !line.contains("# SKIP")).count();
    assert!(output.status.success() && ran > 0, "{ran} tests of {row} passed:\n{printed}");
}
