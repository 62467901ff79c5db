//! Rows 65, 66 and 67: budgets for answers hold for whole networks, and somebody in one that is flooded gets
//! in all the same.

use std::net::{Ipv4Addr, SocketAddr};

use sim::{DropReason, Outcome, Request, Setup, Signature, World};
use stun_wire::{AttributeType, Message, Method, TransactionId};
use turn_core::AnswerLimits;

const ID: TransactionId = TransactionId([1; 12]);

/// With the configuration's defaults.
fn budgeted(seed: u64) -> World {
    let answers = AnswerLimits { per_address_s: 10, per_prefix_s: 100, total_s: 10_000 };
    World::with(Setup { answers, ..Setup::new(seed) })
}

/// How many of so many Binding requests from spoofed sources are answered.
fn flood(world: &mut World, count: u32, source: impl Fn(u32) -> SocketAddr) -> usize {
    flood_with(&Request::bare(Method::BINDING).write(ID, None), world, count, source)
}

/// The same with any request.
fn flood_with(request: &[u8], world: &mut World, count: u32, source: impl Fn(u32) -> SocketAddr) -> usize {
    let answered = |n: &u32| match world.knock(source(*n), request) {
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
    assert_eq!(answered, 20, "two seconds' worth at once, and no more");
}

#[test]
fn row_65_it_is_one_budget_for_each_kind_of_answer() {
    let forged = |username: usize| Signature {
        username: vec![b'u'; username],
        password: b"guess".to_vec(),
        realm: b"ginnel".to_vec(),
        nonce: b"made up".to_vec(),
        algorithms: None,
    };
    for (code, request, signature) in [
        (420, Request::bare(Method::BINDING).with(AttributeType(0x7000), b"what"), None),
        (401, Request::allocate(), None),
        (438, Request::allocate(), Some(forged(5))),
        (400, Request::allocate(), Some(forged(600))),
    ] {
        let mut world = budgeted(5);
        let request = request.write(ID, signature.as_ref());
        let source = |n| SocketAddr::from(([198, 18, 50, 1], 20_000 + n as u16));
        assert_eq!(world.knock(source(0), &request).code(), Some(code));
        assert_eq!(1 + flood_with(&request, &mut world, 4000, source), 20, "{code}");
        assert_eq!(world.relay().counters().errors, 20);
    }
}

#[test]
fn row_66_sources_all_over_are_answered_each_by_its_own_budget_and_leave_nothing() {
    let mut world = budgeted(2);
    // No two alike: one that asks twice would be answered for that.
    let source =
        |n: u32| (Ipv4Addr::from_bits(0x1400_0000 | n.wrapping_mul(0x9E37_79B1) >> 8), 20_000).into();
    let answered = flood(&mut world, 20_000, source);
    assert!(answered > 19_000, "{answered}");
    let more = flood(&mut world, 10_000, |n| source(20_000 + n));
    assert!(answered + more <= 20_000, "two seconds' worth of all, not {answered} and {more}");
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
    let challenge = (0..3).find_map(|_| {
        attack(&mut world);
        match world.knock(victim, &Request::allocate().write(TransactionId([2; 12]), None)) {
            Outcome::Reply(reply) => Some(reply),
            _ => None,
        }
    });
    let challenge = challenge.expect("who asks for the third time is answered");
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
    // As many as may be wrong at once.
    for id in 4..14 {
        let refused =
            world.knock(victim, &Request::refresh(0).write(TransactionId([id; 12]), Some(&sign("wrong"))));
        assert_eq!(refused.code(), Some(401), "whoever proved its address is told each time");
    }
    assert_eq!(world.relay().counters().allocations, 1);
}
