//! Row 83: a relayed port is nobody's for a minute after its last user, and the next user hears nobody who
//! meant the last.

use std::collections::BTreeSet;
use std::time::Duration;

use sim::{Request, Setup, Side, World};
use turn_core::AllocationLimits;

#[test]
fn row_83_a_port_just_freed_is_not_given_out_within_a_minute() {
    let limits = AllocationLimits { per_side: 0, per_prefix: 0, total: 0 };
    let mut world = World::with(Setup { workers: 1, limits, ..Setup::new(1) });
    let alice = world.person(1, Side::A);
    // So many allocations within a minute that a port drawn without rest would come twice: 48,000 numbers.
    let mut seen = BTreeSet::new();
    for _ in 0..2000 {
        assert!(seen.insert(world.allocate(alice)));
        assert_eq!(world.refusal(alice, Request::refresh(0)), None);
        world.pass(Duration::from_millis(29));
    }
    assert!(world.relay().is_empty());
}

#[test]
fn row_83_when_all_ports_rest_there_is_no_capacity() {
    // 16,384 relay ports for 64 workers: 256 each.
    let limits = AllocationLimits { per_side: 0, per_prefix: 0, total: 0 };
    let mut world = World::with(Setup { workers: 64, limits, ..Setup::new(2) });
    let user = world.user("user");
    let mut ports = BTreeSet::new();
    for _ in 0..256 {
        let relayed = world.allocate(user);
        assert!(ports.insert(relayed.port()));
        assert_eq!(world.refusal(user, Request::refresh(0)), None);
    }
    let last_freed = world.now();
    assert_eq!(world.refusal(user, Request::allocate()), Some(508));
    world.drive(last_freed + Duration::from_secs(60));
    assert!(ports.contains(&world.allocate(user).port()));
}

#[test]
fn row_83_the_next_user_of_a_port_hears_nobody_who_meant_the_last() {
    let limits = AllocationLimits { per_side: 0, per_prefix: 0, total: 0 };
    let mut world = World::with(Setup { workers: 64, limits, ..Setup::new(3) });
    let user = world.user("user");
    let relayed = world.allocate(user);
    let peer = world.echo("9.9.9.9:5000");
    world.permit(user, peer);
    assert_eq!(world.refusal(user, Request::refresh(0)), None);
    world.pass(Duration::from_secs(61));
    // Until the port comes again, on the same worker.
    while world.allocate(user) != relayed {
        assert_eq!(world.refusal(user, Request::refresh(0)), None);
        world.pass(Duration::from_secs(1));
    }
    world.throw(peer, relayed, b"late");
    assert!(world.heard(user).is_empty());
    assert_eq!(world.relay().dropped(sim::DropReason::NoPermission), 1);
}
