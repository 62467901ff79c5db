//! What a request says counts as far as its integrity covers it, and names that are wrong tell nobody
//! anything. Rows 28, 29, 31, 40 and 41, RFC 8489 §14.5, §14.6.

use std::net::SocketAddr;

use sim::{Outcome, Request, Side, Signature, World};
use stun_wire::{AttributeType, TransactionId};

const ID: TransactionId = TransactionId([9; 12]);

/// A world in which somebody has a nonce, where they are, and how they sign.
fn acquainted(seed: u64) -> (World, SocketAddr, Signature) {
    let mut world = World::new(seed);
    let alice = world.person(1, Side::A);
    world.learn_nonce(alice);
    let (from, signature) = (world.address(alice), world.of(alice).signature().expect("a nonce").clone());
    (world, from, signature)
}

fn append(message: &mut Vec<u8>, kind: AttributeType, value: &[u8]) {
    message.extend(kind.0.to_be_bytes());
    message.extend(u16::try_from(value.len()).expect("a short value").to_be_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
    let length = u16::try_from(message.len() - 20).expect("a message that fits a datagram");
    message[2..4].copy_from_slice(&length.to_be_bytes());
}

#[test]
fn row_29_what_is_appended_behind_integrity_has_no_effect() {
    let (mut world, from, signature) = acquainted(1);
    assert_eq!(world.knock(from, &Request::allocate().write(ID, Some(&signature))).code(), None);
    for (kind, value) in [
        (AttributeType::LIFETIME, &[0; 4][..]),
        (AttributeType::USERNAME, b"somebody else"),
        (AttributeType::XOR_PEER_ADDRESS, &[0; 8]),
        (AttributeType::CHANNEL_NUMBER, &[0x40, 0, 0, 0]),
        (AttributeType::NONCE, b""),
        (AttributeType::MESSAGE_INTEGRITY, &[0; 20]),
        (AttributeType(0x7FFF), b"required, and unknown"),
    ] {
        let mut request = Request::refresh(600).write(TransactionId([10; 12]), Some(&signature));
        append(&mut request, kind, value);
        let outcome = world.knock(from, &request);
        assert!(matches!(outcome, Outcome::Reply(_)) && outcome.code().is_none(), "{kind:?}");
    }
    assert_eq!(world.relay().counters().allocations, 1);
}

#[test]
fn row_28_a_second_integrity_attribute_that_is_wrong_is_fatal_only_if_it_is_the_stronger() {
    let (mut world, from, signature) = acquainted(2);
    for (kind, bytes, code) in [
        (AttributeType::MESSAGE_INTEGRITY, 20, None),
        (AttributeType::MESSAGE_INTEGRITY_SHA256, 32, Some(401)),
        (AttributeType::MESSAGE_INTEGRITY_SHA256, 16, Some(401)),
    ] {
        let mut request = Request::allocate().write(ID, Some(&signature));
        append(&mut request, kind, &vec![0; bytes]);
        assert_eq!(world.knock(from, &request).code(), code, "{kind:?} {bytes}");
    }
}

#[test]
fn row_31_a_wrong_name_is_answered_like_a_wrong_password() {
    let (mut world, from, signature) = acquainted(3);
    let mut answers = Vec::new();
    let session = String::from_utf8(signature.username.clone()).unwrap();
    for name in [&session, "user", "nobody", "1900000000:nobody", "1900000000", ""] {
        let guess = Signature { username: name.into(), password: b"guess".to_vec(), ..signature.clone() };
        let outcome = world.knock(from, &Request::allocate().write(ID, Some(&guess)));
        let Outcome::Reply(reply) = outcome else { panic!("silence for {name}") };
        answers.push(reply);
    }
    assert_eq!(Outcome::Reply(answers[0].clone()).code(), Some(401));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
}

#[test]
fn row_40_names_of_every_size_and_kind_are_refused_alike() {
    let (mut world, from, signature) = acquainted(4);
    let names = [
        (vec![], 401),
        (vec![b'u'; 1], 401),
        (vec![b'u'; 508], 401),
        (vec![b'u'; 509], 400),
        (vec![b'u'; 513], 400),
        (vec![b'u'; 763], 400),
        (vec![b'u'; 60_000], 400),
        (b"\xFF\xFE\x80".to_vec(), 401),
        (b"a\r\nb".to_vec(), 401),
        (b"%s%n".to_vec(), 401),
        (b"\x1B[2J".to_vec(), 401),
        ("\u{202E}resu".into(), 401),
    ];
    for (username, code) in names {
        let shown = username.len();
        let signature = Signature { username, ..signature.clone() };
        let outcome = world.knock(from, &Request::allocate().write(ID, Some(&signature)));
        assert_eq!(outcome.code(), Some(code), "{shown} bytes");
    }
    assert!(world.relay().is_empty());
}

#[test]
fn row_41_attributes_of_other_ways_to_authenticate_change_nothing() {
    let (mut world, from, signature) = acquainted(5);
    let plain = world.knock(from, &Request::allocate().write(ID, None));
    let (origin, third_party, token) = (AttributeType(0x802F), AttributeType(0x802E), AttributeType(0x001B));
    let crowded = Request::allocate().with(origin, b"https://example.org").with(third_party, b"server");
    let with_token = crowded.clone().with(token, &[0xFF; 200]);
    for request in [&crowded, &with_token] {
        let Outcome::Reply(reply) = world.knock(from, &request.write(ID, None)) else { panic!() };
        assert!(matches!(&plain, Outcome::Reply(plain) if *plain == reply));
    }
    assert!(world.relay().is_empty());
    // Signed, the token is an attribute that must be understood and is not.
    assert_eq!(world.knock(from, &with_token.write(ID, Some(&signature))).code(), Some(420));
    assert_eq!(world.knock(from, &crowded.write(ID, Some(&signature))).code(), None);
}
