//! Row 39: so many allocations a side, whose longest silent one gives way to one more.

use std::time::Duration;

use sim::{Outcome, PeerPolicy, Request, Setup, Side, World};
use stun_wire::TransactionId;
use turn_core::AllocationLimits;

const NO_LIMITS: AllocationLimits = AllocationLimits { per_side: 0, per_prefix: 0, total: 0 };

#[test]
fn row_39_at_a_sides_limit_the_longest_silent_gives_way_whatever_its_worker() {
    // However full the mailboxes are.
    for (workers, lost) in [1, 2, 5].into_iter().flat_map(|workers| [(workers, 0), (workers, usize::MAX)]) {
        let limits = AllocationLimits { per_side: 4, ..NO_LIMITS };
        let mut world = World::with(Setup { workers, limits, ..Setup::new(1) });
        world.relay().lose_notices(lost);
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
fn row_39_who_has_to_give_way_does_while_its_relay_socket_is_tried_at_another_port() {
    for seed in 0..64 {
        let limits = AllocationLimits { per_side: 1, ..NO_LIMITS };
        let mut world = World::with(Setup { limits, session_peers: PeerPolicy::Public, ..Setup::new(seed) });
        let people = [(); 2].map(|()| world.person(1, Side::A));
        for person in people {
            world.learn_nonce(person);
        }
        world.relay().refuse_binds(1);
        for (number, person) in people.into_iter().enumerate() {
            let signature = world.of(person).signature().cloned();
            let from = world.address(person);
            let request = Request::allocate().write(TransactionId([number as u8; 12]), signature.as_ref());
            assert_eq!(world.knock(from, &request), Outcome::Later);
        }
        world.settle();
        assert_eq!(world.relay().counters().allocations, 1, "seed {seed}");
        assert_eq!(world.relay().sockets().len(), 1, "seed {seed}");
        world.end_session(1);
        world.settle();
        assert!(world.relay().is_empty(), "seed {seed}");
    }
}

#[test]
fn row_92_who_makes_and_ends_allocations_takes_the_numbers_from_nobody_else() {
    // The configuration's default.
    let limits = AllocationLimits { per_prefix: 256, ..NO_LIMITS };
    let relay_ports = 61_000..=63_999;
    let mut world = World::with(Setup { workers: 1, limits, relay_ports, ..Setup::new(4) });
    let hasty = world.user("user");
    let made = (0..4_000).take_while(|_| {
        let refused = world.refusal(hasty, Request::allocate());
        assert!(matches!(refused, None | Some(486)), "{refused:?}");
        refused.is_none() && world.refusal(hasty, Request::refresh(0)).is_none()
    });
    assert!(made.count() < 2_000);
    let other = world.user("user");
    assert_eq!(world.refusal(other, Request::allocate()), None);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.refusal(hasty, Request::allocate()), None, "a call at a time");
}
