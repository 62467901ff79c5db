//! Row 55: a lifetime is between ten minutes and an hour, whatever is asked for; 0 in a Refresh deletes.

use std::time::Duration;

use sim::{Request, Side, World};

const ASKED_AND_GRANTED: [(u32, u32); 8] = [
    (0, 600),
    (1, 600),
    (599, 600),
    (600, 600),
    (3600, 3600),
    (3601, 3600),
    (1 << 31, 3600),
    (u32::MAX, 3600),
];

#[test]
fn row_55_in_allocate() {
    let mut world = World::new(1);
    for (session, (asked, granted)) in (0..).zip(ASKED_AND_GRANTED) {
        let person = world.person(session, Side::A);
        let answer = world.ask(person, Request::allocate().lifetime(asked)).ok().unwrap();
        assert_eq!(answer.lifetime_s(), Some(granted), "{asked}");
    }
}

#[test]
fn row_55_in_refresh() {
    let mut world = World::new(2);
    let alice = world.person(1, Side::A);
    world.allocate(alice);
    for (asked, granted) in ASKED_AND_GRANTED.into_iter().skip(1) {
        let answer = world.ask(alice, Request::refresh(asked)).ok().unwrap();
        assert_eq!(answer.lifetime_s(), Some(granted), "{asked}");
    }
    assert_eq!(world.ask(alice, Request::refresh(0)).ok().unwrap().lifetime_s(), Some(0));
    assert_eq!(world.refusal(alice, Request::refresh(600)), Some(437));
    assert!(world.relay().is_empty());
}

#[test]
fn an_allocation_ends_at_its_instant() {
    let mut world = World::new(3);
    let alice = world.person(1, Side::A);
    world.allocate(alice);
    let made = world.now();
    world.drive(made + Duration::from_secs(600) - Duration::from_nanos(1));
    assert_eq!(world.relay().counters().allocations, 1);
    world.drive(made + Duration::from_secs(600));
    assert!(world.relay().is_empty());
}

#[test]
fn a_refresh_counts_from_when_it_came() {
    let mut world = World::new(4);
    let alice = world.person(1, Side::A);
    world.allocate(alice);
    world.pass(Duration::from_secs(599));
    assert_eq!(world.refusal(alice, Request::refresh(600)), None);
    world.pass(Duration::from_secs(599));
    assert_eq!(world.relay().counters().allocations, 1);
    world.pass(Duration::from_secs(1));
    assert!(world.relay().is_empty());
}
