//! What somebody recorded and repeats byte for byte, from the same address and within the nonce's lifetime,
//! makes no allocation that its owner has ended. Row 35.

use std::time::Duration;

use sim::{Outcome, Request, Side, World};
use stun_wire::TransactionId;

#[test]
fn row_35_after_its_end_an_allocation_is_not_made_again() {
    for by_end_of_session in [false, true] {
        let mut world = World::new(1);
        let alice = world.person(1, Side::A);
        let partner = world.person(1, Side::B);
        let peer = world.allocate(partner);
        world.learn_nonce(alice);
        let (from, signature) = (world.address(alice), world.of(alice).signature().unwrap().clone());
        let recorded: Vec<Vec<u8>> = [
            Request::allocate(),
            Request::refresh(600),
            Request::permit(&[peer]),
            Request::bind(0x4000, peer),
        ]
        .iter()
        .zip(0..)
        .map(|(request, n)| request.write(TransactionId([n; 12]), Some(&signature)))
        .collect();
        for request in &recorded {
            // Once, and once more as a retransmission that the allocation itself answers.
            for _ in 0..2 {
                let outcome = world.knock(from, request);
                assert!(matches!(outcome, Outcome::Reply(_)) && outcome.code().is_none());
            }
        }
        let refused = if by_end_of_session {
            world.end_session(1);
            401
        } else {
            assert_eq!(world.refusal(alice, Request::refresh(0)), None);
            437
        };
        for waited_s in [0, 1, 500, 90] {
            world.pass(Duration::from_secs(waited_s));
            for request in &recorded {
                assert_eq!(world.knock(from, request).code(), Some(refused), "{waited_s}");
            }
            let left = world.relay().counters().allocations;
            assert_eq!(left, u64::from(!by_end_of_session), "that of the other side");
        }
        // By now the nonce is old.
        world.pass(Duration::from_secs(60));
        for request in &recorded {
            assert_eq!(world.knock(from, request).code(), Some(438));
        }
        // Who asks anew gets another.
        let again = world.refusal(alice, Request::allocate());
        assert_eq!(again, by_end_of_session.then_some(401));
    }
}
