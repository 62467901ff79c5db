//! A channel binding is a permission as well, which ends five minutes after it.

use std::time::Duration;

use sim::{DropReason, Outcome, World};

const FIVE_MINUTES: Duration = Duration::from_secs(300);
const MOMENT: Duration = Duration::from_millis(1);

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
