//! ICMP errors about a client's datagrams: told where the operator wants it, to the client that may send to
//! that peer, and never otherwise. Rows 21 and 22.

use std::net::SocketAddr;
use std::time::Duration;

use sim::{PeerPolicy, Setup, Side, World};
use stun_wire::{AttributeType, Message, Method, decode_xor_address};
use turn_core::IcmpError;

const PORT_UNREACHABLE: IcmpError = IcmpError { kind: 3, code: 3, mtu: 0 };

fn world(icmp: bool) -> World {
    World::with(Setup { icmp, users: vec![("user", PeerPolicy::Public)], ..Setup::new(1) })
}

/// What Data indications without data told: about which peer, and the value of ICMP.
fn told(world: &mut World) -> Vec<(SocketAddr, Vec<u8>)> {
    world.pass(Duration::from_secs(1));
    let record = world.take_record();
    let read = |datagram: &[u8]| {
        let message = Message::parse(datagram).ok()?;
        let icmp = message.find(AttributeType::ICMP)?;
        assert!(message.method() == Method::DATA && message.find(AttributeType::DATA).is_none());
        let peer = message.find(AttributeType::XOR_PEER_ADDRESS)?;
        Some((decode_xor_address(peer, message.transaction_id()).ok()?, icmp.to_vec()))
    };
    record.iter().filter_map(|packet| read(&packet.datagram)).collect()
}

#[test]
fn what_the_network_says_reaches_who_may_send_there() {
    let mut world = world(true);
    let client = world.user("user");
    let port = world.allocate(client).port();
    let peer: SocketAddr = "9.9.9.9:5000".parse().unwrap();
    world.icmp(port, peer, PORT_UNREACHABLE);
    assert_eq!(told(&mut world), [], "without a permission");
    world.permit(client, peer);
    world.icmp(port, peer, PORT_UNREACHABLE);
    world.icmp(port, peer, IcmpError { kind: 3, code: 4, mtu: 1280 });
    let expected = [(peer, vec![0, 0, 3 << 1, 3, 0, 0, 0, 0]), (peer, vec![0, 0, 3 << 1, 4, 0, 0, 5, 0])];
    assert_eq!(told(&mut world), expected);
    for kind in (0..=255).filter(|kind| !matches!(kind, 3 | 11)) {
        world.icmp(port, peer, IcmpError { kind, ..PORT_UNREACHABLE });
    }
    assert_eq!(told(&mut world), [], "other types of ICMP");
    world.pass(Duration::from_secs(301));
    world.icmp(port, peer, PORT_UNREACHABLE);
    assert_eq!(told(&mut world), [], "after the permission's end");
}

#[test]
fn rows_21_and_22_nothing_is_told_where_nobody_asked_for_it() {
    let mut world = world(false);
    let client = world.user("user");
    let port = world.allocate(client).port();
    let peer: SocketAddr = "9.9.9.9:5000".parse().unwrap();
    world.permit(client, peer);
    world.icmp(port, peer, PORT_UNREACHABLE);
    assert_eq!(told(&mut world), []);
}

#[test]
fn rows_21_and_22_a_side_of_a_session_has_no_socket_that_could_tell() {
    let mut world = world(true);
    let alice = world.person(1, Side::A);
    let port = world.allocate(alice).port();
    world.icmp(port, "9.9.9.9:5000".parse().unwrap(), PORT_UNREACHABLE);
    assert_eq!(told(&mut world), []);
}
