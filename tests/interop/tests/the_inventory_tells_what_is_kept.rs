//! `/privacy` while coturn's client has allocations, and after: what is kept is there with its age, and goes.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use interop::{Appliance, LOOPBACK, PATIENCE, SECRET, limited, wait_for};
use serde_json::Value;

#[test]
fn with_ages_while_it_is_kept() {
    let appliance = Appliance::start(LOOPBACK);
    let before = inventory(&appliance);
    for (kind, kept) in &before {
        assert!(kept["holds"].is_string() && kept["count"].is_u64(), "{kind}: {kept}");
    }
    assert_eq!(before.keys().collect::<Vec<_>>(), KINDS);
    assert_eq!(before["relay allocations"]["count"], 0);
    assert_eq!(before["relay allocations"]["oldest_s"], Value::Null);

    for kind in ["certificates", "budget places", "connections", "hash keys"] {
        assert!(before[kind]["oldest_s"].is_u64(), "{kind}: {}", before[kind]);
    }
    // One for people, and two for WebTransport whose hashes pages are told.
    assert_eq!(before["certificates"]["count"], 3);
    assert_eq!(before["state files"]["count"], 0);
    assert_eq!(before["shared secrets"]["count"], 2);

    // Somebody who is slow to say how to encrypt.
    let silent = TcpStream::connect(appliance.web).unwrap();
    wait_for("a handshake under way", PATIENCE, || {
        let kept = &inventory(&appliance)["handshakes"];
        kept["count"] == 1 && kept["oldest_s"].is_u64() && kept["longest_s"].is_u64()
    });
    drop(silent);
    wait_for("no handshake", PATIENCE, || inventory(&appliance)["handshakes"]["count"] == 0);

    // Over TCP, so that its connections are to be seen too.
    let mut client = limited("turnutils_uclient")
        .args(["-t", "-c", "-y", "-m", "2", "-n", "400", "-u", "alice", "-W", SECRET])
        .args(["-p", &appliance.turn.port().to_string(), "127.0.0.1"])
        .stdout(Stdio::null())
        .spawn()
        .expect("turnutils_uclient; install it: apt-get install coturn");
    let at_least_two = |kept: &Value| kept["count"].as_u64().is_some_and(|count| count >= 2);
    // One answer tells it all: the next one may come after the client's end.
    wait_for("allocations that are a second old, and their connections", PATIENCE, || {
        let kept = inventory(&appliance);
        let is_old = |kept: &Value| kept["oldest_s"].as_u64().is_some_and(|age_s| age_s >= 1);
        ["relay allocations", "relay connections", "connections"]
            .into_iter()
            .all(|kind| at_least_two(&kept[kind]) && is_old(&kept[kind]))
    });
    assert!(client.wait().unwrap().success());

    wait_for("the allocations to go, and to leave what rests", PATIENCE, || {
        let kept = inventory(&appliance);
        let is_gone = |kind: &str| kept[kind]["count"] == 0 && kept[kind]["oldest_s"].is_null();
        let is_left = |kind: &str| at_least_two(&kept[kind]) && kept[kind]["oldest_s"].is_u64();
        is_gone("relay allocations")
            && is_gone("relay connections")
            && is_left("resting ports")
            && is_left("spent requests")
    });
}

fn inventory(appliance: &Appliance) -> BTreeMap<String, Value> {
    let mut stream = TcpStream::connect(appliance.admin).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request =
        "GET /privacy HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let json: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    let kept = json["kept"].as_array().unwrap().iter();
    kept.map(|kept| (kept["kind"].as_str().unwrap().to_owned(), kept.clone())).collect()
}

/// All that there is to be kept, in order. Where the cores get a new field that keeps something, they do not
/// build before it is counted or said to be nobody's.
const KINDS: &[&str] = &[
    "QUIC connections",
    "QUIC handshakes",
    "admission keys",
    "admission tokens",
    "arrivals",
    "bans",
    "budget places",
    "certificates",
    "clients",
    "connections",
    "crowds",
    "ended sessions",
    "handshakes",
    "hash keys",
    "held payloads",
    "last partners",
    "lost clients",
    "met partners",
    "moving clients",
    "networks of DTLS",
    "peers over TCP",
    "relay allocations",
    "relay connections",
    "reporters",
    "reports",
    "reservations",
    "resting ports",
    "resting sides",
    "rooms",
    "searches",
    "sessions",
    "shared secrets",
    "signaling connections",
    "spent requests",
    "state files",
    "static users",
    "used tokens",
    "waiting",
    "waiting bytes",
    "waiting relay bytes",
];
