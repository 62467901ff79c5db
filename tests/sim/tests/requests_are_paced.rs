//! What a client with the right password may ask of the others' workers: it can neither make them hear of
//! what is no news, nor ask for more than one in its right mind would.

use std::net::SocketAddr;
use std::time::Duration;

use sim::{ClientId, DropReason, PeerPolicy, RELAY_V4, Request, Setup, World};
use stun_wire::TransactionId;
use turn_core::limits::{OFFER_NEWS_MIN, PEERINGS_MAX, REQUEST_INTERVAL, REQUESTS_BURST_MAX};

/// A client that has named as many peers of ours as it may, on workers of which most are not its own.
fn gregarious(seed: u64) -> (World, ClientId, Vec<SocketAddr>) {
    let users = vec![("user", PeerPolicy::Appliance)];
    let mut world = World::with(Setup { users, workers: 5, ..Setup::new(seed) });
    let client = world.user("user");
    world.allocate(client);
    let named = |number: usize| SocketAddr::new(RELAY_V4, 10_000 + number as u16);
    let peers: Vec<SocketAddr> = (0..PEERINGS_MAX).map(named).collect();
    for some in peers.chunks(16) {
        assert_eq!(world.refusal(client, Request::permit(some)), None);
    }
    world.settle();
    (world, client, peers)
}

/// How many notices it takes.
fn told(world: &mut World, what: impl FnOnce(&mut World)) -> u64 {
    let before = world.relay().told();
    what(world);
    world.settle();
    world.relay().told() - before
}

#[test]
fn what_is_no_news_is_told_to_nobody() {
    let (mut world, client, peers) = gregarious(1);
    let asked = |world: &mut World, request: &dyn Fn() -> Request| {
        told(world, |world| {
            for _ in 0..50 {
                assert_eq!(world.refusal(client, request()), None);
                world.pass(Duration::from_millis(100));
            }
        })
    };
    // In five seconds: whom it names, once a second, with a question, because nobody is there.
    let named = asked(&mut world, &|| Request::permit(&peers[..1]));
    assert!(named <= 6, "{named}");
    let refreshed = asked(&mut world, &|| Request::refresh(3600));
    assert_eq!(refreshed, 0);
    let bound = asked(&mut world, &|| Request::bind(0x4000, peers[0]));
    // One each, and the way before the first.
    assert!(bound <= 51, "{bound}");
    world.pass(OFFER_NEWS_MIN);
    let renewed = told(&mut world, |world| world.permit(client, peers[0]));
    assert!((40..=64).contains(&renewed), "{renewed}");
}

#[test]
fn so_many_requests_are_answered_and_no_more() {
    let (mut world, client, peers) = gregarious(2);
    world.pass(Duration::from_secs(60));
    let asked = |world: &mut World, count: usize| {
        let before = world.relay().counters().clone();
        for _ in 0..count {
            let now = world.now();
            world.say(client, |client| {
                client.request(now, Request::permit(&peers[..16]));
            });
        }
        let after = world.relay().counters();
        let over = DropReason::OverRequests as usize;
        (after.successes - before.successes, after.drops[over] - before.drops[over])
    };
    let burst = u64::from(REQUESTS_BURST_MAX);
    let told = told(&mut world, |world| assert_eq!(asked(world, 1000), (burst, 1000 - burst)));
    assert!(told <= PEERINGS_MAX as u64, "{told}");
    world.drive(world.now() + REQUEST_INTERVAL);
    let (answered, _) = asked(&mut world, 10);
    assert_eq!(answered, 1);
}

#[test]
fn nobody_uses_up_what_others_have() {
    let users = vec![("user", PeerPolicy::Appliance), ("other", PeerPolicy::Appliance)];
    let mut world = World::with(Setup { users, ..Setup::new(3) });
    let [client, other] = ["user", "other"].map(|name| world.user(name));
    world.allocate(client);
    world.learn_nonce(other);
    // As if they came from the client: with a password that is right, and with one that is wrong.
    let from = world.address(client);
    let mut signature = world.of(client).signature().expect("it was challenged").clone();
    for wrong in [false, true] {
        if wrong {
            signature.password = b"guess".to_vec();
        } else {
            signature.username = "other".into();
            signature.password = world.of(other).signature().expect("it was challenged").password.clone();
        }
        for _ in 0..2 * REQUESTS_BURST_MAX {
            let request = Request::refresh(600).write(TransactionId([9; 12]), Some(&signature));
            let _ = world.knock(from, &request);
        }
    }
    assert_eq!(world.relay().dropped(DropReason::OverRequests), 0);
    assert_eq!(world.refusal(client, Request::refresh(600)), None);
}
