//! Rows 78, 79 and 80: a channel number is in range, tied to one peer, good for ten minutes, and free five
//! minutes later. RFC 8656 §12.

use std::net::SocketAddr;
use std::time::Duration;

use sim::{ClientId, DropReason, Outcome, RELAY_V4, Request, World};
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

/// Lets bob accept what alice sends.
fn accept(world: &mut World, alice: ClientId, bob: ClientId) {
    let from = world.relayed(alice);
    world.permit(bob, from);
    world.settle();
}

#[test]
fn row_78_numbers_out_of_range_are_refused() {
    let (mut world, alice, bob) = bound(1);
    let to = world.relayed(bob);
    for number in [0, 1, 0x3FFF, 0x5000, 0x7FFF, 0x8000, 0xFFFF] {
        assert_eq!(world.refusal(alice, Request::bind(number, to)), Some(400), "{number:#x}");
    }
    let other: SocketAddr = (RELAY_V4, 5000).into();
    for number in [0x4001, 0x4FFF] {
        let mut other = other;
        other.set_port(number);
        assert_eq!(world.refusal(alice, Request::bind(number, other)), None, "{number:#x}");
    }
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
fn row_79_a_number_and_a_peer_belong_to_each_other() {
    let (mut world, alice, bob) = bound(3);
    let to = world.relayed(bob);
    let other: SocketAddr = (RELAY_V4, to.port() ^ 1).into();
    assert_eq!(world.refusal(alice, Request::bind(0x4000, other)), Some(400));
    assert_eq!(world.refusal(alice, Request::bind(0x4001, to)), Some(400));
    assert_eq!(world.refusal(alice, Request::bind(0x4000, to)), None);
    assert_eq!(world.refusal(alice, Request::bind(0x4001, other)), None);
}

#[test]
fn row_80_a_channel_carries_until_its_last_second() {
    let (mut world, alice, bob) = bound(4);
    let end = world.now() + Duration::from_secs(600);
    world.drive(end - Duration::from_secs(1));
    accept(&mut world, alice, bob);
    assert!(world.send_channel(alice, 0x4000, b"at 599 s").is_routed());
    world.drive(end);
    assert_eq!(world.send_channel(alice, 0x4000, b"at 600 s"), Outcome::Drop(DropReason::ChannelUnbound));
    world.pass(Duration::from_secs(1));
    assert_eq!(world.send_channel(alice, 0x4000, b"at 601 s"), Outcome::Drop(DropReason::ChannelUnbound));
}

#[test]
fn row_80_what_arrives_falls_back_to_indications_when_the_channel_ends() {
    let (mut world, alice, bob) = bound(5);
    let end = world.now() + Duration::from_secs(600);
    let [from, to] = [world.relayed(bob), world.relayed(alice)];
    world.drive(end - Duration::from_secs(1));
    world.permit(alice, from); // a permission that outlives the channel
    accept(&mut world, alice, bob);
    assert!(world.send(bob, to, b"x").is_routed());
    world.drive(end);
    assert!(world.send(bob, to, b"x").is_routed());
    assert_eq!(world.heard(alice), [sim::Heard::channel(0x4000, b"x"), sim::Heard::data(from, b"x")]);
}

#[test]
fn row_80_number_and_peer_are_free_five_minutes_after_the_end() {
    let (mut world, alice, bob) = bound(6);
    let free = world.now() + Duration::from_secs(900);
    let to = world.relayed(bob);
    let other: SocketAddr = (RELAY_V4, to.port() ^ 1).into();
    world.drive(free - Duration::from_millis(1));
    assert_eq!(world.refusal(alice, Request::bind(0x4000, other)), Some(400));
    assert_eq!(world.refusal(alice, Request::bind(0x4001, to)), Some(400));
    world.drive(free);
    assert_eq!(world.refusal(alice, Request::bind(0x4000, other)), None);
    assert_eq!(world.refusal(alice, Request::bind(0x4001, to)), None);
}

#[test]
fn row_80_the_same_pair_may_be_bound_again_at_once() {
    let (mut world, alice, bob) = bound(7);
    world.pass(Duration::from_secs(650));
    let to = world.relayed(bob);
    assert_eq!(world.refusal(alice, Request::bind(0x4000, to)), None);
    accept(&mut world, alice, bob);
    assert!(world.send_channel(alice, 0x4000, b"x").is_routed());
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
