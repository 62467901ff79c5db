//! Row 17: what a new rule closes stops at once, in both directions and by every way, and what it does not
//! name goes on.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sim::{
    ClientId, DropReason, Heard, Outcome, PeerPolicy, RELAY_V4, RELAY_V6, Request, Setup, Side, World,
};
use turn_core::AddressRange;

const PEER: &str = "9.9.9.9:5000";
const OTHER: &str = "9.9.9.10:5000";

fn only(ip: IpAddr) -> [AddressRange; 1] {
    [AddressRange::new(ip, ip).expect("a range of one")]
}

/// A client with a permission for both peers and a channel to each, over which something has just gone.
fn talking(world: &mut World, client: ClientId) -> [SocketAddr; 2] {
    let peers = [PEER, OTHER].map(|peer| world.echo(peer));
    for (number, peer) in [0x4000, 0x4001].into_iter().zip(peers) {
        world.bind(client, number, peer);
        hears_its_echo(world, client, number, peer);
    }
    peers
}

fn hears_its_echo(world: &mut World, client: ClientId, number: u16, peer: SocketAddr) {
    assert!(world.send(client, peer, b"x").is_forward());
    assert!(world.send_channel(client, number, b"y").is_forward());
    assert_eq!(world.heard(client), [Heard::channel(number, b"x"), Heard::channel(number, b"y")]);
    assert_eq!(world.heard_by_peer(peer).len(), 2);
}

fn has_stopped(world: &mut World, client: ClientId, number: u16, peer: SocketAddr) {
    assert_eq!(world.send(client, peer, b"x"), Outcome::Drop(DropReason::PeerRefused));
    assert_eq!(world.send_channel(client, number, b"x"), Outcome::Drop(DropReason::ChannelUnbound));
    let relayed = world.relayed(client);
    world.throw(peer, relayed, b"x");
    assert!(world.heard(client).is_empty() && world.heard_by_peer(peer).is_empty());
    for request in [Request::permit(&[peer]), Request::bind(number, peer), Request::bind(0x4010, peer)] {
        assert_eq!(world.refusal(client, request), Some(403));
    }
}

#[test]
fn row_17_outside_peers_of_clients_on_datagrams_and_on_streams() {
    for seed in 0..4 {
        let mut world = World::new(seed);
        let mut client = world.user("user");
        if seed % 2 == 1 {
            client = world.by_stream(client);
        }
        world.allocate(client);
        let [peer, other] = talking(&mut world, client);
        world.replace_rules(&[], &only(peer.ip()));
        has_stopped(&mut world, client, 0x4000, peer);
        hears_its_echo(&mut world, client, 0x4001, other);
        // Open again: it has to be asked for, and the number still belongs to the peer.
        world.replace_rules(&[], &[]);
        assert_eq!(world.send(client, peer, b"x"), Outcome::Drop(DropReason::NoPermission));
        let third = "9.9.9.11:5000".parse().unwrap();
        assert_eq!(world.refusal(client, Request::bind(0x4000, third)), Some(400));
        world.bind(client, 0x4000, peer);
        hears_its_echo(&mut world, client, 0x4000, peer);
    }
}

#[test]
fn row_17_what_only_an_allow_rule_opened() {
    let mut world = World::with(Setup { allow: only("10.0.0.1".parse().unwrap()).to_vec(), ..Setup::new(1) });
    let client = world.user("user");
    world.allocate(client);
    let peer = world.echo("10.0.0.1:80");
    world.bind(client, 0x4000, peer);
    hears_its_echo(&mut world, client, 0x4000, peer);
    world.replace_rules(&[], &[]);
    has_stopped(&mut world, client, 0x4000, peer);
}

#[test]
fn row_17_a_low_port_that_only_an_allow_rule_opened() {
    let ip: IpAddr = "9.9.9.9".parse().unwrap();
    let mut world = World::with(Setup { allow: only(ip).to_vec(), ..Setup::new(2) });
    let client = world.user("user");
    world.allocate(client);
    let (low, high) = (world.echo("9.9.9.9:53"), world.echo(PEER));
    for (number, peer) in [(0x4000, low), (0x4001, high)] {
        world.bind(client, number, peer);
        hears_its_echo(&mut world, client, number, peer);
    }
    world.replace_rules(&[], &[]);
    assert_eq!(world.send(client, low, b"x"), Outcome::Drop(DropReason::PeerRefused));
    assert_eq!(world.send_channel(client, 0x4000, b"x"), Outcome::Drop(DropReason::ChannelUnbound));
    // The address is an address like any other now, and so is its permission.
    hears_its_echo(&mut world, client, 0x4001, high);
}

