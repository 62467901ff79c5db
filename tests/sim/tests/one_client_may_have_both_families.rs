//! ADDITIONAL-ADDRESS-FAMILY: one Allocate brings a relayed address of each family, each with permissions,
//! channels and an end of its own. RFC 8656 §7.2, §8.2.

use std::net::SocketAddr;
use std::time::Duration;

use sim::{ClientId, DropReason, Heard, Outcome, RELAY_V4, RELAY_V6, Request, Setup, Side, World};
use stun_wire::AttributeType;
use turn_core::{AllocationLimits, PeerPolicy};

fn allocate_both(world: &mut World, client: ClientId) -> [SocketAddr; 2] {
    let granted = world.ask(client, Request::allocate().both_families()).expect("a grant");
    assert!(granted.message().find(AttributeType::ADDRESS_ERROR_CODE).is_none());
    let relayed: [SocketAddr; 2] = granted.all_relayed().try_into().expect("two relayed addresses");
    assert!(relayed[0].is_ipv4() && relayed[1].is_ipv6());
    relayed
}

/// The family and the code of an ADDRESS-ERROR-CODE.
fn missing(granted: &sim::Granted) -> Option<(u8, u16)> {
    let message = granted.message();
    let value: [u8; 4] = message.find(AttributeType::ADDRESS_ERROR_CODE)?.try_into().expect("four bytes");
    Some((value[0], u16::from(value[2]) * 100 + u16::from(value[3])))
}

#[test]
fn partners_reach_each_other_by_either_family() {
    for workers in [1, 2, 5] {
        let mut world = World::with(Setup { workers, ..Setup::new(1) });
        let [alice, bob] = [Side::A, Side::B].map(|side| world.person(1, side));
        let from = allocate_both(&mut world, alice);
        let to = allocate_both(&mut world, bob);
        assert_eq!(world.refusal(alice, Request::permit(&to)), None);
        assert_eq!(world.refusal(bob, Request::permit(&from)), None);
        world.settle();
        for family in [0, 1] {
            assert!(world.send(alice, to[family], b"x").is_routed());
            assert_eq!(world.heard(bob), [Heard::data(from[family], b"x")]);
            world.bind(bob, 0x4000 + family as u16, from[family]);
            world.settle();
            assert!(world.send_channel(bob, 0x4000 + family as u16, b"y").is_routed());
            assert_eq!(world.heard(alice), [Heard::data(to[family], b"y")]);
        }
        world.end_session(1);
        world.settle();
        assert!(world.relay().is_empty());
    }
}

#[test]
fn public_users_have_a_socket_for_each() {
    let mut world = World::new(2);
    let user = world.user("user");
    let relayed = allocate_both(&mut world, user);
    assert_eq!(world.relay().sockets().len(), 2);
    let peers = ["9.9.9.9:5000", "[2620:fe::9]:5000"].map(|peer| world.echo(peer));
    assert_eq!(world.refusal(user, Request::permit(&peers)), None);
    for (peer, relayed) in peers.into_iter().zip(relayed) {
        assert!(world.send(user, peer, b"x").is_forward());
        assert_eq!(world.heard_by_peer(peer), [(relayed, b"x".to_vec())]);
        assert_eq!(world.heard(user), [Heard::data(peer, b"x")]);
    }
    assert_eq!(world.refusal(user, Request::refresh(0)), None);
    assert!(world.relay().is_empty());
}

