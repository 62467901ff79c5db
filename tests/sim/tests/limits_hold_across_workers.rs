//! Rows 91, 92 and 93: so many allocations a side, a network and in total, and so many permissions and
//! channels each.

use std::time::Duration;

use sim::{DropReason, Outcome, RELAY_V4, Request, Setup, Side, World};
use turn_core::AllocationLimits;
use turn_core::limits::{PEERINGS_MAX, PERMISSIONS_MAX};

const NO_LIMITS: AllocationLimits = AllocationLimits { per_side: 0, per_prefix: 0, total: 0 };

#[test]
fn at_a_sides_limit_the_longest_silent_gives_way_whatever_its_worker() {
    for workers in [1, 2, 5] {
        let limits = AllocationLimits { per_side: 4, ..NO_LIMITS };
        let mut world = World::with(Setup { workers, limits, ..Setup::new(1) });
        let newcomer = |world: &mut World| {
            let person = world.person(1, Side::A);
            world.allocate(person);
            world.pass(Duration::from_secs(2));
            person
        };
        let [oldest, second, third, fourth] = [(); 4].map(|()| newcomer(&mut world));
        let partner = world.person(1, Side::B);
        world.allocate(partner); // counts for the other side

        // The oldest speaks; so the others are silent for longer, and give way in their order.
        assert_eq!(world.refusal(oldest, Request::refresh(600)), None);
        let newcomers = [(); 3].map(|()| newcomer(&mut world));
        world.settle();
        assert_eq!(world.relay().counters().allocations, 5);
        for gone in [second, third, fourth] {
            assert_eq!(world.refusal(gone, Request::refresh(600)), Some(437));
        }
        for there in [oldest, partner].into_iter().chain(newcomers) {
            assert_eq!(world.refusal(there, Request::refresh(600)), None);
        }
        world.end_session(1);
        world.settle();
        assert!(world.relay().is_empty());
    }
}

#[test]
fn data_keeps_an_allocation_from_giving_way() {
    let limits = AllocationLimits { per_side: 2, ..NO_LIMITS };
    let mut world = World::with(Setup { limits, ..Setup::new(2) });
    let [alice, bob] = world.couple(1);
    world.permit(alice, world.relayed(bob));
    let silent = world.person(1, Side::A);
    world.pass(Duration::from_secs(2));
    world.allocate(silent);
    world.pass(Duration::from_secs(2));
    world.send(alice, world.relayed(bob), b"x");
    let newcomer = world.person(1, Side::A);
    world.allocate(newcomer);
    world.settle();
    assert_eq!(world.refusal(silent, Request::refresh(600)), Some(437));
    assert_eq!(world.refusal(alice, Request::refresh(600)), None);
}

#[test]
fn row_91_a_network_has_its_share_and_the_others_theirs() {
    for (networks, next) in [
        (["198.18.5.1:1000", "198.18.5.255:1001", "198.18.5.7:1002"], "198.18.6.1:1003"),
        (
            ["[2001:db8:5::1]:1000", "[2001:db8:5:ffff::1]:1001", "[2001:db8:5:1::]:1002"],
            "[2001:db8:6::1]:1003",
        ),
    ] {
        let limits = AllocationLimits { per_prefix: 2, ..NO_LIMITS };
        let mut world = World::with(Setup { limits, ..Setup::new(2) });
        let client = |world: &mut World, session, address: &str| {
            let credential = world.credential(session, Side::A, world.unix_s() + 60);
            world.client_with_address(address.parse().unwrap(), &credential)
        };
        let [one, two, three] = [1, 2, 3].map(|n| client(&mut world, n, networks[usize::from(n) - 1]));
        let four = client(&mut world, 4, next);
        world.allocate(one);
        world.allocate(two);
        assert_eq!(world.refusal(three, Request::allocate()), Some(486));
        world.allocate(four);
        assert_eq!(world.refusal(one, Request::refresh(0)), None);
        world.allocate(three);
    }
}

#[test]
fn row_92_the_whole_has_its_limit_and_who_is_in_notices_nothing() {
    for workers in [1, 2, 5] {
        let limits = AllocationLimits { total: 2, ..NO_LIMITS };
        let mut world = World::with(Setup { workers, limits, ..Setup::new(3) });
        let [alice, bob] = world.couple(1);
        world.permit(alice, world.relayed(bob));
        world.permit(bob, world.relayed(alice));
        world.settle();
        let late = world.person(2, Side::A);
        for _ in 0..3 {
            assert_eq!(world.refusal(late, Request::allocate()), Some(508));
        }
        assert!(world.send(alice, world.relayed(bob), b"x").is_routed());
        assert_eq!(world.refusal(alice, Request::refresh(0)), None);
        world.allocate(late);
    }
}

#[test]
fn row_93_permissions_of_one_allocation_are_counted() {
    let mut world = World::new(4);
    let user = world.user("user");
    world.allocate(user);
    let peer = |n: usize| ([9, 9, 9, n as u8], 5000).into();
    for n in 0..PERMISSIONS_MAX {
        world.permit(user, peer(n));
    }
    assert_eq!(world.refusal(user, Request::permit(&[peer(PERMISSIONS_MAX)])), Some(508));
    assert_eq!(world.refusal(user, Request::bind(0x4000, peer(PERMISSIONS_MAX))), Some(508));
    assert_eq!(world.refusal(user, Request::permit(&[peer(0), peer(PERMISSIONS_MAX)])), Some(508));
    world.permit(user, peer(0));
    assert_eq!(world.send(user, peer(PERMISSIONS_MAX), b"x"), Outcome::Drop(DropReason::NoPermission));
    world.pass(Duration::from_secs(300));
    world.permit(user, peer(PERMISSIONS_MAX));
}

#[test]
fn row_93_channels_of_one_allocation_are_counted() {
    let mut world = World::new(5);
    let [alice, _] = world.couple(1);
    assert_eq!(world.refusal(alice, Request::refresh(3600)), None);
    let peer = |n: usize| (RELAY_V4, 10_000 + n as u16).into();
    for n in 0..PEERINGS_MAX {
        world.bind(alice, 0x4000 + n as u16, peer(n));
    }
    assert_eq!(world.refusal(alice, Request::bind(0x4F00, peer(PEERINGS_MAX))), Some(508));
    world.bind(alice, 0x4000, peer(0));
    world.pass(Duration::from_secs(900));
    world.bind(alice, 0x4F00, peer(PEERINGS_MAX));
}
