//! Row 90 and more: noise of every kind, from strangers and from the addresses of those who talk.
//! No panic, no answer that was not earned, no state.

use std::net::SocketAddr;

use sim::{ClientId, Outcome, Random, Request, World};
use stun_wire::{Method, TransactionId};

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
