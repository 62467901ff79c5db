//! Mobility: a client that shows its ticket on another 5-tuple keeps its relayed addresses,
//! permissions, channels, routes and relay sockets, whichever worker that 5-tuple belongs to. RFC 8016 §3.

use std::net::SocketAddr;
use std::time::Duration;

use sim::{ClientId, DropReason, Heard, Link, Outcome, Request, Setup, Side, World};
use stun_wire::{AttributeType, TransactionId};

/// An allocation whose holder may move, and the first ticket.
fn allocate(world: &mut World, client: ClientId) -> Vec<u8> {
    let granted = world.ask(client, Request::allocate().ticket(&[])).expect("a grant");
    granted.ticket().expect("a ticket")
}

/// The same client on another 5-tuple: of the same worker, or of another.
fn elsewhere(world: &mut World, client: ClientId, same: bool) -> ClientId {
    let from = world.address(client);
    let from = world.relay().worker_of(from);
    loop {
        let there = world.elsewhere(client);
        let address = world.address(there);
        if (world.relay().worker_of(address) == from) == same {
            return there;
        }
    }
}

/// Moves and returns the next ticket.
fn follow(world: &mut World, client: ClientId, ticket: &[u8]) -> Vec<u8> {
    let granted = world.ask(client, Request::refresh(600).ticket(ticket)).expect("a move");
    assert_eq!(granted.lifetime_s(), Some(600));
    let next = granted.ticket().expect("a new ticket");
    assert_ne!(next, ticket);
    next
}

fn alice(world: &mut World) -> ClientId {
    world.person(1, Side::A)
}

/// Alice, who may move, and Bob, with a channel each way; their relayed addresses.
fn call(world: &mut World) -> (ClientId, Vec<u8>, ClientId, [SocketAddr; 2]) {
    let one = alice(world);
    let ticket = allocate(world, one);
    let bob = world.person(1, Side::B);
    let (from, to) = (world.relayed(one), world.allocate(bob));
    world.bind(one, 0x4000, to);
    world.bind(bob, 0x4001, from);
    world.settle();
    (one, ticket, bob, [from, to])
}

#[test]
fn a_call_goes_on_where_the_client_is_now() {
    for (seed, same) in (0..20).flat_map(|seed| [(seed, true), (seed, false)]) {
        let mut world = World::with(Setup { workers: 3, ..Setup::new(seed) });
        let (one, ticket, bob, [from, to]) = call(&mut world);
        let two = elsewhere(&mut world, one, same);
        follow(&mut world, two, &ticket);

        // Until it is heard on the new 5-tuple the old one is served, in both directions.
        world.say(one, |client| client.send_channel(0x4000, b"old"));
        world.settle();
        assert_eq!(world.heard(bob), [Heard::channel(0x4001, b"old")]);
        world.send_channel(bob, 0x4001, b"to the old");
        assert_eq!(world.heard(one), [Heard::channel(0x4000, b"to the old")]);

        // The channel is still bound, and its first packet switches over.
        assert!(world.send_channel(two, 0x4000, b"new").is_routed());
        world.settle();
        assert_eq!(world.heard(bob), [Heard::channel(0x4001, b"new")]);
        assert!(world.send_channel(bob, 0x4001, b"to the new").is_routed());
        assert_eq!(world.heard(two), [Heard::channel(0x4000, b"to the new")]);
        assert_eq!((world.heard(one), world.relay().counters().moves), (Vec::new(), 1));

        // The old 5-tuple means nothing any more, and everything else works on the new one.
        let outcome = world.send_channel(one, 0x4000, b"x");
        assert_eq!(outcome, Outcome::Drop(DropReason::NoAllocation));
        assert!(world.send(two, to, b"by indication").is_routed());
        assert_eq!(world.heard(bob), [Heard::channel(0x4001, b"by indication")]);
        world.bind(two, 0x4000, to);
        world.permit(bob, from);
        world.pass(Duration::from_secs(299));
        world.settle();
        assert!(world.send_channel(bob, 0x4001, b"late").is_routed());
        world.end_session(1);
        world.settle();
        assert!(world.relay().is_empty());
    }
}

