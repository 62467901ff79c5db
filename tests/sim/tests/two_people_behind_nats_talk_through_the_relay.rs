//! The whole of it, once: two people behind NATs that no direct path leads through are matched, find each
//! other by the relay and talk, and when they stop, nothing of them is left.

use std::time::Duration;

use serde_json::json;
use sim::{Heard, Link, Lobby, NatKind, World};

const CHANNEL_OF_ALICE: u16 = 0x4001;
const CHANNEL_OF_BOB: u16 = 0x4777;

#[test]
fn two_people_behind_nats_talk_through_the_relay() {
    let mut world = World::new(4);
    let mut lobby = Lobby::new(4, 7200);

    // Two who know nothing of each other press start, and are matched: one session, a credential for each
    // side.
    let visitors = [(); 2].map(|()| lobby.enter(&mut world));
    for visitor in visitors {
        lobby.say(&mut world, visitor, &json!({"t": "find", "want": {"media": "text"}}));
    }
    let [alice, bob] = visitors.map(|visitor| {
        let credential = lobby.credential(visitor).expect("both are matched");
        let home = world.site(Some(NatKind::symmetric()), Link::home());
        world.client_at(home, &credential)
    });

    // Each gets a relayed address. The kernel put them on different workers, and the relay sees their NATs.
    let relayed = [alice, bob].map(|person| world.allocate(person));
    assert_ne!(world.worker(alice), world.worker(bob));
    assert_ne!(world.of(alice).mapped(), Some(world.address(alice)));

    // They tell each other these addresses as ICE candidates.
    for (visitor, relayed) in visitors.into_iter().zip(relayed) {
        lobby.tell_candidate(&mut world, visitor, relayed);
    }
    let [relayed_bob, relayed_alice] =
        visitors.map(|visitor| lobby.poll_candidate(visitor).expect("the partner told one"));
    assert_eq!([relayed_alice, relayed_bob], relayed);

    // They permit each other and bind channels.
    world.permit(alice, relayed_bob);
    world.permit(bob, relayed_alice);
    world.bind(alice, CHANNEL_OF_ALICE, relayed_bob);
    world.bind(bob, CHANNEL_OF_BOB, relayed_alice);

    // Data goes both ways by routes, without a relay socket: on each side it arrives on the channel that this
    // side bound.
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
