//! Allocations of `public` users have real relay sockets: opened before the answer, tried on other ports
//! where one is taken, closed with the allocation.

use std::time::Duration;

use sim::{Heard, Outcome, PeerPolicy, Request, Setup, Side, World};
use stun_wire::TransactionId;

#[test]
fn what_a_peer_sends_arrives_and_what_is_sent_arrives_there() {
    let mut world = World::new(1);
    let user = world.user("user");
    let relayed = world.allocate(user);
    assert!(sim::RELAY_PORTS.contains(&relayed.port()));
    assert_eq!(world.relay().sockets().iter().copied().collect::<Vec<u16>>(), [relayed.port()]);
    let peer = world.echo("9.9.9.9:5000");
    world.permit(user, peer);
    assert!(world.send(user, peer, b"ping").is_forward());
    assert_eq!(world.heard_by_peer(peer), [(relayed, b"ping".to_vec())]);
    assert_eq!(world.heard(user), [Heard::data(peer, b"ping")]);
    world.bind(user, 0x4000, peer);
    assert!(world.send_channel(user, 0x4000, b"pong").is_forward());
    assert_eq!(world.heard(user), [Heard::channel(0x4000, b"pong")]);
    assert_eq!(world.refusal(user, Request::refresh(0)), None);
    assert!(world.relay().is_empty());
}

#[test]
fn a_port_that_is_taken_is_tried_elsewhere_and_eight_of_them_are_enough() {
    for (refused, code) in [(0, None), (1, None), (7, None), (8, Some(508))] {
        let mut world = World::new(2);
        world.relay().refuse_binds(refused);
        let user = world.user("user");
        assert_eq!(world.refusal(user, Request::allocate()), code, "{refused} refused");
        let mut tried = world.relay().binds_tried().to_vec();
        assert_eq!(tried.len(), (refused + 1).min(8));
        tried.sort_unstable();
        assert!(tried.windows(2).all(|pair| pair[0] != pair[1]));
        if code.is_none() {
            let port = world.relayed(user).port();
            assert!(world.relay().sockets().contains(&port));
            world.pass(Duration::from_secs(600));
        }
        assert!(world.relay().is_empty());
    }
}

#[test]
fn a_session_with_relay_sockets_leaves_nothing_after_a_failed_bind() {
    for refused in [1, 8] {
        let mut world = World::with(Setup { session_peers: PeerPolicy::Public, ..Setup::new(3) });
        world.relay().refuse_binds(refused);
        let alice = world.person(1, Side::A);
        let _ = world.ask(alice, Request::allocate());
        world.end_session(1);
        world.settle();
        assert!(world.relay().is_empty(), "{refused} refused");
    }
}

#[test]
fn a_retransmission_while_the_socket_opens_brings_one_answer() {
    let mut world = World::new(4);
    let user = world.user("user");
    world.learn_nonce(user);
    let from = world.address(user);
    let signature = world.of(user).signature().cloned();
    let request = Request::allocate().write(TransactionId([1; 12]), signature.as_ref());
    let refresh = Request::refresh(0).write(TransactionId([2; 12]), signature.as_ref());
    assert_eq!(world.knock(from, &request), Outcome::Later);
    assert_eq!(world.knock(from, &request), Outcome::Later);
    world.take_record();
    world.settle();
    assert_eq!(world.take_record().len(), 1);
    assert!(matches!(world.knock(from, &request), Outcome::Reply(_)));
    assert_eq!(world.relay().counters().allocations, 1);
    assert!(matches!(world.knock(from, &refresh), Outcome::Reply(_)));
    assert!(world.relay().is_empty());
}

#[test]
fn a_client_that_leaves_while_the_socket_opens_leaves_nothing() {
    let mut world = World::new(5);
    let user = world.user("user");
    world.learn_nonce(user);
    let from = world.address(user);
    let signature = world.of(user).signature().cloned();
    let request = Request::allocate().write(TransactionId([1; 12]), signature.as_ref());
    let refresh = Request::refresh(0).write(TransactionId([2; 12]), signature.as_ref());
    assert_eq!(world.knock(from, &request), Outcome::Later);
    let _ = world.knock(from, &refresh);
    world.pass(Duration::from_secs(601));
    assert!(world.relay().is_empty());
}

#[test]
fn two_public_users_meet_inside_the_process() {
    for workers in [1, 2, 5] {
        let users = vec![("one", PeerPolicy::Public), ("two", PeerPolicy::Public)];
        let mut world = World::with(Setup { workers, users, ..Setup::new(6) });
        let [one, two] = ["one", "two"].map(|name| world.user(name));
        let [from, to] = [one, two].map(|user| world.allocate(user));
        world.permit(one, to);
        world.permit(two, from);
        world.settle();
        assert!(world.send(one, to, b"x").is_routed());
        assert_eq!(world.heard(two), [Heard::data(from, b"x")]);
    }
}
