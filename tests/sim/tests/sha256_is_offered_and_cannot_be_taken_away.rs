//! Where SHA-256 is configured it is offered, taken and answered in kind; whoever takes the offer out on the
//! way is found out. Rows 30 and 63, RFC 8489 §9.2.1, §9.2.4.

use std::net::SocketAddr;

use sim::{Outcome, PasswordAlgorithm, Request, Setup, Side, Signature, World};
use stun_wire::{AttributeType, Integrity, Message, TransactionId};

const ID: TransactionId = TransactionId([9; 12]);

fn world(seed: u64, password_algorithms: &[PasswordAlgorithm]) -> World {
    World::with(Setup { password_algorithms: password_algorithms.to_vec(), ..Setup::new(seed) })
}

const BOTH: [PasswordAlgorithm; 2] = [PasswordAlgorithm::Md5, PasswordAlgorithm::Sha256];

#[test]
fn who_can_speaks_sha256_from_the_first_allocate_to_the_last_refresh() {
    let mut world = world(1, &BOTH);
    for client in [world.person(1, Side::A), world.user("user")] {
        for request in [Request::allocate(), Request::refresh(600), Request::refresh(0)] {
            let granted = world.ask(client, request).ok().unwrap();
            let answer = granted.message();
            assert!(answer.has(Integrity::Sha256) && !answer.has(Integrity::Sha1));
        }
        let (told, chosen) = world.of(client).signature().unwrap().algorithms.clone().unwrap();
        assert_eq!((&told[..], chosen), (&[0, 2, 0, 0, 0, 1, 0, 0][..], PasswordAlgorithm::Sha256));
    }
}

#[test]
fn a_browser_goes_on_as_ever() {
    let mut world = world(2, &BOTH);
    let alice = world.person(1, Side::A);
    world.learn_nonce(alice);
    let browser = Signature { algorithms: None, ..world.of(alice).signature().unwrap().clone() };
    let from = world.address(alice);
    for request in [Request::allocate(), Request::refresh(600)] {
        let Outcome::Reply(reply) = world.knock(from, &request.write(ID, Some(&browser))) else { panic!() };
        let answer = Message::parse(&reply).unwrap();
        assert!(answer.find(AttributeType::LIFETIME).is_some());
        assert!(answer.has(Integrity::Sha1) && !answer.has(Integrity::Sha256));
    }
}

#[test]
fn row_63_a_challenge_has_80_bytes_with_the_choice_and_60_without() {
    let from: SocketAddr = "198.18.0.1:5000".parse().unwrap();
    for (algorithms, bytes, cookie) in
        [(&BOTH[..], 80, true), (&BOTH[1..], 76, true), (&BOTH[..1], 60, false), (&[][..], 60, false)]
    {
        let mut world = world(3, algorithms);
        let Outcome::Reply(reply) = world.knock(from, &Request::allocate().write(ID, None)) else { panic!() };
        assert_eq!((reply.len(), Outcome::Reply(reply.clone()).code()), (bytes, Some(401)));
        let answer = Message::parse(&reply).unwrap();
        assert_eq!(answer.find(AttributeType::PASSWORD_ALGORITHMS).is_some(), cookie);
        let nonce = answer.find(AttributeType::NONCE).unwrap();
        // Bit 0, the rightmost: password algorithms. Bit 1, username anonymity, is not promised.
        assert_eq!(nonce.starts_with(b"obMatJos2AAAB"), cookie);
    }
}

#[test]
fn row_30_an_offer_that_was_changed_on_the_way_is_refused() {
    let mut world = world(4, &BOTH);
    let alice = world.person(1, Side::A);
    world.learn_nonce(alice);
    let signature = world.of(alice).signature().unwrap().clone();
    let from = world.address(alice);
    let with = |algorithms| Signature { algorithms, ..signature.clone() };
    let nonce = |nonce: &[u8]| Signature { nonce: nonce.to_vec(), ..signature.clone() };
    let md5_only = Some((vec![0, 1, 0, 0], PasswordAlgorithm::Md5));
    let swapped = Some((vec![0, 1, 0, 0, 0, 2, 0, 0], PasswordAlgorithm::Md5));
    let stripped = nonce(&signature.nonce[13..]);
    let other_bits = nonce(&[b"obMatJos2AAAA", &signature.nonce[13..]].concat());
    for (signature, code) in [
        (with(md5_only), 400),
        (with(swapped), 400),
        (stripped, 438),
        (other_bits, 438),
        (signature.clone(), 0),
    ] {
        let outcome = world.knock(from, &Request::allocate().write(ID, Some(&signature)));
        assert_eq!(outcome.code().unwrap_or(0), code);
    }
}

#[test]
fn row_30_without_md5_nobody_gets_in_by_sha1() {
    let mut world = world(5, &BOTH[1..]);
    let alice = world.person(1, Side::A);
    world.learn_nonce(alice);
    let signature = world.of(alice).signature().unwrap().clone();
    let from = world.address(alice);
    let browser = Signature { algorithms: None, ..signature };
    assert_eq!(world.knock(from, &Request::allocate().write(ID, Some(&browser))).code(), Some(400));
    assert_eq!(world.refusal(alice, Request::allocate()), None);
}
