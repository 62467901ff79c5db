//! Rows 45, 49, 50, 53 and 90: noise of every kind, from strangers and from the addresses of those who talk.
//! No panic, no answer that was not earned, no state.

use std::net::SocketAddr;

use sim::{ClientId, DropReason, Outcome, Random, Request, World};
use stun_wire::{AttributeType, Class, Method, TransactionId};

const ID: TransactionId = TransactionId([1; 12]);

/// A couple that talks, and a stranger's address.
fn talking(seed: u64) -> (World, [ClientId; 2], SocketAddr) {
    let mut world = World::new(seed);
    let [alice, bob] = world.couple(1);
    let [from, to] = [world.relayed(alice), world.relayed(bob)];
    world.bind(alice, 0x4000, to);
    world.bind(bob, 0x4000, from);
    world.settle();
    (world, [alice, bob], SocketAddr::from(([198, 18, 99, 1], 5000)))
}

fn still_talking(world: &mut World, [alice, bob]: [ClientId; 2]) {
    assert!(world.send_channel(alice, 0x4000, b"still here").is_routed());
    assert_eq!(world.heard(bob), [sim::Heard::channel(0x4000, b"still here")]);
    assert_eq!(world.relay().counters().allocations, 2);
}

#[test]
fn row_53_all_classes_of_all_methods() {
    let (mut world, couple, stranger) = talking(1);
    let known = [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND];
    for from in [stranger, world.address(couple[0])] {
        for number in 0..0x1000 {
            for class in [Class::Request, Class::Indication, Class::Success, Class::Error] {
                let method = Method::new(number);
                let expected = match (class, method) {
                    // RFC 7983 leaves STUN the first bytes 0 to 3, which is all methods that exist.
                    _ if number >= 0x100 => Some(DropReason::NotStun),
                    (Class::Request, Method::BINDING) => None,
                    (Class::Request, _) if known.contains(&method) => Some(DropReason::Unauthenticated),
                    (Class::Indication, Method::SEND) if from == stranger => Some(DropReason::NoAllocation),
                    (Class::Indication, Method::SEND) => Some(DropReason::BadMessage),
                    _ => Some(DropReason::NotARequest),
                };
                let outcome = world.knock(from, &Request::bare(method).write_as(class, ID, None));
                match expected {
                    Some(reason) => assert_eq!(outcome, Outcome::Drop(reason), "{class:?} {method:?}"),
                    None => assert!(matches!(outcome, Outcome::Reply(_))),
                }
            }
        }
    }
    still_talking(&mut world, couple);
}

#[test]
fn row_45_every_truncation_of_a_long_request() {
    let (mut world, couple, stranger) = talking(2);
    let signature = world.of(couple[0]).signature().cloned();
    let whole = Request::refresh(0).with(AttributeType::SOFTWARE, &[b'x'; 80]).write(ID, signature.as_ref());
    assert!(whole.len() > 200);
    for from in [stranger, world.address(couple[0])] {
        for end in 0..whole.len() {
            let outcome = world.knock(from, &whole[..end]);
            let expected = if end == 0 { DropReason::NotStun } else { DropReason::BadMessage };
            assert_eq!(outcome, Outcome::Drop(expected), "{end} bytes");
        }
    }
    still_talking(&mut world, couple);
}

#[test]
fn rows_49_and_50_every_first_byte_and_wrong_cookies() {
    let (mut world, couple, stranger) = talking(3);
    for first in 0..=255 {
        let mut datagram = [0xA5; 64];
        datagram[0] = first;
        let expected = match first {
            0..=3 => DropReason::BadMessage,
            64..=127 => DropReason::NoAllocation,
            _ => DropReason::NotStun,
        };
        assert_eq!(world.knock(stranger, &datagram), Outcome::Drop(expected), "{first}");
    }
    let mut old = Request::bare(Method::BINDING).write(ID, None);
    old[4..8].copy_from_slice(&[0; 4]);
    assert_eq!(world.knock(stranger, &old), Outcome::Drop(DropReason::BadMessage));
    still_talking(&mut world, couple);
}

#[test]
fn random_bytes_and_bent_requests_change_nothing() {
    let (mut world, couple, stranger) = talking(4);
    let mut random = Random::new(5);
    let signature = world.of(couple[0]).signature().cloned();
    let whole = Request::refresh(0).write(ID, signature.as_ref());
    let sources = [stranger, world.address(couple[0])];
    for _ in 0..5000 {
        let from = *random.pick(&sources).unwrap();
        let noise: Vec<u8> = (0..random.below(200)).map(|_| random.u64() as u8).collect();
        let outcome = world.knock(from, &noise);
        assert!(matches!(outcome, Outcome::Drop(_)) || outcome.is_routed());
        // One bit of a signed deletion: no such message deletes anything.
        let mut bent = whole.clone();
        let at = random.below(bent.len() as u64) as usize;
        bent[at] ^= 1 << random.below(8);
        let _ = world.knock(from, &bent);
    }
    world.heard(couple[1]);
    still_talking(&mut world, couple);
}

#[test]
fn row_90_a_flood_of_strangers_leaves_nothing() {
    let mut world = World::new(6);
    let mut random = Random::new(7);
    for n in 0..20_000_u64 {
        let ip = std::net::Ipv4Addr::from_bits(0x0B00_0000 + random.below(1 << 24) as u32);
        let from = SocketAddr::new(ip.into(), 20_000 + random.below(40_000) as u16);
        let id = TransactionId(random.bytes());
        let signature = sim::Signature {
            username: b"1900000000:AAAAAAAAAAAAAAAAAAAAAA.a".to_vec(),
            password: b"guess".to_vec(),
            realm: b"ginnel".to_vec(),
            nonce: random.bytes::<16>().to_vec(),
            algorithms: None,
        };
        let datagram = match n % 4 {
            0 => Request::bare(Method::BINDING).write(id, None),
            1 => Request::allocate().write(id, None),
            2 => Request::allocate().write(id, Some(&signature)),
            _ => random.bytes::<40>().to_vec(),
        };
        let outcome = world.knock(from, &datagram);
        assert!(matches!(outcome, Outcome::Reply(_) | Outcome::Drop(_)));
    }
    world.settle();
    let counters = world.relay().counters();
    assert_eq!((counters.allocations, counters.allocations_made, counters.successes), (0, 0, 0));
    assert_eq!((counters.bindings, counters.errors), (5000, 10_000));
    assert!(world.relay().is_empty());
}
