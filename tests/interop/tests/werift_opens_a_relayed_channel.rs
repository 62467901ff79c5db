//! werift, WebRTC written in TypeScript with a TURN client of its own, opens a data channel between two peers
//! that may use relayed candidates only.

use std::path::Path;

use interop::{Appliance, LOOPBACK, limited, relays_over_udp_and_tcp};

#[test]
fn over_udp_and_over_tcp() {
    let appliance = Appliance::start(LOOPBACK);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("node/werift_pair.mjs");
    relays_over_udp_and_tcp(&appliance, || {
        // `tests/run interop` installs what it imports.
        let mut node = limited("node");
        node.arg(&script);
        node
    });
}
