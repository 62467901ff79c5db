//! A relay that drains: who is here stays, newcomers with credentials of other software are sent to another
//! server of their family, and sides of sessions, whose credentials are good nowhere else, are let in.

use std::net::SocketAddr;
use std::time::Duration;

use sim::{Failure, PeerPolicy, Request, Setup, Side, World};
use stun_wire::{AttributeType, Message, Method, TransactionId, decode_address};

const OTHERS: [&str; 2] = ["192.0.2.77:3478", "[2001:db8::77]:3479"];

fn drained(others: &[&str]) -> World {
    let users = vec![("user", PeerPolicy::Public)];
    let mut world = World::with(Setup { users, ..Setup::new(1) });
    let others: Vec<SocketAddr> = others.iter().map(|it| it.parse().expect("an address")).collect();
    world.drain(&others);
    world
}

/// The servers that the newest answer names.
fn sent_to(world: &mut World) -> Vec<SocketAddr> {
    let record = world.take_record();
    let named = record.iter().rev().filter_map(|packet| {
        let message = Message::parse(&packet.datagram).ok()?;
        assert!(message.has_integrity() || message.find(AttributeType::ALTERNATE_SERVER).is_none());
        let alternates = message.attributes().filter(|it| it.kind == AttributeType::ALTERNATE_SERVER);
        Some(alternates.map(|it| decode_address(it.value).expect("an address")).collect::<Vec<_>>())
    });
    named.into_iter().find(|servers| !servers.is_empty()).unwrap_or_default()
}

#[test]
fn a_newcomer_is_sent_to_the_server_of_its_family_and_told_of_the_other() {
    let [ipv4, ipv6] = OTHERS.map(|it| it.parse::<SocketAddr>().expect("an address"));
    for (own, others) in [("198.18.7.7:5000", [ipv4, ipv6]), ("[2001:db8:7::7]:5000", [ipv6, ipv4])] {
        let mut world = drained(&OTHERS);
        let client = world.user_with_address("user", own.parse().unwrap());
        assert_eq!(world.refusal(client, Request::allocate()), Some(300));
        assert_eq!(sent_to(&mut world), others);
    }
}

#[test]
fn where_no_other_server_of_its_family_is_known_there_is_no_room() {
    for others in [&OTHERS[1..], &[]] {
        let mut world = drained(others);
        let client = world.user("user");
        assert_eq!(world.refusal(client, Request::allocate()), Some(508));
        assert_eq!(sent_to(&mut world), []);
    }
}

#[test]
fn who_proves_nothing_learns_of_no_other_server() {
    let mut world = drained(&OTHERS);
    let request = Request::bare(Method::ALLOCATE).with(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    let outcome =
        world.knock("198.18.7.7:5000".parse().unwrap(), &request.write(TransactionId([9; 12]), None));
    assert_eq!(outcome.code(), Some(401));
}

#[test]
fn who_is_here_stays_and_sides_of_sessions_are_let_in() {
    let mut world = World::new(3);
    let user = world.user("user");
    world.allocate(user);
    let peer = world.echo("9.9.9.9:5000");
    world.drain(&[]);
    world.permit(user, peer);
    for _ in 0..5 {
        world.pass(Duration::from_secs(250));
        assert_eq!(world.refusal(user, Request::refresh(600)), None);
        world.permit(user, peer);
        assert!(world.send(user, peer, b"still here").is_forward());
    }
    let alice = world.person(1, Side::A);
    world.allocate(alice);
    assert_eq!(world.refusal(user, Request::refresh(0)), None);
    assert!(matches!(world.ask(user, Request::allocate()), Err(Failure::Code(508))));
}
