//! Rows 20 and 58: payloads without a permission, without a channel, or shorter than they say go nowhere, and
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
fn row_49_from_a_stranger() {
    let mut world = World::new(2);
    let stranger = "198.18.77.1:5000".parse().unwrap();
    let send = Request::bare(Method::SEND)
        .peer("9.9.9.9:5000".parse().unwrap())
        .with(AttributeType::DATA, b"x")
        .write_as(Class::Indication, TransactionId([1; 12]), None);
    assert_eq!(world.knock(stranger, &send), Outcome::Drop(DropReason::NoAllocation));
    assert_eq!(world.knock(stranger, &[0x40, 0, 0, 1, b'x']), Outcome::Drop(DropReason::NoAllocation));
}

#[test]
fn row_58_channel_data_carries_exactly_what_it_announces() {
    let mut world = World::new(3);
    let [alice, bob] = world.couple(1);
    let (from, to) = (world.relayed(alice), world.relayed(bob));
    world.bind(alice, 0x4000, to);
    world.bind(bob, 0x4000, from);
    world.settle();
    let address = world.address(alice);
    let bad = Outcome::Drop(DropReason::BadChannelData);
    for (datagram, heard) in [
        (&[0x40, 0, 0, 2, b'a', b'b'][..], Some(&b"ab"[..])),
        (&[0x40, 0, 0, 2, b'a', b'b', 0, 0], Some(b"ab")), // padded, which UDP does not need
        (&[0x40, 0, 0, 0], Some(b"")),
        (&[0x40, 0, 0, 3, b'a', b'b'], None),
        (&[0x40, 0, 0xFF, 0xFF, b'a', b'b'], None),
        (&[0x40, 0, 0], None),
        (&[0x40], None),
    ] {
        let outcome = world.knock(address, datagram);
        match heard {
            Some(data) => assert_eq!(world.heard(bob), [sim::Heard::channel(0x4000, data)]),
            None => assert_eq!(outcome, bad),
        }
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