#[test]
fn one_family_is_deleted_and_the_other_lives() {
    for (family, index) in [(1, 0), (2, 1)] {
        let mut world = World::new(3);
        let user = world.user("user");
        allocate_both(&mut world, user);
        let peers = ["9.9.9.9:5000", "[2620:fe::9]:5000"].map(|peer| world.echo(peer));
        assert_eq!(world.refusal(user, Request::permit(&peers)), None);
        assert_eq!(world.refusal(user, Request::refresh(0).family(family)), None);
        assert_eq!(world.relay().counters().allocations, 1);
        assert_eq!(world.send(user, peers[index], b"x"), Outcome::Drop(DropReason::PeerRefused));
        assert!(world.send(user, peers[1 - index], b"x").is_forward());
        for request in [
            Request::permit(&[peers[index]]),
            Request::permit(&peers),
            Request::bind(0x4000, peers[index]),
            Request::refresh(600).family(family),
        ] {
            assert_eq!(world.refusal(user, request), Some(443));
        }
        assert_eq!(world.refusal(user, Request::refresh(0).family(3 - family)), None);
        assert_eq!(world.refusal(user, Request::refresh(0)), Some(437));
        assert!(world.relay().is_empty());
    }
}

#[test]
fn each_family_has_its_own_lifetime() {
    let mut world = World::new(4);
    let user = world.user("user");
    allocate_both(&mut world, user);
    world.pass(Duration::from_secs(599));
    assert_eq!(world.refusal(user, Request::refresh(600).family(2)), None);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.relay().counters().allocations, 1);
    assert_eq!(world.refusal(user, Request::refresh(600).family(1)), Some(443));
    assert_eq!(world.refusal(user, Request::refresh(600)), None);
    world.pass(Duration::from_secs(600));
    assert!(world.relay().is_empty());
}

#[test]
fn a_channel_number_means_one_peer_of_either_family() {
    let mut world = World::new(5);
    let user = world.user("user");
    allocate_both(&mut world, user);
    let peers = ["9.9.9.9:5000", "[2620:fe::9]:5000"].map(|peer| world.echo(peer));
    world.bind(user, 0x4000, peers[0]);
    assert_eq!(world.refusal(user, Request::bind(0x4000, peers[1])), Some(400));
    world.bind(user, 0x4001, peers[1]);
    assert_eq!(world.refusal(user, Request::bind(0x4001, peers[0])), Some(400));
    for (number, peer) in [(0x4000, peers[0]), (0x4001, peers[1])] {
        assert!(world.send_channel(user, number, b"x").is_forward());
        assert_eq!(world.heard(user), [Heard::channel(number, b"x")]);
        assert_eq!(world.heard_by_peer(peer).len(), 1);
    }
}

#[test]
fn the_family_that_is_silent_gives_way() {
    for spoken in [0, 1] {
        let limits = AllocationLimits { per_side: 2, per_prefix: 0, total: 0 };
        let mut world = World::with(Setup { limits, ..Setup::new(11) });
        let [alice, bob] = [Side::A, Side::B].map(|side| world.person(1, side));
        allocate_both(&mut world, alice);
        let peers = allocate_both(&mut world, bob);
        assert_eq!(world.refusal(alice, Request::permit(&peers)), None);
        world.bind(alice, 0x4000, peers[spoken]);
        for by_channel in [false, true] {
            world.pass(Duration::from_secs(2));
            if by_channel {
                world.send_channel(alice, 0x4000, b"x");
            } else {
                world.send(alice, peers[spoken], b"x");
            }
        }
        let newcomer = world.person(1, Side::A);
        world.allocate(newcomer);
        world.settle();
        let refusals = [1, 2].map(|family| world.refusal(alice, Request::refresh(600).family(family)));
        assert_eq!(refusals[spoken], None);
        assert_eq!(refusals[1 - spoken], Some(443));
    }
}

#[test]
fn a_family_that_is_not_there_is_named_and_the_other_granted() {
    let mut world = World::with(Setup { own_ips: vec![RELAY_V4], ..Setup::new(6) });
    let alice = world.person(1, Side::A);
    let granted = world.ask(alice, Request::allocate().both_families()).expect("IPv4");
    assert_eq!((granted.all_relayed().len(), missing(&granted)), (1, Some((2, 440))));
    let bob = world.person(1, Side::B);
    assert_eq!(world.refusal(bob, Request::allocate().family(2)), Some(440));
    assert_eq!(world.refusal(bob, Request::allocate().family(3)), Some(440));
}

