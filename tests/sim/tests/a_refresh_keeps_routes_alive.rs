//! Two who refresh what they have can talk for hours without losing a packet.

use std::time::Duration;

use sim::{Request, Setup, World};

#[test]
fn for_three_hours_every_packet_arrives() {
    for workers in [1, 2, 5] {
        let mut world = World::with(Setup { workers, ..Setup::new(1) });
        let [alice, bob] = world.couple(1);
        let [from, to] = [world.relayed(alice), world.relayed(bob)];
        world.bind(alice, 0x4000, to);
        world.bind(bob, 0x4000, from);
        world.settle();
        for minute in 0..180 {
            for person in [alice, bob] {
                if minute % 9 == 8 {
                    assert_eq!(world.refusal(person, Request::refresh(600)), None);
                }
            }
            if minute % 4 == 3 {
                world.permit(alice, to);
                world.permit(bob, from);
            }
            if minute % 9 == 0 {
                world.bind(alice, 0x4000, to);
                world.bind(bob, 0x4000, from);
            }
            assert!(world.send_channel(alice, 0x4000, b"tick").is_routed(), "minute {minute}");
            assert!(world.send_channel(bob, 0x4000, b"tock").is_routed(), "minute {minute}");
            world.pass(Duration::from_secs(60));
        }
        assert_eq!(world.heard(alice).len(), 180);
        assert_eq!(world.heard(bob).len(), 180);
    }
}

#[test]
fn a_refresh_alone_prolongs_a_route() {
    let mut world = World::new(3);
    let [alice, bob] = world.couple(1);
    let [from, to] = [world.relayed(alice), world.relayed(bob)];
    let end = world.now() + Duration::from_secs(600);
    world.drive(end - Duration::from_secs(10));
    world.permit(alice, to);
    world.permit(bob, from);
    world.settle();
    for person in [alice, bob] {
        assert_eq!(world.refusal(person, Request::refresh(600)), None);
    }
    world.drive(end);
    assert!(world.send(alice, to, b"the first packet after what was the end").is_routed());
    assert!(world.send(bob, from, b"and the other way").is_routed());
}

#[test]
fn a_route_ends_with_the_allocation_that_nobody_refreshed() {
    let mut world = World::new(2);
    let [alice, bob] = world.couple(1);
    let [from, to] = [world.relayed(alice), world.relayed(bob)];
    let end = world.now() + Duration::from_secs(600);
    assert_eq!(world.refusal(alice, Request::refresh(3600)), None);
    world.drive(end - Duration::from_secs(10));
    world.permit(alice, to);
    world.permit(bob, from);
    world.settle();
    world.drive(end - Duration::from_nanos(1));
    assert!(world.send(alice, to, b"x").is_routed());
    world.drive(end);
    assert_eq!(world.send(alice, to, b"x"), sim::Outcome::Drop(sim::DropReason::NoRoute));
}
