//! RFC 6062: a client's TCP allocation connects to peers and is connected to, each connection waits for the
//! client's own, and nothing outlives the allocation. Row 23.

use std::net::SocketAddr;
use std::time::Duration;

use sim::{ClientId, DropReason, Heard, Outcome, PeerPolicy, Request, Setup, Side, World};
use stun_wire::{AttributeType, Class, Method, TransactionId};
use turn_core::PeerAddr;

const SECOND: Duration = Duration::from_secs(1);

fn world(seed: u64) -> World {
    World::with(Setup {
        tcp: true,
        users: vec![("user", PeerPolicy::Public), ("other", PeerPolicy::Public)],
        ..Setup::new(seed)
    })
}

fn on_stream(world: &mut World, user: &str) -> ClientId {
    let client = world.user(user);
    world.by_stream(client)
}

/// A user on a stream with a TCP allocation.
fn relaying(world: &mut World) -> (ClientId, SocketAddr) {
    let client = on_stream(world, "user");
    let granted = world.ask(client, Request::allocate_tcp()).expect("an allocation");
    (client, granted.relayed().expect("a relayed address"))
}

fn connect(world: &mut World, client: ClientId, peer: SocketAddr) -> Vec<u8> {
    let granted = world.ask(client, Request::connect(peer)).expect("a connection");
    granted.connection().expect("its name")
}

/// The connection of which a client was just told.
fn attempt(world: &mut World, client: ClientId, peer: SocketAddr) -> Vec<u8> {
    match &world.heard(client)[..] {
        [Heard::Attempt(from, id)] if *from == PeerAddr(peer) => id.clone(),
        other => panic!("{other:?}"),
    }
}

/// How many connections there are, and how many of them a client has.
fn connections(world: &mut World) -> (usize, usize) {
    let all = world.relay().connections();
    (all.len(), all.iter().filter(|(_, client)| client.is_some()).count())
}

fn is_over(world: &mut World) {
    assert_eq!(connections(world), (0, 0));
    world.settle();
    assert!(world.relay().is_empty());
}

#[test]
fn who_asks_on_a_stream_is_answered_though_the_question_is_lost_between_workers() {
    let mut codes = [0; 2];
    for seed in 0..20 {
        let mut world = world(seed);
        let peer = world.echo("9.9.9.9:8000");
        let (client, _) = relaying(&mut world);
        let id = connect(&mut world, client, peer);
        let data = on_stream(&mut world, "user");
        world.learn_nonce(data);
        world.relay().lose_notices(1);
        match world.refusal(data, Request::bind_connection(&id)) {
            // They have one worker.
            None => codes[0] += 1,
            Some(code) => {
                assert_eq!(code, 508);
                assert_eq!(world.refusal(data, Request::bind_connection(&id)), None);
                codes[1] += 1;
            }
        }
        assert_eq!(connections(&mut world), (1, 1));
    }
    assert!(codes.iter().all(|count| *count > 2), "{codes:?}");
}

#[test]
fn a_peer_is_connected_to_and_bound_to_another_connection_of_the_client() {
    for seed in 0..20 {
        let mut world = world(seed);
        let peer = world.echo("9.9.9.9:8000");
        let (client, _) = relaying(&mut world);
        let id = connect(&mut world, client, peer);
        assert_eq!(connections(&mut world), (1, 0));
        // Its worker is the same one only by chance.
        let data = on_stream(&mut world, "user");
        assert_eq!(world.refusal(data, Request::bind_connection(&id)), None);
        assert_eq!(connections(&mut world), (1, 1));
        assert_eq!(world.relay().connections()[0].1, Some(world.address(data)));
        // For as long as the allocation lives.
        world.pass(300 * SECOND);
        assert_eq!(connections(&mut world), (1, 1));
        let id = world.relay().connections()[0].0;
        world.disconnect(id);
        assert_eq!(world.refusal(client, Request::refresh(0)), None);
        is_over(&mut world);
    }
}

