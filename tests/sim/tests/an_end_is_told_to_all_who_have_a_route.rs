//! Row 82: who holds a route learns of its end, however many came between. The 5-tuple that it led to may be
//! another call's in the next moment.

use std::time::Duration;

use sim::{DropReason, Outcome, PeerPolicy, Request, Setup, World};
use turn_core::limits::PEERINGS_OFFERED_MAX;

#[test]
fn row_82_strangers_crowd_out_nobody_who_has_a_route() {
    for workers in [1, 2, 5] {
        let users = vec![("user", PeerPolicy::Appliance)];
        let mut world = World::with(Setup { users, workers, ..Setup::new(1) });
        let [sender, receiver] = [0, 1].map(|_| world.user("user"));
        let [from, to] = [sender, receiver].map(|client| world.allocate(client));
        let begin = world.now();
        world.permit(receiver, from);
        world.bind(sender, 0x4000, to);
        world.settle();
        assert!(world.send_channel(sender, 0x4000, b"x").is_routed());
        // Only the receiver renews its permission, so what it knows of the sender runs out.
        world.drive(begin + Duration::from_secs(290));
        world.permit(receiver, from);
        world.drive(begin + Duration::from_secs(302));
        for _ in 0..PEERINGS_OFFERED_MAX {
            let stranger = world.user("user");
            world.allocate(stranger);
            world.bind(stranger, 0x4000, to);
        }
        world.settle();
        assert!(world.send_channel(sender, 0x4000, b"x").is_routed());
        assert_eq!(world.heard(receiver).len(), 2);
        assert_eq!(world.refusal(receiver, Request::refresh(0)), None);
        world.settle();
        assert_eq!(world.send_channel(sender, 0x4000, b"x"), Outcome::Drop(DropReason::NoRoute));
        assert!(world.heard(receiver).is_empty());
    }
}

#[test]
fn whoever_is_gone_makes_room() {
    for workers in [1, 2, 5] {
        let users = vec![("user", PeerPolicy::Appliance)];
        let mut world = World::with(Setup { users, workers, ..Setup::new(2) });
        let receiver = world.user("user");
        let to = world.allocate(receiver);
        // More than there are places, within the life of one permission.
        for number in 0..2 * PEERINGS_OFFERED_MAX {
            let caller = world.user("user");
            let from = world.allocate(caller);
            world.permit(receiver, from);
            world.bind(caller, 0x4000, to);
            world.settle();
            assert!(world.send_channel(caller, 0x4000, b"x").is_routed(), "{number}");
            assert!(world.send(receiver, from, b"x").is_routed(), "{number}");
            assert_eq!(world.refusal(caller, Request::refresh(0)), None);
            world.settle();
        }
    }
}
