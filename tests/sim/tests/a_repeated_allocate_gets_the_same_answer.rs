//! Rows 76 and 77: one allocation a 5-tuple. A retransmission is answered alike; everything else has to wait
//! for the first to end. RFC 8656 §7.2.

use std::time::Duration;

use sim::{Outcome, Request, Side, World};
use stun_wire::TransactionId;

#[test]
fn row_76_a_retransmission_gets_the_same_answer_and_a_new_request_437() {
    let mut world = World::new(1);
    let alice = world.person(1, Side::A);
    let from = world.address(alice);
    world.learn_nonce(alice);
    let signature = world.of(alice).signature().cloned();
    let request = Request::allocate().write(TransactionId([1; 12]), signature.as_ref());
    let Outcome::Reply(first) = world.knock(from, &request) else { panic!("no answer") };
    assert_eq!(world.knock(from, &request), Outcome::Reply(first));
    assert_eq!(world.refusal(alice, Request::allocate()), Some(437));
    assert_eq!(world.relay().counters().allocations_made, 1);
}

#[test]
fn row_77_a_5_tuple_is_free_again_after_deletion_and_after_expiry() {
    let mut world = World::new(2);
    let alice = world.person(1, Side::A);
    let first = world.allocate(alice);
    assert_eq!(world.refusal(alice, Request::refresh(0)), None);
    let second = world.allocate(alice);
    assert_ne!(first, second);
    world.pass(Duration::from_secs(600));
    assert!(world.relay().is_empty());

    // Another user, on the same address and port.
    let credential = world.credential(2, Side::B, world.unix_s() + 60);
    world.hand_over(alice, &credential);
    let third = world.allocate(alice);
    assert!(third != first && third != second);
}
