//! Rows 27, 31 and 32: who guesses passwords is soon not looked at, who shares a network with such a one gets
//! in all the same, and a wrong password costs the server the same whoever's it is not.

use std::net::SocketAddr;
use std::time::Duration;

use sim::{DropReason, Outcome, Request, Side, Signature, World};
use stun_wire::{AttributeType, Message, TransactionId};
use turn_core::limits::{
    ANSWER_BURST_S, FAILURE_CHANCES_PER_ADDRESS_S, FAILURE_CHANCES_PER_PREFIX_S, FAILURE_CHANCES_S,
    FAILURES_PER_ADDRESS_S, FAILURES_PER_PREFIX_S, FAILURES_S,
};

/// How somebody at an address signs: with a nonce that it was sent there.
fn signature(world: &mut World, from: SocketAddr, username: &str, password: &str) -> Signature {
    let challenge = world.knock(from, &Request::allocate().write(TransactionId([1; 12]), None));
    let Outcome::Reply(challenge) = challenge else { panic!("no challenge for {from}") };
    let challenge = Message::parse(&challenge).expect("an answer of ours");
    let nonce = challenge.find(AttributeType::NONCE).expect("a challenge").to_vec();
    Signature {
        username: username.into(),
        password: password.into(),
        realm: b"ginnel".to_vec(),
        nonce,
        algorithms: None,
    }
}

/// How many of so many guesses from one address are looked at.
fn guess(world: &mut World, from: SocketAddr, count: u32) -> u32 {
    let wrong = signature(world, from, "user", "guess");
    let is_looked_at = |id: &u32| {
        let mut transaction = [7; 12];
        transaction[..4].copy_from_slice(&id.to_be_bytes());
        match world.knock(from, &Request::allocate().write(TransactionId(transaction), Some(&wrong))) {
            Outcome::Drop(DropReason::OverFailures) => false,
            outcome => {
                assert_eq!(outcome.code(), Some(401));
                true
            }
        }
    };
    u32::try_from((0..count).filter(is_looked_at).count()).expect("no more than were sent")
}

/// How many times somebody with the right password has to ask until it gets in.
fn tries(world: &mut World, from: SocketAddr, session: u8) -> Option<u8> {
    let credential = world.credential(session, Side::A, world.unix_s() + 600);
    let right = signature(world, from, &credential.username, &credential.password);
    (1..=100).find(|id| {
        let request = Request::allocate().write(TransactionId([*id; 12]), Some(&right));
        match world.knock(from, &request) {
            Outcome::Drop(DropReason::OverFailures) => false,
            outcome => {
                assert!(outcome.code().is_none(), "{:?}", outcome.code());
                true
            }
        }
    })
}

/// Whether somebody with the right password is let in at once.
fn is_let_in(world: &mut World, from: SocketAddr, session: u8) -> bool {
    let credential = world.credential(session, Side::A, world.unix_s() + 600);
    let right = signature(world, from, &credential.username, &credential.password);
    let outcome = world.knock(from, &Request::allocate().write(TransactionId([1; 12]), Some(&right)));
    assert!(outcome.code().is_none());
    outcome != Outcome::Drop(DropReason::OverFailures)
}

fn address(network: u32, host: u8, port: u16) -> SocketAddr {
    let [_, second, third, _] = network.to_be_bytes();
    SocketAddr::from(([20, second, third, host], port))
}

#[test]
fn row_32_from_one_network_a_few_guesses_are_looked_at_however_many_come() {
    let mut world = World::new(1);
    let guesser = address(0, 1, 5000);
    let within = |per_s: u32, seconds: u32| per_s * (ANSWER_BURST_S + seconds);
    let of_address = FAILURES_PER_ADDRESS_S + FAILURE_CHANCES_PER_ADDRESS_S;
    let at_once = guess(&mut world, guesser, 10_000);
    assert!((2 * FAILURES_PER_ADDRESS_S / 2..=within(of_address, 0)).contains(&at_once), "{at_once}");
    assert_eq!(world.relay().counters().failures, u64::from(at_once));
    let mut looked_at = at_once;
    for _ in 0..10 {
        world.pass(Duration::from_secs(1));
        looked_at += guess(&mut world, guesser, 1_000);
    }
    assert!(looked_at <= within(of_address, 10), "{looked_at}");
    // From other addresses of its network the rest of the network's budget, and then as few.
    let others: u32 = (2..100).map(|host| guess(&mut world, address(0, host, 5000), 100)).sum();
    assert!(others <= within(FAILURES_PER_PREFIX_S + FAILURE_CHANCES_PER_PREFIX_S, 0), "{others}");
}

