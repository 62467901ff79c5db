//! Row 97: a flow at ten times its limit loses packets of its own only, and when the whole is short, those
//! who take more than their share lose first.

use std::net::SocketAddr;
use std::time::Duration;

use sim::{ClientId, DropReason, Outcome, PeerPolicy, Request, Setup, Side, World};
use turn_core::BandwidthLimits;
use turn_core::limits::DATAGRAM_OVERHEAD_BYTES;

/// A datagram of 1,000 bytes with all that it costs.
const PAYLOAD: [u8; 1000 - DATAGRAM_OVERHEAD_BYTES] = [0x80; 1000 - DATAGRAM_OVERHEAD_BYTES];

/// Somebody who sends so many packets a second, and how many of them passed.
struct Flow {
    from: ClientId,
    to: SocketAddr,
    packets_s: u64,
    passed: u64,
}

/// Lets all flows send evenly for five seconds and counts what passes in the last four of them.
fn run(world: &mut World, flows: &mut [Flow], reason: DropReason) {
    for ms in 0..5000 {
        for flow in &mut *flows {
            for _ in ms * flow.packets_s / 1000..(ms + 1) * flow.packets_s / 1000 {
                match world.send(flow.from, flow.to, &PAYLOAD) {
                    Outcome::Forward { .. } => flow.passed += u64::from(ms >= 1000),
                    outcome => assert_eq!(outcome, Outcome::Drop(reason)),
                }
            }
        }
        world.pass(Duration::from_millis(1));
    }
}

/// Two who may send to each other.
fn pair(world: &mut World, session: u8) -> [ClientId; 2] {
    let [alice, bob] = world.couple(session);
    for (one, other) in [(alice, bob), (bob, alice)] {
        let peer = world.relayed(other);
        world.permit(one, peer);
    }
    world.settle();
    [alice, bob]
}

fn flow(world: &World, from: ClientId, to: ClientId, packets_s: u64) -> Flow {
    Flow { from, to: world.relayed(to), packets_s, passed: 0 }
}

#[test]
fn row_97_a_flow_at_ten_times_its_limit_loses_its_own_packets_only() {
    let bandwidth = BandwidthLimits { session_bps: 800_000, total_bps: 0 };
    let mut world = World::with(Setup { bandwidth, ..Setup::new(1) });
    let [alice, bob] = pair(&mut world, 1);
    let [carol, dave] = pair(&mut world, 2);
    let mut flows = [
        flow(&world, alice, bob, 1000),
        flow(&world, bob, alice, 100),
        flow(&world, carol, dave, 100),
        flow(&world, dave, carol, 90),
    ];
    run(&mut world, &mut flows, DropReason::OverSessionRate);
    assert_eq!(flows.map(|flow| flow.passed), [400, 400, 400, 360]);
}

#[test]
fn row_97_a_side_cannot_multiply_its_limit_by_allocating_again() {
    let bandwidth = BandwidthLimits { session_bps: 800_000, total_bps: 0 };
    let mut world = World::with(Setup { workers: 3, bandwidth, ..Setup::new(2) });
    let [alice, bob] = pair(&mut world, 1);
    let others = [(); 4].map(|()| world.person(1, Side::A));
    let to = world.relayed(bob);
    for other in others {
        world.allocate(other);
        world.permit(other, to);
    }
    world.settle();
    let mut flows: Vec<Flow> =
        [alice].into_iter().chain(others).map(|it| flow(&world, it, bob, 200)).collect();
    run(&mut world, &mut flows, DropReason::OverSessionRate);
    assert_eq!(flows.iter().map(|flow| flow.passed).sum::<u64>(), 400);
}

