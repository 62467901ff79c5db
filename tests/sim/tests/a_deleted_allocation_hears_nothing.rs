//! Row 82: after Refresh 0 nothing reaches the client any more, from its partner or from outside.

use sim::{DropReason, Outcome, Request, Setup, World};

#[test]
fn row_82_from_the_partner() {
    for (workers, seed) in [1, 2, 5].into_iter().flat_map(|workers| (0..4).map(move |seed| (workers, seed))) {
        let mut world = World::with(Setup { workers, ..Setup::new(seed) });
        let [alice, bob] = world.couple(1);
        let [from, to] = [world.relayed(alice), world.relayed(bob)];
        world.bind(alice, 0x4000, to);
        world.bind(bob, 0x4000, from);
        world.settle();
        assert!(world.send_channel(alice, 0x4000, b"before").is_routed());
        assert_eq!(world.heard(bob).len(), 1);
        assert_eq!(world.refusal(bob, Request::refresh(0)), None);
        world.settle();
        assert_eq!(world.send_channel(alice, 0x4000, b"late"), Outcome::Drop(DropReason::NoRoute));
        assert_eq!(world.send(alice, to, b"late"), Outcome::Drop(DropReason::NoRoute));
        assert_eq!(world.send_channel(bob, 0x4000, b"late"), Outcome::Drop(DropReason::NoAllocation));
        assert_eq!(world.send(bob, from, b"late"), Outcome::Drop(DropReason::NoAllocation));
        world.settle();
        assert!(world.heard(alice).is_empty() && world.heard(bob).is_empty());
        assert_eq!(world.refusal(alice, Request::refresh(0)), None);
        world.settle();
        assert!(world.relay().is_empty());
    }
}

#[test]
fn row_82_from_outside() {
    let mut world = World::new(2);
    let user = world.user("user");
    let relayed = world.allocate(user);
    let peer = world.echo("9.9.9.9:5000");
    world.permit(user, peer);
    world.throw(peer, relayed, b"before");
    assert_eq!(world.heard(user).len(), 1);
    assert_eq!(world.refusal(user, Request::refresh(0)), None);
    world.throw(peer, relayed, b"late");
    assert!(world.heard(user).is_empty());
    assert!(world.relay().is_empty());
}

#[test]
fn row_82_a_new_allocation_on_the_same_5_tuple_inherits_nothing() {
    let mut world = World::new(3);
    let [alice, bob] = world.couple(1);
    let [from, to] = [world.relayed(alice), world.relayed(bob)];
    world.bind(alice, 0x4000, to);
    world.bind(bob, 0x4000, from);
    world.settle();
    assert_eq!(world.refusal(bob, Request::refresh(0)), None);
    world.allocate(bob);
    world.settle();
    assert_eq!(world.send_channel(alice, 0x4000, b"x"), Outcome::Drop(DropReason::NoRoute));
    assert_eq!(world.send_channel(bob, 0x4000, b"x"), Outcome::Drop(DropReason::ChannelUnbound));
    world.settle();
    assert!(world.heard(alice).is_empty() && world.heard(bob).is_empty());
}