#[test]
fn a_peer_with_a_permission_may_connect() {
    let mut world = world(1);
    let peer = world.echo("9.9.9.9:8000");
    let (client, relayed) = relaying(&mut world);
    assert_eq!(world.dial(peer, relayed), None);
    assert!(world.heard(client).is_empty());
    assert_eq!(world.relay().dropped(DropReason::NoPermission), 1);
    world.permit(client, peer);
    assert!(world.dial(peer, relayed).is_some());
    let id = attempt(&mut world, client, peer);
    let data = on_stream(&mut world, "user");
    assert_eq!(world.refusal(data, Request::bind_connection(&id)), None);
    assert_eq!(connections(&mut world), (1, 1));
    // The permission is for coming, not for staying.
    world.pass(301 * SECOND);
    assert_eq!(connections(&mut world), (1, 1));
    assert_eq!(world.dial("9.9.9.9:8001".parse().unwrap(), relayed), None);
}

#[test]
fn row_23_tcp_is_refused_where_it_is_not_allowed_and_its_methods_are_unknown() {
    let mut world = World::new(2);
    let people = [world.user("user"), on_stream(&mut world, "user"), world.person(1, Side::A)];
    for person in people {
        assert_eq!(world.refusal(person, Request::allocate_tcp()), Some(442));
    }
    let peer = world.echo("9.9.9.9:8000");
    for request in [Request::connect(peer), Request::bind_connection(&[0; 4])] {
        let signature = world.of(people[1]).signature().cloned();
        let signed = request.write(TransactionId([1; 12]), signature.as_ref());
        let outcome = world.knock(world.address(people[1]), &signed);
        assert_eq!(outcome, Outcome::Drop(DropReason::NotARequest));
    }
}

#[test]
fn row_23_only_public_credentials_may_and_only_over_tcp() {
    let mut world = World::with(Setup {
        tcp: true,
        users: vec![("user", PeerPolicy::Public), ("here", PeerPolicy::Appliance)],
        ..Setup::new(3)
    });
    let here = on_stream(&mut world, "here");
    assert_eq!(world.refusal(here, Request::allocate_tcp()), Some(442));
    let side = world.person(1, Side::A);
    let side = world.by_stream(side);
    assert_eq!(world.refusal(side, Request::allocate_tcp()), Some(442));
    let datagrams = world.user("user");
    assert_eq!(world.refusal(datagrams, Request::allocate_tcp()), Some(400));
    let client = on_stream(&mut world, "user");
    for (kind, value) in [
        (AttributeType::EVEN_PORT, &[0_u8][..]),
        (AttributeType::EVEN_PORT, &[0x80]),
        (AttributeType::DONT_FRAGMENT, &[]),
        (AttributeType::RESERVATION_TOKEN, &[7; 8]),
    ] {
        assert_eq!(world.refusal(client, Request::allocate_tcp().with(kind, value)), Some(400), "{kind:?}");
    }
    assert_eq!(world.refusal(client, Request::allocate_tcp().ticket(&[])), Some(405));
    is_over(&mut world);
}

#[test]
fn row_23_connections_need_an_allocation_of_tcp() {
    let mut world = world(4);
    let peer = world.echo("9.9.9.9:8000");
    let client = on_stream(&mut world, "user");
    world.learn_nonce(client);
    assert_eq!(world.refusal(client, Request::connect(peer)), Some(437));
    let datagrams = on_stream(&mut world, "user");
    world.allocate(datagrams);
    assert_eq!(world.refusal(datagrams, Request::connect(peer)), Some(437));
    let (client, _) = relaying(&mut world);
    assert_eq!(world.refusal(client, Request::bare(Method::CONNECT)), Some(400));
    assert_eq!(
        world.refusal(client, Request::connect(peer).peer("9.9.9.9:8001".parse().unwrap())),
        Some(400)
    );
    // Without credentials nothing is said.
    let bare = Request::connect(peer).write_as(Class::Request, TransactionId([1; 12]), None);
    let outcome = world.knock("198.51.100.200:7000".parse().unwrap(), &bare);
    assert_eq!(outcome, Outcome::Drop(DropReason::Unauthenticated));
}

