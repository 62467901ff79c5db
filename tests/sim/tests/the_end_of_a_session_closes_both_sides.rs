//! When a session ends, both sides lose what they have at once, and their credentials are worth nothing from
//! then on.

use sim::{DropReason, Outcome, Request, Side, World};

#[test]
fn nothing_passes_and_nothing_is_granted_after_the_end() {
    for workers in [1, 2, 5] {
        let mut world = World::with(sim::Setup { workers, ..sim::Setup::new(1) });
        let [alice, bob] = world.couple(1);
        let [carol, dave] = world.couple(2);
        for [one, other] in [[alice, bob], [carol, dave]] {
            world.bind(one, 0x4000, world.relayed(other));
            world.bind(other, 0x4001, world.relayed(one));
        }
        world.settle();
        assert!(world.send_channel(alice, 0x4000, b"before").is_routed());
        assert_eq!(world.heard(bob).len(), 1);

        world.end_session(1);
        assert_eq!(world.send_channel(alice, 0x4000, b"after"), Outcome::Drop(DropReason::NoAllocation));
        assert_eq!(world.send_channel(bob, 0x4001, b"after"), Outcome::Drop(DropReason::NoAllocation));
        world.settle();
        assert!(world.heard(alice).is_empty() && world.heard(bob).is_empty());
        for person in [alice, bob] {
            assert_eq!(world.refusal(person, Request::allocate()), Some(401));
            assert_eq!(world.refusal(person, Request::refresh(600)), Some(401));
        }
        // Not even with another credential of the same session.
        let credential = world.credential(1, Side::A, world.unix_s() + 9000);
        let again = world.client(&credential);
        assert_eq!(world.refusal(again, Request::allocate()), Some(401));

        // The neighbours notice nothing.
        assert!(world.send_channel(carol, 0x4000, b"still here").is_routed());
        assert_eq!(world.heard(dave).len(), 1);
        world.end_session(2);
        world.settle();
        assert!(world.relay().is_empty());
    }
}