#[test]
fn row_17_a_client_that_moved_and_one_that_is_moving() {
    for seed in 0..20 {
        let mut world = World::with(Setup { workers: 3, ..Setup::new(seed) });
        let here = world.user("user");
        let granted = world.ask(here, Request::allocate().ticket(&[])).expect("an allocation");
        let peers = talking(&mut world, here);
        let there = world.elsewhere(here);
        let ticket = granted.ticket().expect("a ticket");
        if seed % 2 == 0 {
            assert_eq!(world.refusal(there, Request::refresh(600).ticket(&ticket)), None);
        } else {
            // The rules are new while the allocation is on its way from worker to worker.
            world.learn_nonce(there);
            let now = world.now();
            world.say(there, |client| {
                client.request(now, Request::refresh(600).ticket(&ticket));
            });
        }
        world.replace_rules(&[], &only(peers[0].ip()));
        world.settle();
        assert_eq!(world.send(there, peers[0], b"x"), Outcome::Drop(DropReason::PeerRefused));
        assert_eq!(world.send_channel(there, 0x4000, b"x"), Outcome::Drop(DropReason::ChannelUnbound));
        let relayed = granted.relayed().expect("a relayed address");
        world.throw(peers[0], relayed, b"x");
        assert!(world.heard(there).is_empty() && world.heard(here).is_empty());
        hears_its_echo(&mut world, there, 0x4001, peers[1]);
    }
}

#[test]
fn row_17_two_clients_of_the_relay_whatever_is_lost_between_their_workers() {
    for seed in 0..20 {
        let mut world = World::with(Setup { workers: 4, ..Setup::new(seed) });
        let [one, other] = [0, 1].map(|_| world.user("user"));
        let [of_one, of_other] = [one, other].map(|client| world.allocate(client));
        world.bind(one, 0x4000, of_other);
        world.bind(other, 0x4000, of_one);
        world.settle();
        for client in [one, other] {
            assert!(world.send_channel(client, 0x4000, b"x").is_routed());
        }
        assert!(!world.heard(one).is_empty() && !world.heard(other).is_empty());
        world.relay().lose_notices(100);
        world.replace_rules(&[], &only(RELAY_V4));
        world.settle();
        for (client, peer) in [(one, of_other), (other, of_one)] {
            assert_eq!(world.send_channel(client, 0x4000, b"x"), Outcome::Drop(DropReason::ChannelUnbound));
            assert_eq!(world.send(client, peer, b"x"), Outcome::Drop(DropReason::PeerRefused));
        }
        assert!(world.heard(one).is_empty() && world.heard(other).is_empty());
    }
}

#[test]
fn row_17_tcp_connections_of_either_direction() {
    let mut world = World::with(Setup { tcp: true, ..Setup::new(3) });
    let (peer, other) = (world.echo(PEER), world.echo(OTHER));
    let client = world.user("user");
    let client = world.by_stream(client);
    let granted = world.ask(client, Request::allocate_tcp()).expect("an allocation");
    let relayed = granted.relayed().expect("a relayed address");
    for peer in [peer, other] {
        world.permit(client, peer);
    }
    let mut connections = Vec::new();
    for peer in [peer, other] {
        let granted = world.ask(client, Request::connect(peer)).expect("a connection");
        let data = world.user("user");
        let data = world.by_stream(data);
        let id = granted.connection().expect("its name");
        assert_eq!(world.refusal(data, Request::bind_connection(&id)), None);
        connections.push(world.relay().connections().len());
        assert!(world.dial(SocketAddr::new(peer.ip(), 6000), relayed).is_some());
    }
    assert_eq!(world.relay().connections().len(), 4);
    world.heard(client);
    // One more is being made.
    let silent: SocketAddr = "9.9.9.9:7000".parse().unwrap();
    let now = world.now();
    let mut asked = None;
    world.say(client, |client| asked = Some(client.request(now, Request::connect(silent))));
    world.replace_rules(&[], &only(peer.ip()));
    let answer = world.of(client).answer(asked.expect("asked")).expect("an answer").err();
    assert_eq!(answer, Some(sim::Failure::Code(403)));
    assert_eq!(world.relay().connections().len(), 2);
    assert_eq!(world.dial(SocketAddr::new(peer.ip(), 6001), relayed), None);
    assert_eq!(world.refusal(client, Request::connect(peer)), Some(403));
    assert!(world.dial(SocketAddr::new(other.ip(), 6001), relayed).is_some());
}

