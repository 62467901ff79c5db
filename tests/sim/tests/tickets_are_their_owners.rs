//! Row 43: mobility tickets of others, guessed, forged, used up and out of place. RFC 8016 §3.1.2, §3.2.2.

use std::time::Duration;

use sim::{ClientId, Heard, Request, Setup, Side, World};

fn allocate(world: &mut World, client: ClientId) -> Vec<u8> {
    let granted = world.ask(client, Request::allocate().ticket(&[])).expect("a grant");
    granted.ticket().expect("a ticket")
}

fn show(ticket: &[u8]) -> Request {
    Request::refresh(600).ticket(ticket)
}

#[test]
fn row_43_somebody_elses_ticket_moves_nothing() {
    for seed in 0..20 {
        let mut world = World::with(Setup { workers: 3, ..Setup::new(seed) });
        let alice = world.person(1, Side::A);
        let ticket = allocate(&mut world, alice);
        let bob = world.person(1, Side::B);
        let (from, to) = (world.relayed(alice), world.allocate(bob));
        world.bind(alice, 0x4000, to);
        world.permit(bob, from);
        world.settle();
        // Her partner, a side of another session, and a user with a password.
        let partner = world.person(1, Side::B);
        let stranger = world.person(2, Side::A);
        let user = world.user("user");
        for thief in [partner, stranger, user] {
            world.learn_nonce(thief);
            assert_eq!(world.refusal(thief, show(&ticket)), Some(441));
            assert_eq!(world.refusal(thief, Request::refresh(0).ticket(&ticket)), Some(441));
            assert_eq!(world.refusal(thief, Request::refresh(600)), Some(437));
            assert!(!world.send(thief, to, b"x").is_forward());
        }
        assert_eq!(world.refusal(bob, show(&ticket)), Some(437), "a 5-tuple with allocations of its own");
        assert!(world.send_channel(alice, 0x4000, b"y").is_routed());
        assert_eq!(world.heard(bob), [Heard::data(from, b"y")]);
        // It is still good for whom it was made.
        let again = world.elsewhere(alice);
        assert_eq!(world.refusal(again, show(&ticket)), None);
    }
}

#[test]
fn row_43_what_is_no_ticket_is_a_bad_request() {
    let mut world = World::new(1);
    let alice = world.person(1, Side::A);
    let ticket = allocate(&mut world, alice);
    let again = world.person(1, Side::A);
    world.learn_nonce(again);
    for byte in 0..ticket.len() {
        let mut forged = ticket.clone();
        forged[byte] ^= 1;
        assert_eq!(world.refusal(again, show(&forged)), Some(400), "byte {byte}");
    }
    for length in [0, 1, 27, 31, 33, 500] {
        assert_eq!(world.refusal(again, show(&vec![7; length])), Some(400), "{length} bytes");
    }
    assert_eq!(world.refusal(alice, show(&ticket)), Some(400), "on the 5-tuple it was made for");
    let other = world.person(1, Side::A);
    assert_eq!(world.refusal(other, Request::allocate().ticket(&ticket)), Some(400), "in an Allocate");
    let half = show(&ticket).with(stun_wire::AttributeType::REQUESTED_ADDRESS_FAMILY, &[9, 0, 0, 0]);
    assert_eq!(world.refusal(again, half), Some(443));
    assert_eq!(world.refusal(again, show(&ticket).family(2)), Some(443));
    assert_eq!(world.refusal(again, show(&ticket)), None, "none of that used it up");
}

#[test]
fn row_43_a_ticket_moves_once_and_dies_with_what_it_moves() {
    for seed in 0..20 {
        let mut world = World::with(Setup { workers: 3, ..Setup::new(seed) });
        let alice = world.person(1, Side::A);
        let first = allocate(&mut world, alice);
        let [two, three, four] = [(); 3].map(|()| world.elsewhere(alice));
        let second = world.ask(two, show(&first)).expect("a move").ticket().expect("a ticket");
        // Whether or not it was heard there yet.
        for _ in 0..2 {
            assert_eq!(world.refusal(three, show(&first)), Some(437));
            assert_eq!(world.refusal(two, show(&first)), Some(437), "another request than the one it was");
            assert_eq!(world.refusal(two, show(&second)), Some(400));
            world.send(two, world.address(two), b"x");
            world.settle();
        }
        let third = world.ask(three, show(&second)).expect("a move").ticket().expect("a ticket");
        assert_eq!(world.refusal(four, show(&second)), Some(437));
        assert_eq!(world.refusal(three, Request::refresh(0)), None);
        world.settle();
        for ticket in [&first, &second, &third] {
            assert_eq!(world.refusal(four, show(ticket)), Some(437));
        }
        assert!(world.relay().is_empty());
    }
}

#[test]
fn row_43_a_ticket_ends_with_its_allocation_though_the_port_goes_on() {
    let mut world = World::with(Setup { workers: 1, ..Setup::new(2) });
    let alice = world.person(1, Side::A);
    let ticket = allocate(&mut world, alice);
    world.pass(Duration::from_secs(600));
    let [again, other] = [(); 2].map(|()| world.elsewhere(alice));
    assert_eq!(world.refusal(again, show(&ticket)), Some(437));
    allocate(&mut world, again);
    assert_eq!(world.refusal(other, show(&ticket)), Some(437));
}

#[test]
fn row_43_a_recorded_move_moves_nothing_back() {
    for seed in 0..10 {
        let mut world = World::with(Setup { workers: 3, ..Setup::new(seed) });
        let alice = world.person(1, Side::A);
        let bob = world.person(1, Side::B);
        let to = world.allocate(bob);
        let first = allocate(&mut world, alice);
        world.permit(alice, to);
        let [two, three] = [(); 2].map(|()| world.elsewhere(alice));
        world.take_record();
        let second = world.ask(two, show(&first)).expect("a move").ticket().expect("a ticket");
        let recorded = world.take_record();
        world.send(two, to, b"x");
        world.settle();
        assert_eq!(world.refusal(three, show(&second)), None);
        world.send(three, to, b"x");
        world.settle();
        let before = world.relay().counters().moves;
        for packet in recorded.iter().filter(|it| it.to.port() == sim::RELAY_PORT) {
            let _ = world.knock(packet.from, &packet.datagram);
        }
        world.settle();
        assert!(!world.send(two, to, b"x").is_forward());
        assert!(!matches!(world.send(three, to, b"y"), sim::Outcome::Drop(sim::DropReason::NoAllocation)));
        assert_eq!(world.relay().counters().moves, before);
    }
}

#[test]
fn where_it_is_switched_off_it_is_forbidden() {
    let mut world = World::with(Setup { mobility: false, ..Setup::new(3) });
    let alice = world.person(1, Side::A);
    assert_eq!(world.refusal(alice, Request::allocate().ticket(&[])), Some(405));
    assert_eq!(world.refusal(alice, Request::allocate().ticket(&[1])), Some(400));
    assert_eq!(world.refusal(alice, show(&[7; 32])), Some(405));
    let granted = world.ask(alice, Request::allocate()).expect("without it all is well");
    assert_eq!(granted.ticket(), None);
}

#[test]
fn who_does_not_ask_gets_no_ticket() {
    let mut world = World::new(4);
    let alice = world.person(1, Side::A);
    assert_eq!(world.ask(alice, Request::allocate()).expect("a grant").ticket(), None);
    let refreshed = world.ask(alice, Request::refresh(600)).expect("a grant");
    assert_eq!(refreshed.ticket(), None);
}