#[test]
fn row_97_when_the_whole_is_short_fair_flows_lose_nothing() {
    // 100 packets a second for four.
    let bandwidth = BandwidthLimits { session_bps: 0, total_bps: 800_000 };
    let mut world = World::with(Setup { bandwidth, ..Setup::new(3) });
    let [alice, bob] = pair(&mut world, 1);
    let [carol, dave] = pair(&mut world, 2);
    let mut flows = [
        flow(&world, alice, bob, 1000),
        flow(&world, bob, alice, 20),
        flow(&world, carol, dave, 300),
        flow(&world, dave, carol, 25),
    ];
    run(&mut world, &mut flows, DropReason::OverTotalRate);
    let passed = flows.map(|flow| flow.passed);
    assert_eq!((passed[1], passed[3]), (80, 100));
    assert!(passed[0] >= 100 && passed[2] >= 100 && passed.iter().sum::<u64>() <= 402, "{passed:?}");
}

#[test]
fn row_97_an_outside_peer_is_held_to_the_limit_of_whom_it_sends_to() {
    let bandwidth = BandwidthLimits { session_bps: 800_000, total_bps: 0 };
    let users = vec![("one", PeerPolicy::Public), ("two", PeerPolicy::Public)];
    let mut world = World::with(Setup { bandwidth, users, ..Setup::new(4) });
    let peer: SocketAddr = "9.9.9.9:5000".parse().unwrap();
    let [one, two] = ["one", "two"].map(|name| {
        let user = world.user(name);
        world.allocate(user);
        assert_eq!(world.refusal(user, Request::permit(&[peer])), None);
        user
    });
    let mut heard = [0, 0];
    for ms in 0..5000_u64 {
        for (at, (user, every_ms)) in [(one, 1), (two, 10)].into_iter().enumerate() {
            if ms.is_multiple_of(every_ms) {
                let relayed = world.relayed(user);
                world.throw(peer, relayed, &PAYLOAD);
            }
            let count = world.heard(user).len() as u64;
            heard[at] += if ms >= 1000 { count } else { 0 };
        }
        world.pass(Duration::from_millis(1));
    }
    assert_eq!(heard, [400, 400]);
    assert!(world.relay().dropped(DropReason::OverSessionRate) > 3000);
}

#[test]
fn row_97_an_allocation_made_anew_brings_no_full_bucket() {
    // 50 packets at once, and 100 a second.
    let bandwidth = BandwidthLimits { session_bps: 800_000, total_bps: 0 };
    for workers in [1, 2, 5] {
        let mut world = World::with(Setup { bandwidth, workers, ..Setup::new(6) });
        let [alice, bob] = pair(&mut world, 1);
        let to = world.relayed(bob);
        let mut passed = 0;
        for _ in 0..10 {
            passed += (0..100).filter(|_| world.send(alice, to, &PAYLOAD).is_forward()).count();
            assert_eq!(world.refusal(alice, Request::refresh(0)), None);
            world.pass(Duration::from_millis(50));
            let from = world.allocate(alice);
            world.permit(alice, to);
            world.permit(bob, from);
            world.settle();
        }
        assert!((90..=100).contains(&passed), "{passed}");
    }
}

#[test]
fn row_97_nor_does_one_of_a_user_without_a_session() {
    let bandwidth = BandwidthLimits { session_bps: 800_000, total_bps: 0 };
    for workers in [1, 2, 5] {
        let mut world = World::with(Setup { bandwidth, workers, ..Setup::new(7) });
        let peer: SocketAddr = "9.9.9.9:5000".parse().unwrap();
        let user = world.user("user");
        let (began, mut passed) = (world.now(), 0);
        for _ in 0..10 {
            world.allocate(user);
            assert_eq!(world.refusal(user, Request::permit(&[peer])), None);
            passed += (0..100).filter(|_| world.send(user, peer, &PAYLOAD).is_forward()).count();
            assert_eq!(world.refusal(user, Request::refresh(0)), None);
            world.pass(Duration::from_millis(50));
        }
        // At once, and in the time that has passed.
        let time_ms = (world.now() - began).as_millis() as usize;
        assert!(passed >= 50 && passed <= 51 + time_ms / 10, "{passed} in {time_ms} ms");
    }
}