#[test]
fn datagrams_have_no_way_into_a_tcp_allocation_or_out_of_it() {
    let mut world = world(5);
    let peer = world.echo("9.9.9.9:8000");
    let (client, relayed) = relaying(&mut world);
    world.permit(client, peer);
    assert_eq!(world.refusal(client, Request::bind(0x4000, peer)), Some(400));
    assert_eq!(world.send(client, peer, b"x"), Outcome::Drop(DropReason::RelaysTcp));
    let other = world.user("other");
    let others = world.allocate(other);
    world.permit(client, others);
    world.permit(other, relayed);
    for _ in 0..3 {
        assert!(!world.send(other, relayed, b"x").is_forward());
        world.settle();
        world.pass(2 * SECOND);
    }
    assert!(world.heard(client).is_empty());
}

#[test]
fn a_peer_is_connected_to_once() {
    let mut world = world(6);
    let (peer, closed) = (world.echo("9.9.9.9:8000"), world.closed("9.9.9.9:8001"));
    let (client, relayed) = relaying(&mut world);
    let id = connect(&mut world, client, peer);
    assert_eq!(world.refusal(client, Request::connect(peer)), Some(446));
    let data = on_stream(&mut world, "user");
    assert_eq!(world.refusal(data, Request::bind_connection(&id)), None);
    assert_eq!(world.refusal(client, Request::connect(peer)), Some(446));
    let bound = world.relay().connections()[0].0;
    world.disconnect(bound);
    connect(&mut world, client, peer);
    // One that came from there is one, too.
    world.permit(client, closed);
    assert!(world.dial(closed, relayed).is_some());
    assert_eq!(world.refusal(client, Request::connect(closed)), Some(446));
}

#[test]
fn a_peer_that_refuses_or_is_silent_is_a_failure() {
    let mut world = world(7);
    let (closed, silent) = (world.closed("9.9.9.9:8001"), "9.9.9.9:8002".parse().unwrap());
    let (client, _) = relaying(&mut world);
    let before = world.now();
    assert_eq!(world.refusal(client, Request::connect(closed)), Some(447));
    assert_eq!(world.now(), before);
    assert_eq!(world.refusal(client, Request::connect(silent)), Some(447));
    assert_eq!(world.now(), before + 30 * SECOND);
    assert_eq!(connections(&mut world), (0, 0));
    assert_eq!(world.refusal(client, Request::connect(silent)), Some(447));
    assert_eq!(world.refusal(client, Request::refresh(0)), None);
    is_over(&mut world);
}

#[test]
fn a_connection_that_nobody_takes_ends_after_thirty_seconds() {
    let mut world = world(8);
    let peer = world.echo("9.9.9.9:8000");
    let (client, relayed) = relaying(&mut world);
    world.permit(client, peer);
    let asked = connect(&mut world, client, peer);
    assert!(world.dial("9.9.9.9:9000".parse().unwrap(), relayed).is_some());
    let came = attempt(&mut world, client, "9.9.9.9:9000".parse().unwrap());
    world.pass(30 * SECOND - Duration::from_millis(1));
    assert_eq!(connections(&mut world), (2, 0));
    world.pass(Duration::from_millis(1));
    assert_eq!(connections(&mut world), (0, 0));
    for id in [asked, came] {
        let data = on_stream(&mut world, "user");
        assert_eq!(world.refusal(data, Request::bind_connection(&id)), Some(400));
    }
}

#[test]
fn a_connection_is_bound_by_its_user_once_and_on_a_connection_of_its_own() {
    let mut world = world(9);
    let peer = world.echo("9.9.9.9:8000");
    let (client, _) = relaying(&mut world);
    let id = connect(&mut world, client, peer);
    let refusal = |world: &mut World, client, id: &[u8]| world.refusal(client, Request::bind_connection(id));
    let stranger = on_stream(&mut world, "other");
    assert_eq!(refusal(&mut world, stranger, &id), Some(400));
    assert_eq!(refusal(&mut world, client, &id), Some(400));
    let datagrams = world.user("user");
    world.learn_nonce(datagrams);
    assert_eq!(refusal(&mut world, datagrams, &id), Some(400));
    let data = on_stream(&mut world, "user");
    for wrong in [&[][..], &id[..3], &[id.clone(), vec![0]].concat(), &[!id[0], id[1], id[2], id[3]]] {
        assert_eq!(refusal(&mut world, data, wrong), Some(400), "{} bytes", wrong.len());
    }
    assert_eq!(world.refusal(data, Request::bare(Method::CONNECTION_BIND)), Some(400));
    assert_eq!(refusal(&mut world, data, &id), None);
    let late = on_stream(&mut world, "user");
    assert_eq!(refusal(&mut world, late, &id), Some(400));
    assert_eq!(connections(&mut world), (1, 1));
}

