//! Row 37: a session credential is good until its second, exclusive, whatever its allocation still has to
//! live.

use std::time::Duration;

use sim::{Request, Side, World};

#[test]
fn row_37_to_allocate() {
    for (left_s, refused) in [(2, None), (1, None), (0, Some(401))] {
        let mut world = World::new(1);
        let credential = world.credential(1, Side::A, world.unix_s() + 10);
        let alice = world.client(&credential);
        world.pass(Duration::from_secs(10 - left_s));
        assert_eq!(world.refusal(alice, Request::allocate()), refused, "{left_s} s left");
    }
}

#[test]
fn row_37_to_everything_else() {
    let mut world = World::new(2);
    let credential = world.credential(1, Side::A, world.unix_s() + 10);
    let alice = world.client(&credential);
    let relayed = world.allocate(alice);
    let requests = || [Request::refresh(600), Request::permit(&[relayed]), Request::bind(0x4000, relayed)];
    world.pass(Duration::from_millis(9999));
    for request in requests() {
        assert_eq!(world.refusal(alice, request), None);
    }
    world.pass(Duration::from_millis(1));
    for request in requests() {
        assert_eq!(world.refusal(alice, request), Some(401));
    }
    // What it has lives on until it runs out.
    assert_eq!(world.relay().counters().allocations, 1);
    world.pass(Duration::from_secs(600));
    assert!(world.relay().is_empty());
}
