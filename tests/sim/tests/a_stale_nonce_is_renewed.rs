//! A nonce serves one client for ten minutes; a 438 brings the next one. Rows 33 and 34, RFC 8489 §9.2.5.

use std::time::Duration;

use sim::{Outcome, Request, Side, World};
use stun_wire::TransactionId;

#[test]
fn a_client_goes_on_with_the_nonce_of_a_438() {
    let mut world = World::new(1);
    let alice = world.person(1, Side::A);
    world.allocate(alice);
    assert_eq!(world.ask(alice, Request::refresh(3600)).ok().unwrap().lifetime_s(), Some(3600));
    let old = world.of(alice).signature().unwrap().nonce.clone();
    world.pass(Duration::from_secs(610));
    assert_eq!(world.refusal(alice, Request::refresh(3600)), None);
    assert_ne!(world.of(alice).signature().unwrap().nonce, old);
}

#[test]
fn a_nonce_lasts_ten_minutes_and_no_tick_longer() {
    let mut world = World::new(2);
    let alice = world.person(1, Side::A);
    world.allocate(alice);
    world.refusal(alice, Request::refresh(3600));
    let refresh = |world: &mut World| {
        let signature = world.of(alice).signature().cloned();
        let id = world.of(alice).transaction_id();
        let from = world.address(alice);
        world.knock(from, &Request::refresh(3600).write(id, signature.as_ref()))
    };
    world.pass(Duration::from_secs(600));
    let granted = refresh(&mut world);
    assert!(matches!(granted, Outcome::Reply(_)) && granted.code().is_none());
    // Eight seconds share a nonce.
    world.pass(Duration::from_secs(8));
    assert_eq!(refresh(&mut world).code(), Some(438));
}

#[test]
fn row_33_a_nonce_of_somebody_else_is_stale() {
    let mut world = World::new(3);
    let alice = world.person(1, Side::A);
    world.allocate(alice);
    let signature = world.of(alice).signature().cloned();
    let request = Request::refresh(600).write(TransactionId([1; 12]), signature.as_ref());
    for other in ["198.18.0.1:20001", "198.18.9.1:20000"] {
        assert_eq!(world.knock(other.parse().unwrap(), &request).code(), Some(438));
    }
}

#[test]
fn row_34_a_flipped_bit_makes_a_nonce_stale() {
    let mut world = World::new(4);
    let alice = world.person(1, Side::A);
    world.allocate(alice);
    let from = world.address(alice);
    let signature = world.of(alice).signature().unwrap().clone();
    for byte in 0..signature.nonce.len() {
        let mut flipped = signature.clone();
        flipped.nonce[byte] ^= 1;
        let request = Request::refresh(0).write(TransactionId([2; 12]), Some(&flipped));
        assert_eq!(world.knock(from, &request).code(), Some(438), "byte {byte}");
    }
    assert_eq!(world.relay().counters().allocations, 1);
}
