//! Rows 57, 89, 94 and 96: payloads of all sizes, from spoofed sources, on every port of a peer, and
//! junk.

use sim::{DropReason, Heard, Outcome, Request, World};
use turn_core::PeerPolicy;

#[test]
fn row_57_of_no_byte_and_of_as_many_as_fit() {
    let mut world = World::new(1);
    let [alice, bob] = world.couple(1);
    let (from, to) = (world.relayed(alice), world.relayed(bob));
    world.bind(alice, 0x4000, to);
    world.bind(bob, 0x4001, from);
    world.settle();
    for length in [0, 1, 3, 1472, 1473, 65_000] {
        let payload = vec![0x5A; length];
        assert!(world.send_channel(alice, 0x4000, &payload).is_routed());
        assert_eq!(world.heard(bob), [Heard::channel(0x4001, &payload)]);
        assert!(world.send(alice, to, &payload).is_routed());
        assert_eq!(world.heard(bob), [Heard::channel(0x4001, &payload)]);
    }
}

#[test]
fn row_89_a_spoofed_source_sends_data_and_changes_nothing_else() {
    let mut world = World::new(3);
    let [alice, bob] = world.couple(1);
    let (from, to) = (world.relayed(alice), world.relayed(bob));
    world.bind(alice, 0x4000, to);
    world.bind(bob, 0x4000, from);
    world.settle();
    let source = world.address(alice);
    assert!(world.knock(source, &[0x40, 0, 0, 1, b'x']).is_routed());
    assert_eq!(world.heard(bob), [Heard::channel(0x4000, b"x")]);
    let delete = Request::refresh(0).write(stun_wire::TransactionId([1; 12]), None);
    assert_eq!(world.knock(source, &delete), Outcome::Drop(DropReason::Unauthenticated));
    assert_eq!(world.relay().counters().allocations, 2);
}

#[test]
fn row_94_the_ports_of_a_peer_leave_no_trace() {
    let mut world = World::with(sim::Setup { session_peers: PeerPolicy::Partner, ..sim::Setup::new(4) });
    let user = world.user("user");
    let relayed = world.allocate(user);
    let peer = "9.9.9.9:5000".parse().unwrap();
    world.permit(user, peer);
    for port in (1024..=u16::MAX).step_by(7) {
        world.throw((peer.ip(), port).into(), relayed, b"x");
    }
    assert_eq!(world.heard(user).len(), (1024..=u16::MAX).step_by(7).count());
    // All places for peers are still there.
    for number in 0..turn_core::limits::PEERINGS_MAX as u16 {
        world.bind(user, 0x4000 + number, (peer.ip(), 7000 + number).into());
    }
}

#[test]
fn row_96_junk_to_a_relayed_port_goes_nowhere() {
    let mut world = World::new(5);
    let user = world.user("user");
    let relayed = world.allocate(user);
    world.take_record();
    for port in 5000..6000 {
        world.throw(([9, 9, 9, 8], port).into(), relayed, &[0xFF; 1200]);
    }
    assert_eq!(world.relay().dropped(DropReason::NoPermission), 1000);
    assert_eq!(world.take_record().len(), 1000, "they arrive and nothing follows");
    assert_eq!(world.heard(user), []);
}
