//! Rows 39 and 52: the credentials of others, and foreign attributes.

use sim::{ClientId, Outcome, Request, Side, Signature, World};
use stun_wire::{AttributeType, TransactionId};

/// How somebody who has been challenged signs.
fn signature(world: &mut World, client: ClientId) -> Signature {
    world.of(client).signature().expect("it was challenged").clone()
}

#[test]
fn row_39_a_credential_opens_its_own_session_only() {
    let mut world = World::new(3);
    let stranger = world.couple(1)[0];
    let bob = world.couple(2)[1];
    let (from, to) = (world.relayed(stranger), world.relayed(bob));
    world.permit(stranger, to);
    world.permit(bob, from);
    world.settle();
    assert!(!world.send(stranger, to, b"x").is_routed());
    assert_eq!(world.heard(bob), []);
}

#[test]
fn row_52_what_nobody_knows_is_listed_to_the_authenticated_only() {
    let mut world = World::new(6);
    let alice = world.person(1, Side::A);
    world.learn_nonce(alice);
    let many = |count| (0..count).fold(Request::allocate(), |it, n| it.with(AttributeType(0x7000 + n), b""));
    let (from, signature) = (world.address(alice), signature(&mut world, alice));
    let before = world.relay().counters().errors;
    for count in [1, 50] {
        let request = many(count);
        let unsigned = world.knock(from, &request.write(TransactionId([1; 12]), None));
        assert_eq!(unsigned.code(), Some(401), "strangers get no list");
        let refused = world.knock(from, &request.write(TransactionId([2; 12]), Some(&signature)));
        assert_eq!(refused.code(), Some(420));
        let Outcome::Reply(reply) = refused else { panic!("420 is a reply") };
        let reply = stun_wire::Message::parse(&reply).unwrap();
        let list = reply.find(AttributeType::UNKNOWN_ATTRIBUTES).unwrap();
        assert_eq!(list.len(), 2 * usize::from(count));
    }
    assert_eq!(world.relay().counters().errors, before + 4);
}
