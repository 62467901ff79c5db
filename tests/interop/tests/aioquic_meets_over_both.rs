//! aioquic, a QUIC library for Python, speaks the signaling: without HTTP and in a WebTransport session, and
//! the two meet.

use std::path::Path;

use interop::{Appliance, limited, python};

#[test]
fn two_people_meet_over_quic_and_web_transport() {
    let appliance = Appliance::start("127.0.0.1".parse().unwrap());
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = limited(python())
        .arg(here.join("python/aioquic_meets.py"))
        .arg(appliance.web.to_string())
        .output()
        .expect("python3");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("they met"), "{said}\n{}", appliance.log());
    appliance.wait_for_metric("ginnel_quic_handshakes_total", 2.0);
}