#[test]
fn connections_are_limited_and_peers_leave_room_for_the_client() {
    let mut world = world(10);
    let (client, relayed) = relaying(&mut world);
    let from = |port: u16| SocketAddr::from(([9, 9, 9, 9], port));
    world.permit(client, from(1));
    let came = (2000..2100).filter(|port| world.dial(from(*port), relayed).is_some()).count();
    assert_eq!(came, 16);
    assert_eq!(world.heard(client).len(), 16);
    assert_eq!(world.relay().dropped(DropReason::TooManyConnections), 84);
    for port in 3000..3016 {
        let peer = world.echo(&format!("9.9.9.8:{port}"));
        connect(&mut world, client, peer);
    }
    assert_eq!(world.refusal(client, Request::connect(from(4000))), Some(508));
    assert_eq!(connections(&mut world), (32, 0));
    world.pass(30 * SECOND);
    assert_eq!(connections(&mut world), (0, 0));
}

#[test]
fn an_allocations_end_is_its_connections_end() {
    for end in 0..3 {
        let mut world = world(11 + end);
        let peer = world.echo("9.9.9.9:8000");
        let (client, relayed) = relaying(&mut world);
        world.permit(client, peer);
        let id = connect(&mut world, client, peer);
        let data = on_stream(&mut world, "user");
        assert_eq!(world.refusal(data, Request::bind_connection(&id)), None);
        assert!(world.dial("9.9.9.9:8001".parse().unwrap(), relayed).is_some());
        assert_eq!(connections(&mut world), (2, 1));
        match end {
            0 => assert_eq!(world.refusal(client, Request::refresh(0)), None),
            1 => world.hang_up(client),
            _ => world.pass(600 * SECOND),
        }
        is_over(&mut world);
        assert_eq!(world.dial(peer, relayed), None);
    }
}

#[test]
fn a_sessions_end_is_its_connections_end_at_once() {
    let setup = Setup { tcp: true, session_peers: PeerPolicy::Public, ..Setup::new(15) };
    let mut world = World::with(setup);
    let peer = world.echo("9.9.9.9:8000");
    let [client, data] = [1, 1].map(|session| {
        let side = world.person(session, Side::A);
        world.by_stream(side)
    });
    assert_eq!(world.refusal(client, Request::allocate_tcp()), None);
    let another = world.echo("9.9.9.9:8001");
    let [bound, pending] = [peer, another].map(|peer| connect(&mut world, client, peer));
    assert_eq!(world.refusal(data, Request::bind_connection(&bound)), None);
    world.end_session(1);
    is_over(&mut world);
    // What was on its way is refused.
    let late = world.person(1, Side::A);
    let late = world.by_stream(late);
    assert_eq!(world.refusal(late, Request::bind_connection(&pending)), Some(401));
}

#[test]
fn two_clients_of_the_relay_may_be_each_others_peers() {
    let mut world = world(16);
    let (one, from) = relaying(&mut world);
    let (other, to) = relaying(&mut world);
    world.permit(other, from);
    let peer = world.echo(&to.to_string());
    connect(&mut world, one, peer);
    // The relay's own address is the source.
    assert!(world.dial(from, to).is_some());
    attempt(&mut world, other, from);
    // Nobody else on this machine is a peer, nor an allocation of UDP.
    let udp = world.user("other");
    let udp = world.allocate(udp);
    assert_eq!(world.refusal(one, Request::connect(udp)), Some(403));
    assert_eq!(world.dial(SocketAddr::new(to.ip(), 40_000), to), None);
    assert_eq!(world.dial(udp, to), None);
}

#[test]
fn both_families_may_relay_tcp() {
    let mut world = world(17);
    let client = on_stream(&mut world, "user");
    let granted = world.ask(client, Request::allocate_tcp().both_families()).expect("both");
    assert_eq!(granted.all_relayed().len(), 2);
    for peer in ["9.9.9.9:8000", "[2a00:1450::1]:8000"] {
        let peer = world.echo(peer);
        connect(&mut world, client, peer);
    }
    world.hang_up(client);
    is_over(&mut world);
}
