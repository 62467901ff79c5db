//! EVEN-PORT with its R bit and RESERVATION-TOKEN: the next port waits half a minute for the same user,
//! whatever worker that user's other 5-tuple belongs to. RFC 8656 §7.2.

use std::net::SocketAddr;
use std::time::Duration;

use sim::{ClientId, Heard, PeerPolicy, Request, Setup, Side, World};
use stun_wire::AttributeType;
use turn_core::AllocationLimits;
use turn_core::limits::{RESERVATION_LIFETIME, RESERVATIONS_MAX};

fn pair() -> Request {
    Request::allocate().with(AttributeType::EVEN_PORT, &[0x80])
}

fn redeem(token: &[u8]) -> Request {
    Request::allocate().with(AttributeType::RESERVATION_TOKEN, token)
}

/// An allocation on an even port, and the token of the next.
fn reserve(world: &mut World, client: ClientId) -> (SocketAddr, Vec<u8>) {
    let granted = world.ask(client, pair()).expect("a grant");
    let relayed = granted.relayed().expect("a relayed address");
    assert!(relayed.port().is_multiple_of(2));
    (relayed, granted.reservation().expect("a token"))
}

fn next(relayed: SocketAddr) -> SocketAddr {
    SocketAddr::new(relayed.ip(), relayed.port() + 1)
}

#[test]
fn the_next_port_goes_to_who_brings_the_token() {
    for (seed, workers) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 5), (6, 5)] {
        let mut world = World::with(Setup { workers, ..Setup::new(seed) });
        let [rtp, rtcp] = [(); 2].map(|()| world.user("user"));
        let (relayed, token) = reserve(&mut world, rtp);
        let second = world.ask(rtcp, redeem(&token)).expect("the reserved port").relayed();
        assert_eq!(second, Some(next(relayed)));
        let peer = world.echo("9.9.9.9:5000");
        world.permit(rtcp, peer);
        assert!(world.send(rtcp, peer, b"x").is_forward());
        assert_eq!(world.heard_by_peer(peer), [(next(relayed), b"x".to_vec())]);
        assert_eq!(world.heard(rtcp), [Heard::data(peer, b"x")]);
        for client in [rtp, rtcp] {
            assert_eq!(world.refusal(client, Request::refresh(0)), None);
        }
        world.pass(RESERVATION_LIFETIME);
        assert!(world.relay().is_empty());
    }
}

#[test]
fn routes_find_a_port_that_another_worker_serves() {
    for seed in 0..20 {
        let users = vec![("one", PeerPolicy::Appliance), ("two", PeerPolicy::Appliance)];
        let mut world = World::with(Setup { workers: 3, users, ..Setup::new(seed) });
        let [rtp, rtcp] = [(); 2].map(|()| world.user("one"));
        let (_, token) = reserve(&mut world, rtp);
        let to = world.ask(rtcp, redeem(&token)).expect("the reserved port").relayed().expect("one");
        let two = world.user("two");
        let from = world.allocate(two);
        world.permit(two, to);
        world.permit(rtcp, from);
        world.settle();
        for (sender, receiver, peer, me) in [(two, rtcp, to, from), (rtcp, two, from, to)] {
            assert!(world.send(sender, peer, b"x").is_routed(), "{seed}");
            assert_eq!(world.heard(receiver), [Heard::data(me, b"x")]);
        }
        world.bind(rtcp, 0x4000, from);
        world.settle();
        assert!(world.send(two, to, b"y").is_routed());
        assert_eq!(world.heard(rtcp), [Heard::channel(0x4000, b"y")]);
        assert_eq!(world.refusal(rtcp, Request::refresh(0)), None);
        world.settle();
        assert!(!world.send(two, to, b"z").is_forward());
    }
}

#[test]
fn row_43_a_token_is_its_owners_and_lasts_half_a_minute() {
    for workers in [1, 2, 5] {
        let users = vec![("one", PeerPolicy::Public), ("two", PeerPolicy::Public)];
        let mut world = World::with(Setup { workers, users, ..Setup::new(7) });
        let [owner, same] = [(); 2].map(|()| world.user("one"));
        let other = world.user("two");
        let (_, token) = reserve(&mut world, owner);
        assert_eq!(world.refusal(other, redeem(&token)), Some(508));
        assert_eq!(world.refusal(other, redeem(&[7; 8])), Some(508));
        for length in [0, 7, 9] {
            assert_eq!(world.refusal(same, redeem(&vec![0; length])), Some(400));
        }
        world.pass(RESERVATION_LIFETIME - Duration::from_secs(1));
        assert_eq!(world.refusal(same, redeem(&token)), None);
        let again = world.user("one");
        assert_eq!(world.refusal(again, redeem(&token)), Some(508));

        let late = world.user("one");
        let (_, token) = reserve(&mut world, late);
        world.pass(RESERVATION_LIFETIME);
        assert_eq!(world.refusal(again, redeem(&token)), Some(508));
        for client in [owner, same, late] {
            assert_eq!(world.refusal(client, Request::refresh(0)), None);
        }
        assert!(world.relay().is_empty());
    }
}

