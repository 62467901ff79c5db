//! Rows 65, 66 and 67: budgets for answers hold for whole networks, and somebody in one that is flooded gets
//! in all the same.

use std::net::{Ipv4Addr, SocketAddr};

use sim::{DropReason, Outcome, Random, Request, Setup, Signature, World};
use stun_wire::{AttributeType, Message, Method, TransactionId};
use turn_core::AnswerLimits;

fn budgeted(seed: u64) -> World {
    World::with(Setup { answers: AnswerLimits { per_address_s: 10, per_prefix_s: 100 }, ..Setup::new(seed) })
}

/// How many of so many Binding requests from spoofed sources are answered.
fn flood(world: &mut World, count: u32, source: impl Fn(u32) -> SocketAddr) -> usize {
    let request = Request::bare(Method::BINDING).write(TransactionId([1; 12]), None);
    let answered = |n: &u32| match world.knock(source(*n), &request) {
        Outcome::Reply(_) => true,
        Outcome::Drop(reason) => {
            assert_eq!(reason, DropReason::OverBudget);
            false
        }
        _ => panic!("a stranger is answered or not"),
    };
    (0..count).filter(answered).count()
}

#[test]
fn row_65_ports_of_one_address_share_its_budget() {
    let mut world = budgeted(1);
    let answered = flood(&mut world, 8000, |n| SocketAddr::from(([198, 18, 50, 1], 20_000 + n as u16)));
    // Two seconds' worth at once, and one in eight of the rest.
    assert!(answered.abs_diff(20 + 8000 / 8) < 200, "{answered}");
}

#[test]
fn row_66_sources_all_over_are_answered_each_by_its_own_budget_and_leave_nothing() {
    let mut world = budgeted(2);
    let mut random = Random::new(3);
    let mut sources: Vec<SocketAddr> = Vec::new();
    for _ in 0..20_000 {
        let ip = Ipv4Addr::from_bits(0x1400_0000 | random.below(1 << 24) as u32);
        sources.push((ip, 20_000).into());
    }
    let answered = flood(&mut world, 20_000, |n| sources[n as usize]);
    assert!(answered > 19_000, "{answered}");
    assert!(world.relay().is_empty());
}

#[test]
fn row_67_who_echoes_a_nonce_is_exempt() {
    let mut world = budgeted(4);
    let victim: SocketAddr = "198.18.50.7:5000".parse().unwrap();
    let attack = |world: &mut World| {
        flood(world, 2000, |n| SocketAddr::from(([198, 18, 50, (n % 256) as u8], 6000)));
    };
    let credential = world.credential(1, sim::Side::A, world.unix_s() + 60);
    let challenge = (0..200).find_map(|_| {
        attack(&mut world);
        match world.knock(victim, &Request::allocate().write(TransactionId([2; 12]), None)) {
            Outcome::Reply(reply) => Some(reply),
            _ => None,
        }
    });
    let challenge = challenge.expect("one challenge in eight leaves");
    let nonce = Message::parse(&challenge).unwrap().find(AttributeType::NONCE).unwrap().to_vec();
    let sign = |password: &str| Signature {
        username: credential.username.clone().into_bytes(),
        password: password.into(),
        realm: b"ginnel".to_vec(),
        nonce: nonce.clone(),
        algorithms: None,
    };
    attack(&mut world);
    let granted = world
        .knock(victim, &Request::allocate().write(TransactionId([3; 12]), Some(&sign(&credential.password))));
    assert!(matches!(granted, Outcome::Reply(_)) && granted.code().is_none());
    for id in 4..100 {
        let refused =
            world.knock(victim, &Request::refresh(0).write(TransactionId([id; 12]), Some(&sign("wrong"))));
        assert_eq!(refused.code(), Some(401), "whoever proved its address is told each time");
    }
    assert_eq!(world.relay().counters().allocations, 1);
}
