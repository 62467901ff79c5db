//! libnice, the ICE of GStreamer and of many telephones, connects two agents that may use relayed candidates
//! only. Over UDP and TCP; its TLS is another protocol of that name, which nobody else speaks.

use std::path::{Path, PathBuf};
use std::process::Command;

use interop::{Appliance, LOOPBACK, fresh_folder, limited, relays_over_udp_and_tcp};

/// The program in `c/`, which `tests/run interop` brings the library for.
fn compiled() -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("c/nice_pair.c");
    let program = fresh_folder().join("nice_pair");
    let flags = Command::new("pkg-config").args(["--cflags", "--libs", "nice"]).output();
    let flags = flags.expect("pkg-config; install it: apt-get install pkg-config libnice-dev");
    let flags = String::from_utf8_lossy(&flags.stdout).into_owned();
    let built = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-o"])
        .args([&program, &source])
        .args(flags.split_whitespace())
        .output()
        .expect("cc; install it: apt-get install gcc");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    program
}

#[test]
fn over_udp_and_tcp() {
    let program = compiled();
    let appliance = Appliance::start(LOOPBACK);
    relays_over_udp_and_tcp(&appliance, || limited(&program));
}
