//! Row 81: a permission ends exactly 300 s after it was last asked for, in both directions; traffic keeps
//! nothing open.

use std::time::Duration;

use sim::{DropReason, Outcome, World};

const FIVE_MINUTES: Duration = Duration::from_secs(300);
const MOMENT: Duration = Duration::from_millis(1);

#[test]
fn row_81_between_partners_in_both_directions() {
    let mut world = World::new(1);
    let [alice, bob] = world.couple(1);
    let [from, to] = [world.relayed(alice), world.relayed(bob)];
    world.permit(alice, to);
    let end = world.now() + FIVE_MINUTES;
    world.permit(bob, from);
    for _ in 0..5 {
        world.pass(Duration::from_secs(50));
        world.permit(bob, from); // bob renews his, alice does not
        world.settle();
        assert!(world.send(alice, to, b"traffic").is_routed());
        assert!(world.send(bob, from, b"traffic").is_routed());
    }
    world.drive(end - MOMENT);
    assert!(world.send(alice, to, b"still").is_routed());
    assert!(world.send(bob, from, b"still").is_routed());
    world.drive(end);
    assert_eq!(world.send(alice, to, b"over"), Outcome::Drop(DropReason::NoPermission));
    assert_eq!(world.send(bob, from, b"over"), Outcome::Drop(DropReason::NoRoute));
    // A new one opens the way again, and bob's first packet finds it.
    world.permit(alice, to);
    world.settle();
    assert!(world.send(bob, from, b"again").is_routed());
    assert!(world.send(alice, to, b"again").is_routed());
}

#[test]
fn row_81_towards_outside_peers_in_both_directions() {
    let mut world = World::new(2);
    let user = world.user("user");
    let relayed = world.allocate(user);
    let peer = world.echo("9.9.9.9:5000");
    world.permit(user, peer);
    let end = world.now() + FIVE_MINUTES;
    world.drive(end - MOMENT);
    assert!(world.send(user, peer, b"ping").is_forward());
    assert_eq!(world.heard(user).len(), 1);
    world.drive(end);
    assert_eq!(world.send(user, peer, b"ping"), Outcome::Drop(DropReason::NoPermission));
    world.throw(peer, relayed, b"ping");
    assert_eq!(world.relay().dropped(DropReason::NoPermission), 2);
    assert!(world.heard(user).is_empty());
}

#[test]
fn a_channel_binding_installs_and_renews_the_permission() {
    let mut world = World::new(3);
    let [alice, bob] = world.couple(1);
    let [from, to] = [world.relayed(alice), world.relayed(bob)];
    world.bind(alice, 0x4000, to);
    world.permit(bob, from);
    world.pass(Duration::from_secs(200));
    world.bind(alice, 0x4000, to);
    let end = world.now() + FIVE_MINUTES;
    world.drive(end - MOMENT);
    world.permit(bob, from);
    assert!(world.send(bob, from, b"x").is_routed());
    world.drive(end);
    assert_eq!(world.send(bob, from, b"x"), Outcome::Drop(DropReason::NoRoute));
}
