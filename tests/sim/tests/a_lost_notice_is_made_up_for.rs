//! A mailbox between workers may be full. What was lost there costs a packet, never a call: traffic asks
//! again. What nobody would ask for again is not lost.

use std::time::Duration;

use sim::{ClientId, DropReason, Heard, Outcome, Request, Setup, World};

/// A couple on two different workers.
fn apart(seed: u64) -> (World, [ClientId; 2]) {
    let mut world = World::with(Setup { workers: 5, ..Setup::new(seed) });
    for session in 1..=u8::MAX {
        let couple = world.couple(session);
        if world.worker(couple[0]) != world.worker(couple[1]) {
            return (world, couple);
        }
    }
    unreachable!("some hash to different workers")
}

#[test]
fn the_second_packet_finds_the_way() {
    for seed in 0..20 {
        let (mut world, [alice, bob]) = apart(seed);
        let [from, to] = [world.relayed(alice), world.relayed(bob)];
        world.relay().lose_notices(usize::MAX);
        world.permit(alice, to);
        world.permit(bob, from);
        world.settle();
        assert!(!world.send(alice, to, b"lost").is_forward());
        world.relay().lose_notices(0);
        world.pass(Duration::from_secs(1));
        assert!(!world.send(alice, to, b"asks").is_forward());
        world.settle();
        assert!(world.send(alice, to, b"arrives").is_routed());
        assert!(world.send(bob, from, b"both ways").is_routed());
        assert_eq!(world.heard(bob), [Heard::data(from, b"arrives")]);
        assert_eq!(world.heard(alice), [Heard::data(to, b"both ways")]);
    }
}

#[test]
fn row_82_that_a_way_has_ended_is_never_lost() {
    let (mut world, [alice, bob]) = apart(1);
    let [from, to] = [world.relayed(alice), world.relayed(bob)];
    world.permit(bob, from);
    world.bind(alice, 0x4000, to);
    world.settle();
    assert!(world.send_channel(alice, 0x4000, b"x").is_routed());
    assert_eq!(world.heard(bob).len(), 1);
    world.relay().lose_notices(usize::MAX);
    assert_eq!(world.refusal(bob, Request::refresh(0)), None);
    world.settle();
    assert_eq!(world.send_channel(alice, 0x4000, b"late"), Outcome::Drop(DropReason::NoRoute));
    assert!(world.heard(bob).is_empty());
}