#[test]
fn no_packet_of_a_moved_client_changes_threads() {
    let mut world = World::with(Setup { workers: 3, ..Setup::new(1) });
    let (one, ticket, bob, _) = call(&mut world);
    let two = elsewhere(&mut world, one, false);
    follow(&mut world, two, &ticket);
    for n in 0..10_u8 {
        assert!(world.send_channel(two, 0x4000, &[n]).is_routed());
        assert!(world.send_channel(bob, 0x4001, &[n]).is_routed());
        world.settle();
    }
    assert_eq!(world.relay().poll_passed_on(), None);
    assert_eq!((world.heard(two).len(), world.heard(bob).len()), (10, 10));
}

#[test]
fn what_is_in_flight_when_a_client_moves_arrives() {
    for seed in 0..10 {
        let mut world = World::with(Setup { workers: 3, ..Setup::new(seed) });
        let (one, ticket, bob, _) = call(&mut world);
        let two = elsewhere(&mut world, one, false);
        world.learn_nonce(two);
        let now = world.now();
        // Both talk at every moment, while the Refresh and what it sets off are under way.
        let asked = world.of(two).request(now, Request::refresh(600).ticket(&ticket));
        let mut sent = 0_u16;
        for _ in 0..200 {
            sent += 1;
            world.say(one, |client| client.send_channel(0x4000, &sent.to_be_bytes()));
            world.say(bob, |client| client.send_channel(0x4001, &sent.to_be_bytes()));
            world.pass(Duration::from_micros(20));
        }
        assert!(world.of(two).answer(asked).is_some_and(|answer| answer.is_ok()));
        let numbers = |heard: Vec<Heard>| -> Vec<u16> {
            let number = |it| match it {
                Heard::Channel(_, payload) => u16::from_be_bytes(payload.try_into().expect("two bytes")),
                Heard::Data(..) | Heard::Attempt(..) => panic!("the channel is bound"),
            };
            heard.into_iter().map(number).collect()
        };
        world.settle();
        let all: Vec<u16> = (1..=sent).collect();
        let at_bobs = numbers(world.heard(bob));
        // A few may have come while the allocations were between two workers: those wait, none is lost.
        assert_eq!(at_bobs, all, "{seed}");
        assert_eq!(numbers(world.heard(one)), all, "{seed}");
    }
}

#[test]
fn relay_sockets_go_along_as_they_are() {
    for (seed, same) in (0..20).flat_map(|seed| [(seed, true), (seed, false)]) {
        let mut world = World::with(Setup { workers: 3, ..Setup::new(seed) });
        let one = world.user("user");
        let request = Request::allocate().both_families().ticket(&[]);
        let granted = world.ask(one, request).expect("a grant");
        let ticket = granted.ticket().expect("a ticket");
        let relayed = granted.all_relayed();
        let peers = ["9.9.9.9:5000", "[2620:fe::9]:5000"].map(|peer| world.echo(peer));
        assert_eq!(world.refusal(one, Request::permit(&peers)), None);
        let tried = world.relay().binds_tried().len();
        let two = elsewhere(&mut world, one, same);
        world.learn_nonce(two);
        // Peers send into the sockets while these change hands.
        let now = world.now();
        let asked = world.of(two).request(now, Request::refresh(600).ticket(&ticket));
        for n in 0..50_u8 {
            for (peer, relayed) in peers.into_iter().zip(&relayed) {
                world.throw(peer, *relayed, &[n]);
            }
            world.pass(Duration::from_micros(40));
        }
        assert!(world.of(two).answer(asked).is_some_and(|answer| answer.is_ok()));
        assert_eq!(world.heard(one).len(), 100, "none is lost");
        for (peer, relayed) in peers.into_iter().zip(relayed) {
            assert!(world.send(two, peer, b"x").is_forward());
            assert_eq!(world.heard_by_peer(peer), [(relayed, b"x".to_vec())]);
            assert_eq!(world.heard(two), [Heard::data(peer, b"x")]);
        }
        assert_eq!(world.relay().binds_tried().len(), tried, "nothing is bound anew");
        assert_eq!(world.refusal(two, Request::refresh(0)), None);
        world.settle();
        assert!(world.relay().is_empty());
    }
}

