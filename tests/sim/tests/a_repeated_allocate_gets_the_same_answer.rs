//! Row 76: one allocation a 5-tuple. A retransmission is answered alike; everything else has to wait
//! for the first to end. RFC 8656 §7.2.

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
