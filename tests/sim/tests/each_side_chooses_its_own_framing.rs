//! Firefox never binds channels, Chromium does; the two talk. What arrives wears the clothes that the
//! receiver chose.

use sim::{Heard, World};

#[test]
fn send_and_data_alone_are_enough() {
    let mut world = World::new(1);
    let [alice, bob] = world.couple(1);
    let [from, to] = [world.relayed(alice), world.relayed(bob)];
    world.permit(alice, to);
    world.permit(bob, from);
    world.settle();
    for payload in [&b""[..], b"x", &[0x16; 1200]] {
        assert!(world.send(alice, to, payload).is_routed());
        assert!(world.send(bob, from, payload).is_routed());
        assert_eq!(world.heard(bob), [Heard::data(from, payload)]);
        assert_eq!(world.heard(alice), [Heard::data(to, payload)]);
    }
}

#[test]
fn a_channel_on_one_side_and_indications_on_the_other() {
    let mut world = World::new(2);
    let [alice, bob] = world.couple(1);
    let [from, to] = [world.relayed(alice), world.relayed(bob)];
    world.bind(alice, 0x4002, to);
    world.permit(bob, from);
    world.settle();
    assert!(world.send_channel(alice, 0x4002, b"on a channel").is_routed());
    assert_eq!(world.heard(bob), [Heard::data(from, b"on a channel")]);
    assert!(world.send(bob, from, b"by Send").is_routed());
    assert_eq!(world.heard(alice), [Heard::channel(0x4002, b"by Send")]);
    // Who has a channel may still use Send.
    assert!(world.send(alice, to, b"by Send too").is_routed());
    assert_eq!(world.heard(bob), [Heard::data(from, b"by Send too")]);
}

#[test]
fn a_channel_that_comes_later_changes_what_arrives() {
    let mut world = World::new(3);
    let [alice, bob] = world.couple(1);
    let [from, to] = [world.relayed(alice), world.relayed(bob)];
    world.permit(alice, to);
    world.permit(bob, from);
    world.settle();
    assert!(world.send(alice, to, b"one").is_routed());
    world.bind(bob, 0x4ABC, from);
    world.settle();
    assert!(world.send(alice, to, b"two").is_routed());
    assert_eq!(world.heard(bob), [Heard::data(from, b"one"), Heard::channel(0x4ABC, b"two")]);
}
