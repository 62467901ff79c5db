//! An address that this machine gets while the relay runs is no peer from then on, in a network of the test's
//! own: what ran to it as to somebody else's stops.

mod common;
#[path = "common/namespace.rs"]
mod namespace;

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Instant;

use relay_plane::Relay;
use stun_wire::{AttributeType, Class, Message, MessageWriter, Method};

use self::common::{ID, PATIENCE, V4, ask, authenticate, nonce, receive, socket, start};
use self::namespace::inside;

const NEW: &str = "9.9.9.9";

#[test]
fn row_8_an_address_that_comes_while_the_relay_runs() {
    inside("row_8_an_address_that_comes_while_the_relay_runs", "ip link set lo up", run_while_one_comes);
}

fn run_while_one_comes() {
    let relay = start(None, false);
    let good = socket(V4);
    let (client, nonce) = allocated(&relay);
    let service = UdpSocket::bind("0.0.0.0:5000").expect("a free port");
    service.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let peer: SocketAddr = format!("{NEW}:5000").parse().expect("an address");
    // The route says that it is elsewhere, and so do we.
    for (number, peer) in [(0x4000, peer), (0x4001, good.local_addr().expect("bound"))] {
        assert_eq!(bind(&client, &nonce, number, peer), Class::Success);
    }
    let added = Command::new("ip").args(["address", "add", NEW, "dev", "lo"]).status();
    assert!(added.expect("ip; install it: apt-get install iproute2").success());
    let deadline = Instant::now() + PATIENCE;
    while bind(&client, &nonce, 0x4002, SocketAddr::new(peer.ip(), 5001)) != Class::Error {
        assert!(Instant::now() < deadline, "it is not noticed");
        std::thread::yield_now();
    }
    client.send(&[0x40, 0, 0, 1, b'x']).expect("sent");
    client.send(&[0x40, 1, 0, 1, b'y']).expect("sent");
    assert_eq!(receive(&good).0, *b"y");
    service.set_nonblocking(true).expect("a socket");
    assert!(service.recv(&mut [0; 16]).is_err(), "what is ours was reached");
    relay.stop();
}

fn allocated(relay: &Relay) -> (UdpSocket, Vec<u8>) {
    let client = socket(V4);
    client.connect(relay.listening()[0]).expect("connected");
    let nonce = nonce(&client);
    ask(&client, &nonce, Method::ALLOCATE, |writer| {
        writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    });
    (client, nonce)
}

fn bind(client: &UdpSocket, nonce: &[u8], number: u16, peer: SocketAddr) -> Class {
    let mut out = Vec::new();
    let [high, low] = number.to_be_bytes();
    let mut writer = MessageWriter::new(&mut out, Class::Request, Method::CHANNEL_BIND, ID);
    writer
        .attribute(AttributeType::CHANNEL_NUMBER, &[high, low, 0, 0])
        .xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    authenticate(writer, nonce);
    client.send(&out).expect("sent");
    Message::parse(&receive(client).0).expect("a message").class()
}
