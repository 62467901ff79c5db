//! Credentials that other software makes up from a shared secret: whom they let in, when, and for how long.
//! Rows 37, 39 and 42.

use std::time::Duration;

use sim::{Credential, PasswordAlgorithm, Request, Setup, SharedSecret, Side, World};
use stun_wire::Method;

fn world(seed: u64, shared_secrets: &[&'static str]) -> World {
    World::with(Setup { shared_secrets: shared_secrets.to_vec(), ..Setup::new(seed) })
}

fn credential(secret: &str, name: &str, expires_unix_s: u64) -> Credential {
    SharedSecret::new(secret.as_bytes()).mint(Some(name), expires_unix_s).expect("a name that is taken")
}

#[test]
fn they_reach_a_public_peer_and_no_session() {
    let mut world = world(1, &["north"]);
    let expires = world.unix_s() + 3600;
    let bob = world.client(&credential("north", "@bob:example.org", expires));
    let relayed = world.allocate(bob);
    let peer = world.echo("9.9.9.9:5000");
    world.permit(bob, peer);
    assert!(world.send(bob, peer, b"hello").is_forward());
    world.settle();
    assert_eq!(world.heard_by_peer(peer), [(relayed, b"hello".to_vec())]);

    let alice = world.person(1, Side::A);
    let of_alice = world.allocate(alice);
    assert_eq!(world.refusal(bob, Request::permit(&["10.0.0.1:5000".parse().unwrap()])), Some(403));
    world.permit(bob, of_alice);
    world.permit(alice, relayed);
    assert!(!world.send(bob, of_alice, b"hello").is_forward());
    assert!(!world.send(alice, relayed, b"hello").is_forward());
}

#[test]
fn row_37_until_the_second_of_their_name() {
    for (left_s, refused) in [(2, None), (1, None), (0, Some(401))] {
        let mut world = world(2, &["north"]);
        let expires = world.unix_s() + 10;
        let bob = world.client(&credential("north", "bob", expires));
        world.pass(Duration::from_secs(10 - left_s));
        assert_eq!(world.refusal(bob, Request::allocate()), refused, "{left_s} s left");
    }
}

#[test]
fn who_came_in_time_keeps_its_allocation_and_makes_no_other() {
    let mut world = world(3, &["north"]);
    let credential = credential("north", "bob", world.unix_s() + 10);
    let bob = world.client(&credential);
    world.allocate(bob);
    world.pass(Duration::from_secs(500));
    let peer = world.echo("9.9.9.9:5000");
    for request in [Request::refresh(600), Request::permit(&[peer]), Request::bind(0x4000, peer)] {
        assert_eq!(world.refusal(bob, request), None);
    }
    let late = world.client(&credential);
    assert_eq!(world.refusal(late, Request::allocate()), Some(401));
    assert_eq!(world.refusal(bob, Request::refresh(0)), None);
    assert_eq!(world.refusal(bob, Request::allocate()), Some(401));
}

#[test]
fn a_ticket_moves_what_is_there_and_makes_nothing_new() {
    let mut world = world(6, &["north"]);
    let credential = credential("north", "bob", world.unix_s() + 10);
    world.pass(Duration::from_secs(10));
    let late = world.client(&credential);
    for request in
        [Request::allocate().ticket(b""), Request::refresh(600), Request::bare(Method::CHANNEL_BIND)]
    {
        assert_eq!(world.refusal(late, request), Some(401));
    }
    // No ticket of ours, but looked at.
    assert_eq!(world.refusal(late, Request::refresh(600).ticket(b"stray")), Some(400));
}

#[test]
fn row_37_names_of_another_form_are_nobodys() {
    let mut world = world(4, &["north"]);
    let good = credential("north", "bob", world.unix_s() + 3600);
    for username in ["bob", "-1:bob", "+4000000000:bob", "0x7FFFFFFF:bob", "99999999999999999999:bob", ":bob"]
    {
        // The right password for the wrong name does not exist: it is a MAC of the name.
        let bob = world.client(&Credential { username: username.into(), password: good.password.clone() });
        assert_eq!(world.refusal(bob, Request::allocate()), Some(401), "{username}");
    }
    let bob = world.client(&good);
    assert_eq!(world.refusal(bob, Request::allocate()), None);
}

#[test]
fn row_42_an_old_secret_and_a_new_one_are_good_together() {
    let mut both = world(5, &["old", "new"]);
    let expires = both.unix_s() + 3600;
    for secret in ["old", "new"] {
        let client = both.client(&credential(secret, secret, expires));
        assert_eq!(both.refusal(client, Request::allocate()), None, "{secret}");
    }
    let mut new = world(6, &["new"]);
    for (secret, refused) in [("old", Some(401)), ("new", None)] {
        let client = new.client(&credential(secret, secret, expires));
        assert_eq!(new.refusal(client, Request::allocate()), refused, "{secret}");
    }
}

#[test]
fn row_42_who_is_in_lives_on_when_its_secret_is_replaced() {
    let mut world = world(9, &["old"]);
    let expires = world.unix_s() + 3600;
    let peer = world.echo("9.9.9.9:5000");
    let before = world.client(&credential("old", "before", expires));
    world.allocate(before);
    for (secrets, old) in [(&["new", "old"][..], None), (&["new"], Some(401))] {
        world.replace_secrets(secrets);
        for request in [Request::refresh(600), Request::permit(&[peer]), Request::bind(0x4000, peer)] {
            assert_eq!(world.refusal(before, request), None);
        }
        for (secret, refused) in [("old", old), ("new", None)] {
            let client = world.client(&credential(secret, secret, expires));
            assert_eq!(world.refusal(client, Request::allocate()), refused, "{secret}");
        }
    }
    assert_eq!(world.refusal(before, Request::refresh(0)), None);
    assert_eq!(world.refusal(before, Request::allocate()), Some(401));
}

#[test]
fn they_speak_sha256_where_it_is_offered() {
    let mut world = World::with(Setup {
        shared_secrets: vec!["north"],
        password_algorithms: vec![PasswordAlgorithm::Sha256],
        ..Setup::new(7)
    });
    let expires = world.unix_s() + 3600;
    let bob = world.client(&credential("north", "bob", expires));
    world.allocate(bob);
}

#[test]
fn without_a_secret_there_are_none() {
    let mut world = World::new(8);
    let expires = world.unix_s() + 3600;
    let bob = world.client(&credential("north", "bob", expires));
    assert_eq!(world.refusal(bob, Request::allocate()), Some(401));
}
