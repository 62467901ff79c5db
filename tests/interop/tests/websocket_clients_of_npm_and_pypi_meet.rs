//! `ws` from npm and `websockets` from PyPI meet, talk through sealed payloads, and both lose their
//! connections on the way: nothing is lost, nothing comes twice. Both are told by which URLs the relay is
//! reached.

use std::path::Path;
use std::process::Stdio;

use interop::{Appliance, LOOPBACK, limited, python};

#[test]
fn over_lost_connections() {
    let appliance = Appliance::start(LOOPBACK);
    let said = talk(&appliance);
    // By the name that they came by: UDP before TCP, and no TLS that browsers would not trust.
    let (turn, web) = (appliance.turn.port(), appliance.web.port());
    let urls = [(turn, "udp"), (web, "udp"), (turn, "tcp")]
        .map(|(port, transport)| format!("turn:127.0.0.1:{port}?transport={transport}"));
    assert!(said.lines().any(|line| line == urls.join(" ")), "{said}");
}

#[test]
fn and_are_given_the_urls_of_a_proxy() {
    let urls = ["turns:chat.example:443?transport=tcp", "turn:[2001:db8::5]:3478?transport=udp"];
    let said = talk(&Appliance::start_with(LOOPBACK, &format!("urls = {urls:?}\n")));
    assert!(said.lines().any(|line| line == urls.join(" ")), "{said}");
}

/// Both talk; what they said of it.
fn talk(appliance: &Appliance) -> String {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let url = format!("ws://{}/signal", appliance.local);
    let echo = limited(python())
        .arg(here.join("python/websocket_echo.py"))
        .arg(&url)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3");
    let talk =
        limited("node").arg(here.join("node/websocket_talk.js")).args([&url, "40"]).output().expect("node");
    let echo = echo.wait_with_output().expect("a child of ours");
    let said: String = [&talk.stdout, &talk.stderr, &echo.stdout, &echo.stderr]
        .map(|said| String::from_utf8_lossy(said).into_owned())
        .concat();
    assert!(talk.status.success() && said.contains("40 of 40"), "{said}\n{}", appliance.log());
    assert!(echo.status.success() && said.contains("40 sent back"), "{said}\n{}", appliance.log());
    said
}
