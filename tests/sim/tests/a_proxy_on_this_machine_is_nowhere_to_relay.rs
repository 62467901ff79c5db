//! Whose connection a proxy on this machine passes on came by a loopback address, and is elsewhere all the
//! same: it is relayed at an address that others can reach.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use sim::{Outcome, RELAY_V4, Request, Setup, Side, Signature, World};
use stun_wire::{AttributeType, Message, TransactionId, decode_xor_address};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The address that somebody is relayed at who came from `from` by a loopback address.
fn relayed(from: &str, name: Option<&str>) -> IpAddr {
    let from: SocketAddr = from.parse().expect("an address");
    let mut world = World::with(Setup { own_ips: vec![RELAY_V4, LOOPBACK], ..Setup::new(1) });
    let session = world.credential(1, Side::A, world.unix_s() + 600);
    let (username, password) = match name {
        Some(name) => (name.to_owned(), format!("the password of {name}")),
        None => (session.username, session.password),
    };
    let Outcome::Reply(challenge) =
        world.knock_at(LOOPBACK, from, &Request::allocate().write(TransactionId([1; 12]), None))
    else {
        panic!("a challenge")
    };
    let challenge = Message::parse(&challenge).expect("the server's own");
    let nonce = challenge.find(AttributeType::NONCE).expect("a challenge has one").to_vec();
    let proved = Signature {
        username: username.into_bytes(),
        password: password.into_bytes(),
        realm: b"ginnel".to_vec(),
        nonce,
        algorithms: None,
    };
    let request = Request::allocate().write(TransactionId([2; 12]), Some(&proved));
    world.knock_at(LOOPBACK, from, &request);
    world.settle();
    // Its relay socket is there by now, where it has one.
    let Outcome::Reply(granted) = world.knock_at(LOOPBACK, from, &request) else { panic!("an answer") };
    let granted = Message::parse(&granted).expect("the server's own");
    let relayed = granted.find(AttributeType::XOR_RELAYED_ADDRESS).expect("it is granted");
    decode_xor_address(relayed, granted.transaction_id()).expect("an address").ip()
}

#[test]
fn neither_for_a_session_nor_by_a_socket() {
    for name in [None, Some("user")] {
        assert_eq!(relayed("198.18.7.7:4000", name), RELAY_V4, "{name:?}");
    }
}

#[test]
fn but_for_who_is_here_too() {
    for name in [None, Some("user")] {
        assert_eq!(relayed("127.0.0.9:4000", name), LOOPBACK, "{name:?}");
    }
}