#[test]
fn row_17_sessions_are_not_concerned() {
    for session_peers in [PeerPolicy::Partner, PeerPolicy::Appliance] {
        let mut world = World::with(Setup { session_peers, ..Setup::new(4) });
        let [alice, bob] = [Side::A, Side::B].map(|side| world.person(1, side));
        let [of_alice, of_bob] = [alice, bob].map(|person| world.allocate(person));
        world.permit(alice, of_bob);
        world.permit(bob, of_alice);
        world.settle();
        world.replace_rules(&[], &only(RELAY_V4));
        world.settle();
        world.pass(Duration::from_secs(1));
        assert!(world.send(alice, of_bob, b"x").is_routed());
        assert_eq!(world.heard(bob), [Heard::data(of_alice, b"x")]);
    }
}

#[test]
fn an_address_that_the_machine_gets_is_no_peer_any_more() {
    let mut world = World::new(5);
    let client = world.user("user");
    world.allocate(client);
    let [peer, other] = talking(&mut world, client);
    world.replace_own_ips(&[RELAY_V4, RELAY_V6, peer.ip()]);
    assert_eq!(world.send(client, peer, b"x"), Outcome::Drop(DropReason::PeerRefused));
    assert_eq!(world.send_channel(client, 0x4000, b"x"), Outcome::Drop(DropReason::ChannelUnbound));
    assert!(world.heard(client).is_empty() && world.heard_by_peer(peer).is_empty());
    hears_its_echo(&mut world, client, 0x4001, other);
}

/// A client that may reach all relayed addresses, and one of the relay's `public` ones, whom it reaches. The
/// other could not have named it: its number is none of a relay socket's.
fn closed_and_public(seed: u64) -> (World, ClientId, ClientId) {
    let users = vec![("user", PeerPolicy::Public), ("closed", PeerPolicy::Appliance)];
    let mut world = World::with(Setup { workers: 3, users, ..Setup::new(seed) });
    let [closed, public] = ["closed", "user"].map(|name| world.user(name));
    let [of_closed, of_public] = [closed, public].map(|client| world.allocate(client));
    world.permit(public, of_closed);
    world.permit(closed, of_public);
    // The first packet asks for the way.
    world.send(closed, of_public, b"x");
    world.settle();
    world.heard(public);
    reaches(&mut world, closed, public);
    assert_eq!(world.send(public, of_closed, b"x"), Outcome::Drop(DropReason::PeerRefused));
    (world, closed, public)
}

fn reaches(world: &mut World, one: ClientId, other: ClientId) {
    let [from, to] = [one, other].map(|client| world.relayed(client));
    assert!(world.send(one, to, b"x").is_routed());
    assert_eq!(world.heard(other), [Heard::data(from, b"x")]);
}

#[test]
fn a_rule_for_others_takes_no_route_away() {
    for seed in 0..4 {
        let (mut world, closed, public) = closed_and_public(seed);
        for (allow, deny) in [("9.9.9.9", "10.0.0.1"), ("198.51.100.1", "9.9.9.9")] {
            world.replace_rules(&only(allow.parse().unwrap()), &only(deny.parse().unwrap()));
            world.settle();
            reaches(&mut world, closed, public);
        }
    }
}

#[test]
fn what_is_opened_once_more_goes_on() {
    for seed in 0..4 {
        let mut world = World::with(Setup { workers: 3, ..Setup::new(seed) });
        let [one, other] = [0, 1].map(|_| world.user("user"));
        let [of_one, of_other] = [one, other].map(|client| world.allocate(client));
        world.permit(one, of_other);
        world.permit(other, of_one);
        world.settle();
        reaches(&mut world, one, other);
        world.replace_rules(&only(RELAY_V4), &[]);
        world.settle();
        reaches(&mut world, one, other);
        reaches(&mut world, other, one);
    }
}

#[test]
fn row_17_who_is_closed_to_one_side_alone_is_told() {
    for seed in 0..4 {
        let (mut world, closed, public) = closed_and_public(seed);
        let of_public = world.relayed(public);
        // It is the `public` one's: the other may reach all that is relayed, whatever it says.
        world.replace_rules(&[], &only(RELAY_V4));
        world.settle();
        assert_eq!(world.send(closed, of_public, b"x"), Outcome::Drop(DropReason::NoRoute));
        assert!(world.heard(closed).is_empty() && world.heard(public).is_empty());
    }
}
