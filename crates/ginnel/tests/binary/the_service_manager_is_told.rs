//! The service manager hears when it is ready, reloads, lives and stops, as systemd's `Type=notify-reload`
//! and `WatchdogSec=` want it.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::common::{Folder, PATIENCE, Serving, ginnel};

#[test]
fn by_a_socket_with_a_path() {
    let folder = Folder::new();
    let path = folder.path().join("notify");
    hears(&UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap());
}

#[test]
fn by_an_abstract_socket() {
    let name = format!("ginnel-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    hears(&UnixDatagram::bind_addr(&address).unwrap(), &format!("@{name}"));
}

fn hears(socket: &UnixDatagram, name: &str) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = ginnel(&["serve"]);
    // Four signs of life a second, so that those that nobody has read yet leave room for news.
    let mut serving = Serving::start(command.env("NOTIFY_SOCKET", name).env("WATCHDOG_USEC", "1000000"));
    assert_eq!(next(socket), "READY=1");
    serving.until_told("Open ");
    for _ in 0..3 {
        assert_eq!(receive(socket), "WATCHDOG=1");
    }
    serving.signal("HUP");
    let reloading = next(socket);
    let usec = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
    assert!(usec.parse::<u64>().unwrap() > 0);
    assert_eq!(next(socket), "READY=1");
    serving.signal("TERM");
    assert_eq!(next(socket), "STOPPING=1\nEXTEND_TIMEOUT_USEC=10000000");
    assert_eq!(serving.wait().code(), Some(0));
}

/// What it says next, but for that it lives.
fn next(socket: &UnixDatagram) -> String {
    loop {
        let told = receive(socket);
        if told != "WATCHDOG=1" {
            return told;
        }
    }
}

fn receive(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = socket.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}
