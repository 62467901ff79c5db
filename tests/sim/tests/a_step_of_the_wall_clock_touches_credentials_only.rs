//! Row 38: the wall clock is set an hour or a day forward or back. Allocations, permissions and channels live
//! on by the monotonic clock; only credentials are judged by the wall clock, and nothing wraps.

use std::time::Duration;

use sim::{ClientId, DropReason, Outcome, Request, Side, World};

const HOUR_S: i64 = 3_600;
const STEPS_S: [i64; 5] = [HOUR_S, -HOUR_S, 24 * HOUR_S, -24 * HOUR_S, i64::MIN];
const MOMENT: Duration = Duration::from_millis(1);

/// A couple with credentials for two days, which outlast each step.
fn couple(world: &mut World) -> [ClientId; 2] {
    [Side::A, Side::B].map(|side| {
        let credential = world.credential(1, side, world.unix_s() + 2 * 86_400);
        let person = world.client(&credential);
        world.allocate(person);
        person
    })
}

#[test]
fn row_38_allocations_and_permissions_end_when_they_would_have() {
    for (seed, step_s) in (1..).zip(STEPS_S) {
        let mut world = World::new(seed);
        let [alice, bob] = couple(&mut world);
        let [from, to] = [world.relayed(alice), world.relayed(bob)];
        let begun = world.now();
        world.permit(alice, to);
        world.bind(alice, 0x4000, to);
        world.permit(bob, from);
        world.settle();
        world.step_wall_clock(step_s);
        assert!(world.send_channel(alice, 0x4000, b"after the step").is_routed(), "{step_s} s");
        world.drive(begun + Duration::from_secs(200));
        world.permit(bob, from); // bob renews his, alice does not
        world.settle();
        world.drive(begun + Duration::from_secs(300) - MOMENT);
        assert!(world.send(alice, to, b"still").is_routed(), "{step_s} s");
        world.drive(begun + Duration::from_secs(300));
        let over = world.send(alice, to, b"over");
        assert_eq!(over, Outcome::Drop(DropReason::NoPermission), "{step_s} s");
        world.drive(begun + Duration::from_secs(600) - MOMENT);
        assert_eq!(world.relay().counters().allocations, 2, "{step_s} s");
        world.drive(begun + Duration::from_secs(600));
        world.settle();
        assert!(world.relay().is_empty(), "{step_s} s");
    }
}

#[test]
fn row_38_who_has_an_allocation_keeps_it_alive() {
    for (seed, step_s) in (1..).zip(STEPS_S) {
        let mut world = World::new(seed);
        let [alice, _] = couple(&mut world);
        let begun = world.now();
        world.pass(Duration::from_secs(1));
        world.step_wall_clock(step_s);
        // A nonce ages by the monotonic clock too: no step makes a new one necessary.
        assert_eq!(world.refusal(alice, Request::refresh(600)), None, "{step_s} s");
        world.pass(Duration::from_secs(500));
        world.step_wall_clock(step_s.saturating_neg());
        assert_eq!(world.relay().counters().allocations, 2, "{step_s} s");
        world.drive(begun + Duration::from_secs(600));
        assert_eq!(world.relay().counters().allocations, 1, "{step_s} s: who did not refresh is gone");
    }
}

#[test]
fn row_38_credentials_expire_by_the_wall_clock() {
    let mut world = World::new(1);
    let credential = world.credential(1, Side::A, world.unix_s() + 600);
    let [early, late, again] = [(); 3].map(|()| world.client(&credential));
    world.step_wall_clock(-HOUR_S);
    world.pass(Duration::from_secs(601));
    assert_eq!(world.refusal(early, Request::allocate()), None, "its second has not come");
    world.step_wall_clock(2 * HOUR_S);
    assert_eq!(world.refusal(late, Request::allocate()), Some(401), "its second is over");
    assert_eq!(world.refusal(early, Request::refresh(600)), Some(401));
    assert_eq!(world.relay().counters().allocations, 1, "what it has runs out by itself");
    world.step_wall_clock(-2 * HOUR_S);
    assert_eq!(world.refusal(again, Request::allocate()), None);
}

#[test]
fn row_38_an_ended_session_stays_ended() {
    for (seed, step_s) in (1..).zip(STEPS_S) {
        let mut world = World::new(seed);
        let [alice, _] = world.couple(1);
        let credential = world.credential(1, Side::A, world.unix_s() + 86_400);
        world.end_session(1);
        world.step_wall_clock(step_s);
        // Others end meanwhile, which is when what has expired is forgotten.
        world.end_session(2);
        let late = world.client(&credential);
        assert_eq!(world.refusal(late, Request::allocate()), Some(401), "{step_s} s");
        assert_eq!(world.refusal(alice, Request::allocate()), Some(401), "{step_s} s");
    }
}