#[test]
fn it_moves_as_often_as_it_likes_and_home_again() {
    for seed in 0..10 {
        let mut world = World::with(Setup { workers: 3, ..Setup::new(seed) });
        let (mut here, mut ticket, bob, [_, to]) = call(&mut world);
        for round in 0..30_u8 {
            let there = world.elsewhere(here);
            ticket = follow(&mut world, there, &ticket);
            // Sometimes it moves on before it was heard where it was.
            if round % 3 != 0 {
                let silent = std::mem::replace(&mut here, there);
                assert!(world.send_channel(here, 0x4000, &[round]).is_routed(), "{seed} {round}");
                world.settle();
                assert_eq!(world.heard(bob), [Heard::channel(0x4001, &[round])]);
                assert_eq!(world.send(silent, to, b"x"), Outcome::Drop(DropReason::NoAllocation));
            }
            world.send_channel(bob, 0x4001, &[round]);
            assert_eq!(world.heard(here), [Heard::channel(0x4000, &[round])]);
        }
        assert_eq!(world.refusal(bob, Request::refresh(0)), None);
        world.pass(Duration::from_secs(600));
        world.settle();
        assert!(world.relay().is_empty(), "{seed}");
    }
}

#[test]
fn a_lossy_line_moves_once() {
    for seed in 0..30 {
        let mut world = World::with(Setup { workers: 3, ..Setup::new(seed) });
        let (one, ticket, bob, [from, to]) = call(&mut world);
        let train = world.site(None, Link::train());
        let two = world.elsewhere_at(train, one);
        let next = follow(&mut world, two, &ticket);
        while world.relay().counters().moves == 0 {
            world.say(two, |client| client.send(to, b"x"));
            world.pass(Duration::from_secs(1));
        }
        world.pass(Duration::from_secs(5));
        world.heard(bob);
        world.permit(bob, from);
        let three = world.elsewhere(two);
        follow(&mut world, three, &next);
        assert!(world.send(three, to, b"y").is_routed());
        assert_eq!(world.heard(bob), [Heard::channel(0x4001, b"y")]);
    }
}

#[test]
fn a_retransmission_gets_the_same_answer() {
    for same in [true, false] {
        let mut world = World::new(3);
        let (one, ticket, ..) = call(&mut world);
        let two = elsewhere(&mut world, one, same);
        world.learn_nonce(two);
        let (from, signature) = (world.address(two), world.of(two).signature().cloned());
        let request = Request::refresh(700).ticket(&ticket).write(TransactionId([9; 12]), signature.as_ref());
        world.take_record();
        let answers = |world: &mut World| -> Vec<Vec<u8>> {
            world.settle();
            let record = world.take_record();
            record.into_iter().filter(|it| it.to == from).map(|it| it.datagram).collect()
        };
        // Two before anything is decided, one before it is heard there, and one after.
        assert_eq!(world.knock(from, &request), Outcome::Later);
        let _ = world.knock(from, &request);
        let mut all = answers(&mut world);
        let _ = world.knock(from, &request);
        all.extend(answers(&mut world));
        assert!(world.send_channel(two, 0x4000, b"x").is_routed());
        world.pass(Duration::from_secs(31));
        let _ = world.knock(from, &request);
        all.extend(answers(&mut world));
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|it| it == &all[0]));
        let answer = stun_wire::Message::parse(&all[0]).expect("a message");
        assert!(answer.find(AttributeType::MOBILITY_TICKET).is_some());
    }
}

