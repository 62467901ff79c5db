//! Row 36: whoever sends from a client's address with valid credentials of somebody else changes nothing.

use sim::{RELAY_V4, Request, Side, Signature, World};
use stun_wire::{AttributeType, Class, IntegrityKey, MessageWriter, Method, TransactionId};

#[test]
fn row_36_a_key_proves_its_own_name_only() {
    let mut world = World::new(2);
    let alice = world.person(1, Side::A);
    world.allocate(alice);
    let from = world.address(alice);
    let partner = world.credential(1, Side::B, world.unix_s() + 60);
    let signed_by_alice = world.of(alice).signature().unwrap().clone();
    let signature = Signature { username: partner.username.clone().into_bytes(), ..signed_by_alice };
    for request in [Request::refresh(0), Request::allocate()] {
        let request = request.write(TransactionId([4; 12]), Some(&signature));
        assert_eq!(world.knock(from, &request).code(), Some(401));
    }
}

#[test]
fn row_36_the_key_of_the_allocation_proves_nobody_elses_name() {
    let mut world = World::new(3);
    let alice = world.person(1, Side::A);
    world.allocate(alice);
    let from = world.address(alice);
    let partner = world.credential(1, Side::B, world.unix_s() + 60);
    let Signature { username, password, realm, nonce, .. } = world.of(alice).signature().unwrap().clone();
    let key = IntegrityKey::long_term_md5(&username, &realm, &password);
    for (name, code) in [(partner.username.as_bytes(), Some(401)), (&username, None)] {
        let mut request = Vec::new();
        MessageWriter::new(&mut request, Class::Request, Method::REFRESH, TransactionId([5; 12]))
            .attribute(AttributeType::USERNAME, name)
            .attribute(AttributeType::REALM, &realm)
            .attribute(AttributeType::NONCE, &nonce)
            .integrity(&key);
        assert_eq!(world.knock(from, &request).code(), code);
    }
}

#[test]
fn row_36_other_credentials_on_the_same_5_tuple_are_refused() {
    let mut world = World::new(1);
    let alice = world.person(1, Side::A);
    let relayed = world.allocate(alice);
    let from = world.address(alice);
    let peer = std::net::SocketAddr::new(RELAY_V4, 5000);
    let signed_by_alice = world.of(alice).signature().unwrap().clone();
    let expires = world.unix_s() + 60;
    // A stranger, the partner, and alice herself with a credential of another lifetime.
    for other in [
        world.credential(2, Side::A, expires),
        world.credential(1, Side::B, expires),
        world.credential(1, Side::A, expires),
    ] {
        let signature = Signature {
            username: other.username.clone().into_bytes(),
            password: other.password.clone().into_bytes(),
            ..signed_by_alice.clone()
        };
        for (request, code) in [
            (Request::refresh(0), 441),
            (Request::refresh(3600), 441),
            (Request::permit(&[peer]), 441),
            (Request::bind(0x4000, peer), 441),
            (Request::allocate(), 437),
        ] {
            let request = request.write(TransactionId([3; 12]), Some(&signature));
            assert_eq!(world.knock(from, &request).code(), Some(code));
        }
    }
    assert_eq!(world.relayed(alice), relayed);
    assert_eq!(world.refusal(alice, Request::refresh(600)), None);
}
