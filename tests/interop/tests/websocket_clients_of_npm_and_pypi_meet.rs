//! `ws` from npm and `websockets` from PyPI meet, talk through sealed payloads, and both lose their
//! connections on the way: nothing is lost, nothing comes twice.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use interop::{Appliance, limited};

#[test]
fn over_lost_connections() {
    let appliance = Appliance::start("127.0.0.1".parse().unwrap());
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
}

/// The interpreter with websockets in it; `tests/run interop` makes it.
fn python() -> PathBuf {
    std::env::var_os("GINNEL_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/python3"),
        PathBuf::from,
    )
}
