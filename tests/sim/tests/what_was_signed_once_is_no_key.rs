//! Rows 35, 38, 39, 40, 41 and 104: recorded requests, stepped clocks, strange names, foreign attributes.

use std::time::Duration;

use sim::{ClientId, Outcome, Request, Side, Signature, World};
use stun_wire::{AttributeType, Method, TransactionId};
use turn_core::Credential;

/// How somebody who has been challenged signs.
fn signature(world: &mut World, client: ClientId) -> Signature {
    world.of(client).signature().expect("it was challenged").clone()
}

#[test]
fn row_35_a_recorded_request_raises_no_allocation_from_the_dead_once_its_nonce_is_stale() {
    let mut world = World::new(1);
    let alice = world.person(1, Side::A);
    world.take_record();
    world.allocate(alice);
    let sent = |it: &sim::Packet| it.to.port() == sim::RELAY_PORT;
    let recorded: Vec<sim::Packet> = world.take_record().into_iter().filter(sent).collect();
    assert_eq!(world.refusal(alice, Request::refresh(0)), None);
    world.pass(Duration::from_secs(610));
    for packet in &recorded {
        let outcome = world.knock(packet.from, &packet.datagram);
        assert!(matches!(outcome.code(), Some(401 | 438)));
    }
    assert!(world.relay().is_empty());
}

#[test]
fn row_35_recorded_changes_change_nothing_after_deletion() {
    let mut world = World::new(2);
    let [alice, bob] = world.couple(1);
    let peer = world.relayed(bob);
    let (from, signature) = (world.address(alice), signature(&mut world, alice));
    let recorded = [Request::refresh(600), Request::permit(&[peer]), Request::bind(0x4000, peer)]
        .map(|request| request.write(TransactionId([7; 12]), Some(&signature)));
    for datagram in &recorded {
        assert_eq!(world.knock(from, datagram).code(), None);
    }
    assert_eq!(world.refusal(alice, Request::refresh(0)), None);
    for datagram in &recorded {
        assert_eq!(world.knock(from, datagram).code(), Some(437));
    }
    assert_eq!(world.relay().counters().allocations, 1, "that of the other side");
}

#[test]
fn row_39_a_credential_opens_its_own_session_only() {
    let mut world = World::new(3);
    let stranger = world.couple(1)[0];
    let bob = world.couple(2)[1];
    let (from, to) = (world.relayed(stranger), world.relayed(bob));
    world.permit(stranger, to);
    world.permit(bob, from);
    world.settle();
    assert!(!world.send(stranger, to, b"x").is_routed());
    assert_eq!(world.heard(bob), []);
}

#[test]
fn row_40_names_of_every_length_and_content_are_unknown() {
    let mut world = World::new(4);
    let contents: [&[u8]; 6] =
        [b"%s%n", b"a\r\nb", b"\x1b[2J", b"\xff\xfe", "\u{202e}abc".as_bytes(), b"a\0b"];
    let lengths = [0, 1, 507, 508].map(|length| vec![b'u'; length]);
    for username in lengths.into_iter().chain(contents.map(<[u8]>::to_vec)) {
        let client = world.person(1, Side::A);
        world.learn_nonce(client);
        let signature = Signature { username, password: b"guess".to_vec(), ..signature(&mut world, client) };
        let request = Request::allocate().write(TransactionId([5; 12]), Some(&signature));
        let from = world.address(client);
        assert_eq!(world.knock(from, &request).code(), Some(401), "{} bytes", signature.username.len());
    }
    for length in [509, 513, 763, 60_000] {
        let client = world.person(1, Side::A);
        world.learn_nonce(client);
        let signature = Signature { username: vec![b'u'; length], ..signature(&mut world, client) };
        let request = Request::allocate().write(TransactionId([5; 12]), Some(&signature));
        let from = world.address(client);
        assert_eq!(world.knock(from, &request).code(), Some(400), "{length} bytes");
    }
    assert!(world.relay().is_empty());
}

#[test]
fn row_41_origin_and_tokens_before_authentication_are_ignored() {
    let mut world = World::new(5);
    let from = "198.18.60.1:5000".parse().unwrap();
    let (origin, third_party, token) = (AttributeType(0x802F), AttributeType(0x802E), AttributeType(0x001B));
    for (kind, value) in [(origin, "https://example.org"), (third_party, "a"), (token, "not a token")] {
        let request = Request::allocate().with(kind, value.as_bytes()).write(TransactionId([6; 12]), None);
        let Outcome::Reply(reply) = world.knock(from, &request) else { panic!("it is challenged") };
        assert_eq!(reply.len(), 60);
    }
    assert!(world.relay().is_empty());
}

#[test]
fn row_52_what_nobody_knows_is_listed_to_the_authenticated_only() {
    let mut world = World::new(6);
    let alice = world.person(1, Side::A);
    world.learn_nonce(alice);
    let many = |count| (0..count).fold(Request::allocate(), |it, n| it.with(AttributeType(0x7000 + n), b""));
    let (from, signature) = (world.address(alice), signature(&mut world, alice));
    let before = world.relay().counters().errors;
    for count in [1, 50] {
        let request = many(count);
        let unsigned = world.knock(from, &request.write(TransactionId([1; 12]), None));
        assert_eq!(unsigned.code(), Some(401), "strangers get no list");
        let refused = world.knock(from, &request.write(TransactionId([2; 12]), Some(&signature)));
        assert_eq!(refused.code(), Some(420));
        let Outcome::Reply(reply) = refused else { panic!("420 is a reply") };
        let reply = stun_wire::Message::parse(&reply).unwrap();
        let list = reply.find(AttributeType::UNKNOWN_ATTRIBUTES).unwrap();
        assert_eq!(list.len(), 2 * usize::from(count));
    }
    assert_eq!(world.relay().counters().errors, before + 4);
}

#[test]
fn row_104_a_nonce_is_checked_before_a_password() {
    let mut world = World::new(7);
    let credential = world.credential(1, Side::A, world.unix_s() + 60);
    for password in [&credential.password, "wrong"] {
        let signature = Signature {
            username: credential.username.clone().into_bytes(),
            password: password.into(),
            realm: b"ginnel".to_vec(),
            nonce: b"AAAAAAAAAAAAAAAA".to_vec(),
            algorithms: None,
        };
        let request = Request::bare(Method::ALLOCATE).write(TransactionId([8; 12]), Some(&signature));
        assert_eq!(world.knock("198.18.61.1:5000".parse().unwrap(), &request).code(), Some(438));
    }
    let forged = Credential { username: credential.username, password: "wrong".into() };
    let mallory = world.client(&forged);
    assert_eq!(world.refusal(mallory, Request::allocate()), Some(401));
}
