//! What browsers do: several allocations a side, one permission per IP, with any port in it, and checks
//! between all pairs of addresses.

use sim::{Heard, RELAY_V4, Setup, Side, World};

#[test]
fn one_permission_opens_the_way_to_every_allocation_of_the_partner() {
    for (workers, seed) in [1, 2, 5].into_iter().flat_map(|workers| (0..4).map(move |seed| (workers, seed))) {
        let mut world = World::with(Setup { workers, ..Setup::new(seed) });
        let sides = [Side::A, Side::B].map(|side| {
            [(); 3].map(|()| {
                let allocation = world.person(1, side);
                world.allocate(allocation);
                allocation
            })
        });
        // Port 0, port 9, and the port of one of the partner's: all mean the address.
        for side in [0, 1] {
            for (one, port) in sides[side].into_iter().zip([0, 9, world.relayed(sides[1 - side][0]).port()]) {
                world.permit(one, (RELAY_V4, port).into());
            }
        }
        world.settle();
        for (one, other) in sides[0].into_iter().flat_map(|one| sides[1].map(|other| (one, other))) {
            for (one, other) in [(one, other), (other, one)] {
                let (from, to) = (world.relayed(one), world.relayed(other));
                // Where no permission named the port, the first packet asks for the way and is lost; checks
                // repeat.
                if !world.send(one, to, b"check").is_routed() {
                    world.settle();
                    assert!(world.send(one, to, b"check").is_routed());
                }
                assert_eq!(world.heard(other), [Heard::data(from, b"check")]);
            }
        }
    }
}
