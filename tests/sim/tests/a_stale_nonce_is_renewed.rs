//! A nonce serves one client for ten minutes; a 438 brings the next one. RFC 8489 §9.2.5.

use std::time::Duration;

use sim::{Outcome, Request, Side, World};

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
