//! On a bad line requests are repeated until they are answered, answers that come twice are ignored, and in
//! the end both talk. Every kind of NAT, on both sides.

use std::time::Duration;

use sim::{Client, Dependence, Failure, Link, NatKind, Request, Side, World};

#[test]
fn two_on_trains_get_through_in_the_end() {
    for seed in 0..20 {
        let mut world = World::new(seed);
        let ends = world.unix_s() + 7200;
        let [alice, bob] = [Side::A, Side::B].map(|side| {
            let train = world.site(Some(NatKind::home()), Link::train());
            let credential = world.credential(1, side, ends);
            world.client_at(train, &credential)
        });
        let [from, to] = [alice, bob].map(|person| {
            // An Allocate whose answer was lost for good is told 437 by its successor; the address is still
            // there.
            let granted = world.ask(person, Request::allocate());
            granted.ok().and_then(|granted| granted.relayed()).expect("seven repetitions are enough")
        });
        world.bind(alice, 0x4000, to);
        world.bind(bob, 0x4000, from);
        for _ in 0..100 {
            world.say(alice, |alice| alice.send_channel(0x4000, b"x"));
            world.say(bob, |bob: &mut Client| bob.send_channel(0x4000, b"y"));
            world.pass(Duration::from_millis(20));
        }
        world.pass(Duration::from_secs(1));
        // 0.8 × 0.8 × 1.05 × 1.05 of a hundred, give or take.
        for person in [alice, bob] {
            let heard = world.heard(person).len();
            assert!((45..=95).contains(&heard), "seed {seed}: {heard}");
        }
        world.end_session(1);
        world.pass(Duration::from_secs(1));
        assert!(world.relay().is_empty());
    }
}

#[test]
fn every_pair_of_nats_meets_by_the_relay() {
    let kinds =
        Dependence::ALL.into_iter().flat_map(|mapping| Dependence::ALL.map(|it| NatKind::new(mapping, it)));
    let kinds: Vec<NatKind> = kinds.collect();
    for (one, other) in kinds.iter().flat_map(|one| kinds.iter().map(move |other| (*one, *other))) {
        let mut world = World::new(1);
        let ends = world.unix_s() + 7200;
        let [alice, bob] = [(Side::A, one), (Side::B, other)].map(|(side, kind)| {
            let home = world.site(Some(kind), Link::home());
            let credential = world.credential(1, side, ends);
            world.client_at(home, &credential)
        });
        let [from, to] = [alice, bob].map(|person| world.allocate(person));
        world.permit(alice, to);
        world.permit(bob, from);
        world.say(alice, |alice| alice.send(to, b"x"));
        world.say(bob, |bob| bob.send(from, b"y"));
        world.pass(Duration::from_millis(100));
        assert_eq!(world.heard(alice).len() + world.heard(bob).len(), 2, "{one:?} {other:?}");
    }
}

#[test]
fn a_dead_line_is_given_up_after_39_and_a_half_seconds() {
    let mut world = World::new(2);
    let dead = world.site(None, Link { loss_per_mille: 1000, ..Link::wire() });
    let credential = world.credential(1, Side::A, world.unix_s() + 60);
    let alice = world.client_at(dead, &credential);
    let start = world.now();
    assert_eq!(world.ask(alice, Request::allocate()).err(), Some(Failure::TimedOut));
    assert_eq!(world.now() - start, Duration::from_millis(39_500));
}

#[test]
fn row_88_a_client_whose_nat_forgot_it_starts_anew() {
    let mut world = World::new(3);
    let home = world.site(Some(NatKind::home()), Link::home());
    let credential = world.credential(1, Side::A, world.unix_s() + 7200);
    let alice = world.client_at(home, &credential);
    let first = world.allocate(alice);
    let seen_as = world.of(alice).mapped();
    world.pass(Duration::from_secs(130));
    // The NAT gives her another port: nonce and allocation belong to the old one.
    assert_eq!(world.refusal(alice, Request::refresh(600)), Some(437));
    assert_ne!(world.allocate(alice), first);
    assert_ne!(world.of(alice).mapped(), seen_as);
    assert_eq!(world.relay().counters().allocations, 2);
    world.pass(Duration::from_secs(600));
    assert!(world.relay().is_empty());
}
