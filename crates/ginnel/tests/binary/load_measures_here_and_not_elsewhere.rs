//! `ginnel load signal` measures a server on this machine, and refuses others unless it is told to.

use std::process::{Command, Output};

use crate::common::{Serving, ginnel, text};

fn load(arguments: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_ginnel");
    Command::new(binary).args(["load", "signal"]).args(arguments).env_clear().output().unwrap()
}

const SMALL: [&str; 12] = [
    "--seconds",
    "1",
    "--connections",
    "20",
    "--clients",
    "20",
    "--rates",
    "50",
    "--pairs",
    "2",
    "--bytes",
    "64",
];

#[test]
fn it_measures_over_each_transport() {
    let mut serving = Serving::start(&mut ginnel(&["serve"]));
    serving.until_told("Open ");
    let local = format!("ws://127.0.0.1:{}", serving.port("listen.local"));
    let admin = format!("http://127.0.0.1:{}/metrics", serving.port("listen.admin"));
    let output = load(&[&["--target", &local, "--metrics", &admin, "--json"], &SMALL[..]].concat());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let parts = report["parts"].as_array().unwrap();
    let measured: Vec<_> = parts.iter().map(|part| part["measured"].as_str().unwrap()).collect();
    assert_eq!(measured, ["idle", "matches", "times", "messages"]);
    assert!(parts[0]["bytes_each"].is_u64() && parts[1]["matches_per_s"].as_f64() > Some(0.0));
    assert_eq!((&parts[3]["lost"], &parts[3]["out_of_order"]), (&0.into(), &0.into()));
    for scheme in ["wss", "quic"] {
        let target = format!("{scheme}://127.0.0.1:{}", serving.port("listen.web"));
        let output = load(&[&["--target", &target, "--only", "messages"], &SMALL[..]].concat());
        assert!(text(&output.stdout).contains("among 4 clients"), "{}", text(&output.stderr));
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn what_is_not_this_machine_or_has_no_bound_is_refused() {
    for (arguments, word) in [
        (&["--target", "ws://192.0.2.1"][..], "--allow-remote"),
        (&["--target", "127.0.0.1:8080"], "ws://"),
        (&["--connections", "1000000"], "from 1 to"),
        (&["--metrics", "x"], "--metrics"),
    ] {
        let output = load(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(text(&output.stderr).contains(word), "{}", text(&output.stderr));
    }
    let output = load(&["--target", "ws://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is the server running"), "{}", text(&output.stderr));
}
