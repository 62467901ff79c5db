//! The whole of it, once: two people behind NATs that no direct path leads through are given a session, find each
//! other by the relay and talk, and when they stop, nothing of them is left.

use std::time::Duration;

use sim::{Heard, Link, NatKind, Side, World};

const CHANNEL_OF_ALICE: u16 = 0x4001;
const CHANNEL_OF_BOB: u16 = 0x4777;

#[test]
fn two_people_behind_nats_talk_through_the_relay() {
    let mut world = World::new(4);

    // Whoever matched them gave each a credential for one side of the same session.
    let session_ends = world.unix_s() + 7200;
    let [alice, bob] = [Side::A, Side::B].map(|side| {
        let home = world.site(Some(NatKind::symmetric()), Link::home());
        let credential = world.credential(1, side, session_ends);
        world.client_at(home, &credential)
    });

    // Each gets a relayed address. The kernel put them on different workers, and the relay sees their NATs.
    let relayed_alice = world.allocate(alice);
    let relayed_bob = world.allocate(bob);
    assert_ne!(world.worker(alice), world.worker(bob));
    assert_ne!(world.of(alice).mapped(), Some(world.address(alice)));

    // They exchange these addresses as ICE candidates, permit each other and bind channels.
    world.permit(alice, relayed_bob);
    world.permit(bob, relayed_alice);
    world.bind(alice, CHANNEL_OF_ALICE, relayed_bob);
    world.bind(bob, CHANNEL_OF_BOB, relayed_alice);

    // Data goes both ways by routes: on each side it arrives on the channel that this side bound.
    world.say(alice, |alice| alice.send_channel(CHANNEL_OF_ALICE, b"hello bob"));
    world.say(bob, |bob| bob.send_channel(CHANNEL_OF_BOB, b"hello alice"));
    world.pass(Duration::from_millis(100));
    assert_eq!(world.heard(bob), [Heard::channel(CHANNEL_OF_BOB, b"hello bob")]);
    assert_eq!(world.heard(alice), [Heard::channel(CHANNEL_OF_ALICE, b"hello alice")]);
    assert_eq!(world.relay().counters().routed_packets, 2);
    assert!(world.relay().sockets().is_empty() && world.relay().binds_tried().is_empty());

    // They go away without a word. Ten minutes later the relay has forgotten them.
    world.pass(Duration::from_secs(601));
    world.say(alice, |alice| alice.send_channel(CHANNEL_OF_ALICE, b"are you there?"));
    world.pass(Duration::from_millis(100));
    assert_eq!(world.heard(bob), []);
    assert!(world.relay().is_empty());
}