#[test]
fn row_56_a_token_and_what_contradicts_it() {
    let mut world = World::new(8);
    let [rtp, rtcp] = [(); 2].map(|()| world.user("user"));
    let (_, token) = reserve(&mut world, rtp);
    for request in [
        redeem(&token).with(AttributeType::EVEN_PORT, &[0]),
        redeem(&token).with(AttributeType::EVEN_PORT, &[0x80]),
        redeem(&token).family(1),
        redeem(&token).both_families(),
        Request::allocate().with(AttributeType::EVEN_PORT, &[]),
        Request::allocate().with(AttributeType::EVEN_PORT, &[0x80, 0]),
    ] {
        assert_eq!(world.refusal(rtcp, request), Some(400));
    }
    assert_eq!(world.refusal(rtcp, redeem(&token)), None);
}

#[test]
fn row_56_twenty_thousand_times_and_every_port_is_there_again() {
    let limits = AllocationLimits { per_side: 0, per_prefix: 0, total: 0 };
    let mut world = World::with(Setup { workers: 1, limits, ..Setup::new(9) });
    let user = world.user("user");
    for round in 0..20_000_u32 {
        let request = match round % 3 {
            0 => pair(),
            _ => Request::allocate().with(AttributeType::EVEN_PORT, &[0]),
        };
        // The debug build counts free, resting, kept and used numbers after each.
        assert_eq!(world.refusal(user, request), None);
        assert_eq!(world.refusal(user, Request::refresh(0)), None);
        world.pass(Duration::from_millis(50));
    }
    world.pass(RESERVATION_LIFETIME);
    assert!(world.relay().is_empty());
}

#[test]
fn a_retransmission_brings_the_same_token() {
    let mut world = World::new(10);
    let user = world.user("user");
    world.learn_nonce(user);
    let from = world.address(user);
    let signature = world.of(user).signature().cloned();
    let request = pair().write(stun_wire::TransactionId([1; 12]), signature.as_ref());
    let _ = world.knock(from, &request);
    world.settle();
    let [one, two] = [(); 2].map(|()| world.knock(from, &request));
    assert!(one == two && matches!(one, sim::Outcome::Reply(_)));
}

#[test]
fn ports_that_cannot_be_bound_take_their_reservations_along() {
    for (refused, code) in [(0, None), (1, None), (7, None), (8, Some(508))] {
        let mut world = World::new(11);
        world.relay().refuse_binds(refused);
        let [rtp, rtcp] = [(); 2].map(|()| world.user("user"));
        let answer = world.ask(rtp, pair());
        assert_eq!(answer.is_err(), code.is_some());
        if let Ok(granted) = answer {
            let token = granted.reservation().expect("a token");
            world.relay().refuse_binds(1);
            assert_eq!(world.refusal(rtcp, redeem(&token)), Some(508), "another port would not do");
            assert_eq!(world.refusal(rtp, Request::refresh(0)), None);
        }
        world.pass(RESERVATION_LIFETIME);
        assert!(world.relay().is_empty(), "{refused} refused");
    }
}

#[test]
fn the_end_of_a_session_ends_its_reservations() {
    let mut world = World::with(Setup { workers: 3, ..Setup::new(12) });
    let alice = world.person(1, Side::A);
    reserve(&mut world, alice);
    world.end_session(1);
    world.settle();
    assert!(world.relay().is_empty());
}

#[test]
fn so_many_are_kept_and_no_more() {
    let limits = AllocationLimits { per_side: 0, per_prefix: 0, total: 0 };
    let mut world = World::with(Setup { limits, ..Setup::new(13) });
    let user = world.user("user");
    for _ in 0..RESERVATIONS_MAX {
        reserve(&mut world, user);
        assert_eq!(world.refusal(user, Request::refresh(0)), None);
    }
    assert_eq!(world.refusal(user, pair()), Some(508));
    world.pass(RESERVATION_LIFETIME);
    assert_eq!(world.refusal(user, pair()), None);
}