#[test]
fn row_32_somebody_at_the_guessers_address_gets_in_and_who_is_in_notices_nothing() {
    let mut world = World::new(2);
    let inside = address(0, 1, 7000);
    let credential = world.credential(1, Side::A, world.unix_s() + 600);
    assert_eq!(tries(&mut world, inside, 1), Some(1));
    let mut needed = Vec::new();
    for session in 2..=60 {
        // Somebody who guesses twice as often as is looked at.
        let guesses = |world: &mut World| guess(world, address(0, 1, 5000), 3);
        let tried = (1..=7).find(|_| {
            for _ in 0..4 {
                guesses(&mut world);
                world.pass(Duration::from_millis(125));
            }
            is_let_in(&mut world, address(0, 1, 8000 + u16::from(session)), session)
        });
        needed.push(tried.unwrap_or(8));
    }
    // RFC 8489 §6.2.1: a request is sent seven times.
    let within = needed.iter().filter(|tries| **tries <= 7).count();
    assert!(within * 10 >= needed.len() * 9, "{needed:?}");
    // However large the flood, those on streams are counted for themselves.
    guess(&mut world, address(0, 1, 5000), 10_000);
    let newcomer = world.client_with_address(address(0, 1, 9000), &world.credential(70, Side::A, u64::MAX));
    let newcomer = world.by_stream(newcomer);
    world.allocate(newcomer);
    let right = signature(&mut world, inside, &credential.username, &credential.password);
    for id in 100..200 {
        let refresh = Request::refresh(600).write(TransactionId([id; 12]), Some(&right));
        let outcome = world.knock(inside, &refresh);
        assert!(matches!(outcome, Outcome::Reply(_)) && outcome.code().is_none());
    }
}

#[test]
fn row_32_from_a_thousand_networks_others_are_looked_at_the_first_time() {
    let mut world = World::new(3);
    let all: u32 = (0..1_000).map(|network| guess(&mut world, address(network << 8, 1, 5000), 10)).sum();
    // The first guess of each network that comes after the burst, and a few of the rest.
    let burst = 2 * FAILURES_S;
    let first = 1_000 - burst / 10;
    assert!(all.abs_diff(burst + first + 2 * FAILURE_CHANCES_S) < 300, "{all}");
    let at_once = |session: &u8| {
        tries(&mut world, address((1_000 + u32::from(*session)) << 8, 1, 5000), *session) == Some(1)
    };
    // Some share their place in the table with a network of guessers.
    let at_once = (1..100).filter(at_once).count();
    assert!(at_once > 80, "{at_once}");
    world.pass(Duration::from_secs(3));
    assert_eq!(tries(&mut world, address(0, 1, 6000), 100), Some(1), "it is over when it is over");
}

#[test]
fn rows_27_and_31_a_wrong_password_costs_as_much_as_an_unknown_name_and_as_any_wrong_byte() {
    let mut world = World::new(4);
    let from = address(0, 1, 5000);
    let cost = |world: &mut World, datagram: &[u8]| {
        let before = world.relay().counters().clone();
        let Outcome::Reply(reply) = world.knock(from, datagram) else { panic!("silence") };
        let after = world.relay().counters();
        (after.proofs - before.proofs, after.failures - before.failures, reply.len())
    };
    let known = signature(&mut world, from, "user", "guess");
    for username in ["user", "nobody", "usex", "", "a name of another length"] {
        let wrong = Signature { username: username.into(), ..known.clone() };
        let datagram = Request::allocate().write(TransactionId([2; 12]), Some(&wrong));
        assert_eq!(cost(&mut world, &datagram), (1, 1, 60), "{username}");
        world.pass(Duration::from_secs(1));
    }
    let right = Signature { password: b"password".to_vec(), ..known };
    let signed = Request::allocate().write(TransactionId([3; 12]), Some(&right));
    for place in 1..=20 {
        let mut datagram = signed.clone();
        let at = datagram.len() - place;
        datagram[at] ^= 1;
        assert_eq!(cost(&mut world, &datagram), (1, 1, 60), "{place} bytes from the end");
        world.pass(Duration::from_secs(1));
    }
}
