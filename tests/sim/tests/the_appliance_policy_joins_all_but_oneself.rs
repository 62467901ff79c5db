//! The policy for tests and load: every relayed address of this appliance is a legal peer, only one's own
//! leads nowhere.

use sim::{DropReason, Heard, Outcome, PeerPolicy, Setup, Side, World};

#[test]
fn anybody_reaches_anybody_else() {
    for workers in [1, 2, 5] {
        let session_peers = PeerPolicy::Appliance;
        let mut world = World::with(Setup { workers, session_peers, ..Setup::new(1) });
        let people = [1, 2, 3].map(|session| {
            let person = world.person(session, Side::A);
            world.allocate(person);
            person
        });
        for (one, other) in people.into_iter().flat_map(|one| people.map(|other| (one, other))) {
            world.permit(one, world.relayed(other));
        }
        world.settle();
        for (one, other) in people.into_iter().flat_map(|one| people.map(|other| (one, other))) {
            let (from, to) = (world.relayed(one), world.relayed(other));
            let outcome = world.send(one, to, b"x");
            world.settle();
            if one == other {
                assert_eq!(outcome, Outcome::Drop(DropReason::NoRoute));
                assert!(world.heard(one).is_empty());
            } else {
                assert!(outcome.is_routed());
                assert_eq!(world.heard(other), [Heard::data(from, b"x")]);
            }
        }
    }
}
