//! Whoever proves nothing gets no more than relay.md §3 allows: rows 63, 64 and 68.

use std::net::SocketAddr;

use sim::{DropReason, Outcome, Request, Signature, World};
use stun_wire::{AttributeType, Class, Message, Method, TransactionId};

const ID: TransactionId = TransactionId([9; 12]);

/// The reply to a request; `None` for silence.
fn answer(
    world: &mut World,
    from: &str,
    request: &Request,
    signature: Option<&Signature>,
) -> Option<Vec<u8>> {
    match world.knock(from.parse().expect("a source of this test"), &request.write(ID, signature)) {
        Outcome::Reply(reply) => Some(reply),
        Outcome::Drop(reason) => {
            assert_eq!(reason, DropReason::Unauthenticated);
            None
        }
        _ => panic!("a request is answered now or dropped"),
    }
}

#[test]
fn rows_63_and_64_a_binding_answer_is_32_or_44_bytes() {
    let mut world = World::new(1);
    for (from, bytes) in [("198.18.0.1:5000", 32), ("[2001:db8:7::1]:5000", 44)] {
        let reply = answer(&mut world, from, &Request::bare(Method::BINDING), None).unwrap();
        assert_eq!(reply.len(), bytes);
        let reply = Message::parse(&reply).unwrap();
        let mapped = reply.find(AttributeType::XOR_MAPPED_ADDRESS).unwrap();
        assert_eq!(stun_wire::decode_xor_address(mapped, ID), Ok(from.parse::<SocketAddr>().unwrap()));
        // That and nothing else.
        assert_eq!(reply.attributes().count(), 1);
    }
}

#[test]
fn row_63_a_binding_request_that_is_not_understood_gets_28_bytes() {
    let mut world = World::new(2);
    let mut request = Request::bare(Method::BINDING);
    for unknown in 0..60 {
        request = request.with(AttributeType(0x7000 + unknown), b"four");
    }
    let reply = answer(&mut world, "198.18.0.1:5000", &request, None).unwrap();
    assert_eq!(reply.len(), 28);
    assert_eq!(Outcome::Reply(reply).code(), Some(420));
}

#[test]
fn row_68_only_an_allocate_worth_it_earns_a_challenge() {
    let mut world = World::new(3);
    let from = "198.18.0.1:5000";
    assert_eq!(answer(&mut world, from, &Request::bare(Method::ALLOCATE), None), None);
    for method in [Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND] {
        let long = Request::bare(method).with(AttributeType::SOFTWARE, &[b'x'; 500]);
        for request in [Request::bare(method), long] {
            assert_eq!(answer(&mut world, from, &request, None), None, "{method:?}");
        }
    }
    assert_eq!(answer(&mut world, from, &Request::allocate(), None).map(|reply| reply.len()), Some(60));
}

#[test]
fn row_63_forged_requests_get_no_more_than_they_are_long() {
    let mut world = World::new(4);
    let forged = |username: usize, nonce: usize| Signature {
        username: vec![b'u'; username],
        password: b"guess".to_vec(),
        realm: b"ginnel".to_vec(),
        nonce: vec![b'A'; nonce],
        algorithms: None,
    };
    // A 438 where the request is as long, 400 in 28 bytes where a field is too long to be one.
    for (username, nonce, bytes) in
        [(0, 0, Some(60)), (4, 16, Some(60)), (508, 763, Some(60)), (509, 16, Some(28)), (4, 764, Some(28))]
    {
        for method in [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND] {
            let signature = forged(username, nonce);
            let request = Request::bare(method);
            let length = request.write(ID, Some(&signature)).len();
            let reply = answer(&mut world, "198.18.0.1:5000", &request, Some(&signature));
            assert_eq!(reply.as_ref().map(Vec::len), bytes);
            assert!(reply.is_none_or(|reply| reply.len() <= length));
        }
    }
    assert!(world.relay().is_empty());
}

#[test]
fn integrity_without_a_name_is_a_bad_request_of_28_bytes() {
    let mut world = World::new(5);
    let mut message = Vec::new();
    stun_wire::MessageWriter::new(&mut message, Class::Request, Method::REFRESH, ID)
        .integrity(&stun_wire::IntegrityKey::short_term(b"key"));
    let outcome = world.knock("198.18.0.1:5000".parse().unwrap(), &message);
    assert_eq!(outcome.code(), Some(400));
    assert!(matches!(outcome, Outcome::Reply(reply) if reply.len() == 28));
}