#[test]
fn a_lost_summons_is_repeated() {
    for lost in 0..4 {
        let mut world = World::with(Setup { workers: 3, ..Setup::new(6) });
        let (one, ticket, bob, _) = call(&mut world);
        let two = elsewhere(&mut world, one, false);
        world.relay().lose_notices(lost);
        follow(&mut world, two, &ticket);
        world.relay().lose_notices(0);
        assert!(world.send_channel(two, 0x4000, b"x").is_routed());
        assert_eq!(world.heard(bob), [Heard::channel(0x4001, b"x")]);
    }
}

#[test]
fn a_move_may_be_the_end() {
    for (same, family) in [(true, None), (false, None), (true, Some(1)), (false, Some(2))] {
        let mut world = World::new(7);
        let one = alice(&mut world);
        let granted = world.ask(one, Request::allocate().both_families().ticket(&[])).expect("a grant");
        let ticket = granted.ticket().expect("a ticket");
        let two = elsewhere(&mut world, one, same);
        let end = Request::refresh(0).ticket(&ticket);
        let end = family.map_or(end.clone(), |family| end.family(family));
        let granted = world.ask(two, end).expect("a grant");
        assert_eq!((granted.lifetime_s(), granted.ticket().is_some()), (Some(0), family.is_some()));
        world.settle();
        if let (Some(family), Some(ticket)) = (family, granted.ticket()) {
            assert_eq!(world.refusal(two, Request::refresh(600).family(family)), Some(443));
            // The ticket of what is left is good, though it first named the family that is gone.
            let three = elsewhere(&mut world, two, false);
            follow(&mut world, three, &ticket);
            assert_eq!(world.refusal(three, Request::refresh(0)), None);
        }
        world.settle();
        assert!(world.relay().is_empty());
    }
}

#[test]
fn either_family_may_be_the_one_that_is_left() {
    for family in [1, 2] {
        let mut world = World::with(Setup { workers: 3, ..Setup::new(8) });
        let one = alice(&mut world);
        let granted = world.ask(one, Request::allocate().both_families().ticket(&[])).expect("a grant");
        assert_eq!(world.refusal(one, Request::refresh(0).family(family)), None);
        let two = elsewhere(&mut world, one, false);
        follow(&mut world, two, &granted.ticket().expect("a ticket"));
    }
}

#[test]
fn it_moves_between_families_of_its_own_address() {
    let mut world = World::new(9);
    let (_, ticket, bob, [from, _]) = call(&mut world);
    let credential = world.credential(1, Side::A, world.unix_s() + 86_400);
    let two = world.client_with_address("[2001:db8:7::1]:5000".parse().unwrap(), &credential);
    world.learn_nonce(two);
    follow(&mut world, two, &ticket);
    assert!(world.send_channel(two, 0x4000, b"x").is_routed());
    world.settle();
    assert!(world.send(bob, from, b"y").is_routed());
    assert_eq!(world.heard(two), [Heard::channel(0x4000, b"y")]);
}

#[test]
fn the_end_of_a_session_reaches_what_is_under_way() {
    for seed in 0..20 {
        let mut world = World::with(Setup { workers: 3, ..Setup::new(seed) });
        let (one, ticket, ..) = call(&mut world);
        let two = elsewhere(&mut world, one, false);
        world.learn_nonce(two);
        let now = world.now();
        world.of(two).request(now, Request::refresh(600).ticket(&ticket));
        world.pass(Duration::from_micros(seed * 40));
        world.end_session(1);
        world.settle();
        assert!(world.relay().is_empty(), "{seed}");
    }
}

#[test]
fn holders_of_a_shared_secret_take_what_they_have_along() {
    let mut world = World::with(Setup { shared_secrets: vec!["known to this test"], ..Setup::new(10) });
    let expires = world.unix_s() + 60;
    let credential = sim::SharedSecret::new(b"known to this test").mint(Some("alice"), expires);
    let credential = credential.expect("a name");
    let one = world.client(&credential);
    let ticket = allocate(&mut world, one);
    world.pass(Duration::from_secs(61));
    let two = world.elsewhere(one);
    assert_eq!(world.refusal(two, Request::allocate()), Some(401));
    follow(&mut world, two, &ticket);
    assert_eq!(world.refusal(two, Request::refresh(600)), None);
}
