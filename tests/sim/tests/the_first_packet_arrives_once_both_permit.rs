//! Once both sides have named each other in permissions or channels the way is ready: the first packet is not
//! lost.

use sim::{Heard, Setup, World};

#[test]
fn after_permissions() {
    for (workers, seed) in [1, 2, 5].into_iter().flat_map(|workers| (0..8).map(move |seed| (workers, seed))) {
        let mut world = World::with(Setup { workers, ..Setup::new(seed) });
        let [alice, bob] = world.couple(1);
        let [from, to] = [world.relayed(alice), world.relayed(bob)];
        world.permit(alice, to);
        world.permit(bob, from);
        world.settle();
        assert!(world.send(alice, to, b"first").is_routed());
        assert!(world.send(bob, from, b"second").is_routed());
        assert_eq!(world.heard(bob), [Heard::data(from, b"first")]);
        assert_eq!(world.heard(alice), [Heard::data(to, b"second")]);
    }
}

#[test]
fn after_channels() {
    for (workers, seed) in [1, 2, 5].into_iter().flat_map(|workers| (0..8).map(move |seed| (workers, seed))) {
        let mut world = World::with(Setup { workers, ..Setup::new(seed) });
        let [alice, bob] = world.couple(1);
        world.bind(alice, 0x4000, world.relayed(bob));
        world.bind(bob, 0x4FFF, world.relayed(alice));
        world.settle();
        assert!(world.send_channel(alice, 0x4000, b"first").is_routed());
        assert_eq!(world.heard(bob), [Heard::channel(0x4FFF, b"first")]);
    }
}