#[test]
fn where_neither_family_can_be_had_there_is_no_room() {
    let setup = Setup { workers: 1, own_ips: vec![RELAY_V6], relay_ports: 50_000..=50_000, ..Setup::new(12) };
    let mut world = World::with(setup);
    let [one, other] = ["[2001:db8:7::7]:5000", "[2001:db8:7::8]:5000"]
        .map(|home| world.user_with_address("user", home.parse().expect("an address")));
    assert_eq!(world.refusal(one, Request::allocate().family(1)), Some(440));
    assert_eq!(world.refusal(one, Request::allocate().family(2)), None);
    assert_eq!(world.refusal(other, Request::allocate().both_families()), Some(508));
}

#[test]
fn a_socket_that_cannot_be_had_takes_only_its_family() {
    for (refused, left) in [(14, 2), (15, 1)] {
        let mut world = World::new(7);
        world.relay().refuse_binds(refused);
        let user = world.user("user");
        let granted = world.ask(user, Request::allocate().both_families()).expect("one of them");
        assert_eq!(granted.all_relayed().len(), left);
        assert_eq!(missing(&granted).is_some(), left == 1);
        assert_eq!(world.relay().sockets().len(), left);
        assert_eq!(world.refusal(user, Request::refresh(0)), None);
        assert!(world.relay().is_empty());
    }
    let mut world = World::new(8);
    world.relay().refuse_binds(16);
    let user = world.user("user");
    assert_eq!(world.refusal(user, Request::allocate().both_families()), Some(508));
    assert!(world.relay().is_empty());
}

#[test]
fn coturns_client_may_ask_for_both_by_its_own_number() {
    let mut world = World::new(10);
    let user = world.user("user");
    let of_coturn = AttributeType::ADDITIONAL_ADDRESS_FAMILY_OF_COTURN;
    let granted = world.ask(user, Request::allocate().with(of_coturn, &[2, 0, 0, 0])).expect("both");
    assert_eq!(granted.all_relayed().len(), 2);
    assert_eq!(world.refusal(user, Request::refresh(0)), None);
    assert_eq!(world.refusal(user, Request::allocate().with(of_coturn, &[1, 0, 0, 0])), Some(400));
    assert!(world.relay().is_empty());
}

#[test]
fn row_56_contradictions_are_bad_requests() {
    let mut world = World::new(9);
    let user = world.user("user");
    let additional =
        |family: u8| Request::allocate().with(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[family, 0, 0, 0]);
    for request in [
        additional(1),
        additional(3),
        Request::allocate().with(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2]),
        Request::allocate().family(1).both_families(),
        Request::allocate().family(2).both_families(),
        Request::allocate().both_families().with(AttributeType::EVEN_PORT, &[0x80]),
        Request::allocate().with(AttributeType::ADDRESS_ERROR_CODE, &[2, 0, 4, 40]),
    ] {
        assert_eq!(world.refusal(user, request), Some(400));
    }
    assert!(world.relay().is_empty());
}

#[test]
fn both_count_and_both_are_refused() {
    for (per_side, per_prefix, total, code) in [(1, 0, 0, 486), (0, 1, 0, 486), (0, 0, 1, 508)] {
        let limits = AllocationLimits { per_side, per_prefix, total };
        let mut world = World::with(Setup { limits, ..Setup::new(10) });
        let alice = world.person(1, Side::A);
        assert_eq!(world.refusal(alice, Request::allocate().both_families()), Some(code));
        assert!(world.relay().is_empty());
        world.allocate(alice);
    }
    let limits = AllocationLimits { per_side: 2, per_prefix: 0, total: 0 };
    let mut world = World::with(Setup { limits, session_peers: PeerPolicy::Appliance, ..Setup::new(11) });
    for _ in 0..3 {
        let alice = world.person(1, Side::A);
        allocate_both(&mut world, alice);
        world.settle();
        assert_eq!(world.relay().counters().allocations, 2);
        world.pass(Duration::from_secs(2));
    }
}
