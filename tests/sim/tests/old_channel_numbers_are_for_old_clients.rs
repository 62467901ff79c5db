//! Row 78: what a binding needs, and the numbers that old clients may be let use. RFC 8656 §12.

use sim::{ClientId, Request, World};
use stun_wire::{AttributeType, Method};

/// A couple with long lives; alice has a channel to bob.
fn bound(seed: u64) -> (World, ClientId, ClientId) {
    let mut world = World::new(seed);
    let [alice, bob] = world.couple(1);
    for person in [alice, bob] {
        assert_eq!(world.refusal(person, Request::refresh(3600)), None);
    }
    let to = world.relayed(bob);
    world.bind(alice, 0x4000, to);
    (world, alice, bob)
}

#[test]
fn a_binding_without_its_parts_is_refused() {
    let (mut world, alice, bob) = bound(2);
    let to = world.relayed(bob);
    let number = AttributeType::CHANNEL_NUMBER;
    for request in [
        Request::bare(Method::CHANNEL_BIND),
        Request::bare(Method::CHANNEL_BIND).peer(to),
        Request::bare(Method::CHANNEL_BIND).with(number, &[0x40, 1, 0, 0]),
        Request::bare(Method::CHANNEL_BIND).with(number, &[0x40, 1]).peer(to),
    ] {
        assert_eq!(world.refusal(alice, request), Some(400));
    }
}

#[test]
fn row_78_old_clients_may_be_let_use_old_numbers() {
    let mut world = World::with(sim::Setup { old_channels: true, ..sim::Setup::new(8) });
    let [alice, bob] = world.couple(1);
    let [from, to] = [world.relayed(alice), world.relayed(bob)];
    assert_eq!(world.refusal(alice, Request::bind(0x8000, to)), Some(400));
    world.bind(alice, 0x7FFF, to);
    world.bind(bob, 0x5000, from);
    world.settle();
    assert!(world.send_channel(alice, 0x7FFF, b"x").is_routed());
    assert_eq!(world.heard(bob), [sim::Heard::channel(0x5000, b"x")]);
}
