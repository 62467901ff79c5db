//! Row 20: payloads without a permission or a channel, and indications without their parts, go nowhere, and
//! nobody is told.

use sim::{DropReason, Outcome, Request, World};
use stun_wire::{AttributeType, Class, Method, TransactionId};

#[test]
fn row_20_without_a_permission_or_a_channel() {
    let mut world = World::new(1);
    let [alice, bob] = world.couple(1);
    let to = world.relayed(bob);
    world.permit(bob, world.relayed(alice));
    world.settle();
    world.take_record();
    assert_eq!(world.send(alice, to, b"x"), Outcome::Drop(DropReason::NoPermission));
    assert_eq!(world.send_channel(alice, 0x4000, b"x"), Outcome::Drop(DropReason::ChannelUnbound));
    world.settle();
    // The two datagrams arrived at the relay, and nothing arrived anywhere after that.
    assert_eq!(world.take_record().len(), 2);
    assert_eq!(world.relay().dropped(DropReason::NoPermission), 1);
    assert_eq!(world.relay().dropped(DropReason::ChannelUnbound), 1);
}

#[test]
fn what_is_known_and_means_nothing_in_an_indication_is_ignored() {
    let mut world = World::new(5);
    let user = world.user("user");
    world.allocate(user);
    let peer = world.echo("9.9.9.9:5000");
    world.permit(user, peer);
    let address = world.address(user);
    let send = || Request::bare(Method::SEND).peer(peer).with(AttributeType::DATA, b"x");
    for (kind, value) in [
        (AttributeType::USERNAME, &b"user"[..]),
        (AttributeType::LIFETIME, &[0, 0, 0, 0]),
        (AttributeType::XOR_MAPPED_ADDRESS, &[0, 1, 2]),
        (AttributeType::MESSAGE_INTEGRITY, &[0; 20]),
        (AttributeType(0x9999), b"of tomorrow"),
    ] {
        let message = send().with(kind, value).write_as(Class::Indication, TransactionId([1; 12]), None);
        assert!(world.knock(address, &message).is_forward(), "{kind:?}");
    }
}

#[test]
fn an_indication_without_its_parts_or_with_unknown_ones() {
    let mut world = World::new(4);
    let [alice, bob] = world.couple(1);
    let to = world.relayed(bob);
    world.permit(alice, to);
    let address = world.address(alice);
    let bare = || Request::bare(Method::SEND);
    for request in [
        bare(),
        bare().peer(to),
        bare().with(AttributeType::DATA, b"x"),
        bare().with(AttributeType::XOR_PEER_ADDRESS, &[0, 1, 2]).with(AttributeType::DATA, b"x"),
        bare().peer(to).with(AttributeType::DATA, b"x").with(AttributeType(0x7777), b""),
    ] {
        let message = request.write_as(Class::Indication, TransactionId([1; 12]), None);
        assert_eq!(world.knock(address, &message), Outcome::Drop(DropReason::BadMessage));
    }
}
