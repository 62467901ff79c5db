//! IPv4 and IPv6, for clients and for relayed addresses, in every mixture that RFC 8656 §7.2 has.

use std::net::SocketAddr;

use sim::{Heard, RELAY_V4, Request, Setup, Side, World};

const HOMES: [[&str; 2]; 3] = [
    ["198.18.200.1:4000", "198.18.201.1:4000"],
    ["198.18.200.1:4000", "[2001:db8:201::1]:4000"],
    ["[2001:db8:200::1]:4000", "[2001:db8:201::1]:4000"],
];

#[test]
fn clients_of_either_family_talk_by_relayed_addresses_of_either_family() {
    for (homes, family) in HOMES.into_iter().flat_map(|homes| [1, 2].map(|family| (homes, family))) {
        let mut world = World::new(1);
        let ends = world.unix_s() + 600;
        let mut sides = [Side::A, Side::B].into_iter();
        let [alice, bob] = homes.map(|home| {
            let credential = world.credential(1, sides.next().unwrap(), ends);
            let person = world.client_with_address(home.parse().unwrap(), &credential);
            let granted = world.ask(person, Request::allocate().family(family)).ok().unwrap();
            assert_eq!(granted.mapped(), Some(home.parse::<SocketAddr>().unwrap()));
            person
        });
        let [from, to] = [world.relayed(alice), world.relayed(bob)];
        assert!(from.is_ipv4() == (family == 1) && to.is_ipv4() == (family == 1));
        world.bind(alice, 0x4000, to);
        world.permit(bob, from);
        world.settle();
        assert!(world.send_channel(alice, 0x4000, b"x").is_routed());
        assert!(world.send(bob, from, b"y").is_routed());
        assert_eq!(world.heard(bob), [Heard::data(from, b"x")]);
        assert_eq!(world.heard(alice), [Heard::channel(0x4000, b"y")]);
    }
}

#[test]
fn a_loopback_address_is_relayed_where_it_needs_no_socket_only() {
    let own_ips = vec![RELAY_V4, "::1".parse().unwrap()];
    let mut world = World::with(Setup { own_ips, ..Setup::new(4) });
    let (user, person) = (world.user("user"), world.person(1, Side::A));
    assert_eq!(world.refusal(user, Request::allocate().family(2)), Some(440));
    let granted = world.ask(person, Request::allocate().family(2)).ok().unwrap();
    assert_eq!(granted.relayed().unwrap().ip(), std::net::IpAddr::from(std::net::Ipv6Addr::LOCALHOST));
    let granted = world.ask(user, Request::allocate().both_families()).ok().unwrap();
    assert_eq!(granted.all_relayed().len(), 1, "the family that is there");
}

#[test]
fn a_refresh_that_names_the_other_family_is_a_mismatch() {
    let mut world = World::new(2);
    let [alice, _] = world.couple(1);
    assert_eq!(world.refusal(alice, Request::refresh(600).family(2)), Some(443));
    assert_eq!(world.refusal(alice, Request::refresh(0).family(2)), Some(443));
    assert_eq!(world.refusal(alice, Request::refresh(600).family(3)), Some(443));
    assert_eq!(world.refusal(alice, Request::refresh(600).family(1)), None);
}

#[test]
fn a_client_at_the_end_of_a_tunnel_is_refused() {
    for home in ["[2001:0:c000:201::1]:5000", "[2002:c000:201::1]:5000"] {
        let mut world = World::new(3);
        let user = world.user_with_address("user", home.parse().expect("an address"));
        assert_eq!(world.refusal(user, Request::allocate()), Some(403));
        assert!(world.relay().is_empty());
    }
}
