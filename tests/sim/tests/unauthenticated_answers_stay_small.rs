//! Whoever proves nothing gets no more than relay.md §3 allows: row 63 where there is a choice of algorithms.

use sim::{DropReason, Outcome, PasswordAlgorithm, Request, Setup, Signature, World};
use stun_wire::{Class, Method, TransactionId};

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

/// The smallest request that holds what a signed one must, beside an answer that offers a choice.
#[test]
fn row_63_a_438_longer_than_its_request_is_not_sent() {
    let algorithms = vec![PasswordAlgorithm::Md5, PasswordAlgorithm::Sha256];
    let mut world = World::with(Setup { password_algorithms: algorithms, ..Setup::new(6) });
    let mut lengths = Vec::new();
    for nonce in (0..40).step_by(4) {
        let signature = Signature {
            username: b"u".to_vec(),
            password: b"guess".to_vec(),
            realm: Vec::new(),
            nonce: vec![b'A'; nonce],
            algorithms: None,
        };
        let request = Request::bare(Method::REFRESH);
        let length = request.write(ID, Some(&signature)).len();
        match answer(&mut world, "198.18.0.1:5000", &request, Some(&signature)) {
            Some(reply) => lengths.push((length, reply.len())),
            None => assert!(length < 80 && lengths.is_empty()),
        }
    }
    // From the first request that is as long.
    assert_eq!(lengths[0], (80, 80));
    assert_eq!(lengths.len(), 5);
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
