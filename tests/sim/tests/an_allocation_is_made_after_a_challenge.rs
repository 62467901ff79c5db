//! Allocate: the challenge, the address, and what is refused with which code. RFC 8656 §7, RFC 8489 §9.2.

use sim::{RELAY_V4, RELAY_V6, Request, Side, World};
use stun_wire::{AttributeType, Method};

#[test]
fn the_answer_tells_both_addresses_and_the_lifetime() {
    let mut world = World::new(2);
    let alice = world.person(1, Side::A);
    let granted = world.ask(alice, Request::allocate()).ok().unwrap();
    let relayed = granted.relayed().unwrap();
    assert_eq!(relayed.ip(), RELAY_V4);
    assert!(relayed.port() >= 1024 && !sim::RELAY_PORTS.contains(&relayed.port()));
    assert_eq!(granted.mapped(), Some(world.address(alice)));
    assert_eq!(granted.lifetime_s(), Some(600));
    assert_eq!(world.relay().counters().allocations, 1);
}

#[test]
fn either_family_may_be_asked_for() {
    let mut world = World::new(3);
    for (session, family, ip) in [(1, 1, RELAY_V4), (2, 2, RELAY_V6)] {
        let person = world.person(session, Side::A);
        let granted = world.ask(person, Request::allocate().family(family)).ok().unwrap();
        assert_eq!(granted.relayed().unwrap().ip(), ip);
    }
    // A client on IPv6 that asks for nothing gets IPv4, RFC 8656 §7.2.
    let credential = world.credential(3, Side::A, world.unix_s() + 60);
    let person = world.client_with_address("[2001:db8:5::2]:4000".parse().unwrap(), &credential);
    assert_eq!(world.allocate(person).ip(), RELAY_V4);
}

#[test]
fn what_is_wrong_has_a_code_and_leaves_nothing() {
    let mut world = World::new(4);
    let alice = world.person(1, Side::A);
    let bare = || Request::bare(Method::ALLOCATE);
    let transport = AttributeType::REQUESTED_TRANSPORT;
    for (request, code) in [
        (bare().lifetime(600), 400),                // no REQUESTED-TRANSPORT
        (bare().with(transport, &[17, 0, 0]), 400), // three bytes of it
        (Request::allocate().with(AttributeType::LIFETIME, &[0, 6]), 400), // two bytes of LIFETIME
        (Request::allocate().with(AttributeType::REQUESTED_ADDRESS_FAMILY, &[1]), 400),
        (Request::allocate().family(3), 440),
        (Request::allocate().with(AttributeType(0x7777), &[]), 420),
    ] {
        assert_eq!(world.refusal(alice, request), Some(code));
    }
    assert!(world.relay().is_empty());
}

#[test]
fn rows_23_and_24_all_transports_but_udp_are_refused() {
    let mut world = World::new(8);
    let people = [world.person(1, Side::A), world.user("user")];
    for (person, protocol) in people.into_iter().flat_map(|it| (0..=255).map(move |protocol| (it, protocol)))
    {
        if protocol != 17 {
            let transport = AttributeType::REQUESTED_TRANSPORT;
            let request = Request::bare(Method::ALLOCATE).with(transport, &[protocol, 0, 0, 0]);
            assert_eq!(world.refusal(person, request), Some(442), "{protocol}");
        }
    }
    assert!(world.relay().is_empty());
}

#[test]
fn requests_without_an_allocation_are_mismatches() {
    let mut world = World::new(5);
    let alice = world.person(1, Side::A);
    world.learn_nonce(alice);
    let peer = "192.0.2.1:5000".parse().unwrap();
    for request in
        [Request::refresh(600), Request::refresh(0), Request::permit(&[peer]), Request::bind(0x4000, peer)]
    {
        assert_eq!(world.refusal(alice, request), Some(437));
    }
}

#[test]
fn row_56_an_even_port_is_even_and_its_neighbour_free() {
    let mut world = World::new(7);
    let even = |value: &[u8]| Request::allocate().with(AttributeType::EVEN_PORT, value);
    let (alice, user) = (world.person(1, Side::A), world.user("user"));
    for (client, flags) in [(alice, 0), (alice, 0x7F), (user, 0), (user, 0x7F)] {
        let granted = world.ask(client, even(&[flags])).ok().unwrap();
        assert!(granted.relayed().unwrap().port().is_multiple_of(2));
        assert!(granted.reservation().is_none());
        assert_eq!(world.refusal(client, Request::refresh(0)), None);
        assert_eq!(world.refusal(client, even(&[])), Some(400));
    }
    assert!(world.relay().is_empty());
}
