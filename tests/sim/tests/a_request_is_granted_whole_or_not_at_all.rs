//! Rows 15, 16 and 54: several peers in one message, and peers that are none.

use std::net::SocketAddr;
use std::time::Duration;

use sim::{DropReason, Outcome, Request, World};
use stun_wire::{AttributeType, Class, Method, TransactionId};
use turn_core::limits::{PEERINGS_MAX, PERMISSION_LIFETIME, PERMISSIONS_MAX};

fn public_user(world: &mut World) -> (sim::ClientId, SocketAddr, SocketAddr) {
    let user = world.user("user");
    world.allocate(user);
    (user, world.echo("9.9.9.9:5000"), ([10, 0, 0, 1], 5000).into())
}

#[test]
fn row_15_the_first_peer_of_a_send_indication_counts() {
    let mut world = World::new(1);
    let (user, allowed, denied) = public_user(&mut world);
    world.permit(user, allowed);
    let from = world.address(user);
    let send = |world: &mut World, peers: [SocketAddr; 2]| {
        let message = Request::bare(Method::SEND)
            .peer(peers[0])
            .peer(peers[1])
            .with(AttributeType::DATA, b"x")
            .write_as(Class::Indication, TransactionId([1; 12]), None);
        world.knock(from, &message)
    };
    assert!(send(&mut world, [allowed, denied]).is_forward());
    assert_eq!(world.heard_by_peer(allowed).len(), 1);
    assert_eq!(send(&mut world, [denied, allowed]), Outcome::Drop(DropReason::PeerRefused));
    assert!(world.heard_by_peer(allowed).is_empty());
}

#[test]
fn row_16_one_denied_peer_denies_the_whole_request() {
    let mut world = World::new(2);
    let (user, allowed, denied) = public_user(&mut world);
    for peers in [[allowed, denied], [denied, allowed]] {
        assert_eq!(world.refusal(user, Request::permit(&peers)), Some(403));
        assert_eq!(world.send(user, allowed, b"x"), Outcome::Drop(DropReason::NoPermission));
    }
    let both = [allowed, "9.9.9.10:5000".parse().unwrap()];
    assert_eq!(world.refusal(user, Request::permit(&both)), None);
    for peer in both {
        assert!(world.send(user, peer, b"x").is_forward());
    }
}

#[test]
fn more_peers_than_one_request_may_name_are_too_many() {
    let mut world = World::new(4);
    let (user, ..) = public_user(&mut world);
    let peers: Vec<SocketAddr> = (1..=17).map(|host| ([9, 9, 9, host], 5000).into()).collect();
    assert_eq!(world.refusal(user, Request::permit(&peers)), Some(508));
    assert_eq!(world.send(user, peers[0], b"x"), Outcome::Drop(DropReason::NoPermission));
    assert_eq!(world.refusal(user, Request::permit(&peers[1..])), None);
}

#[test]
fn where_one_of_two_peers_has_room_neither_is_permitted() {
    let mut world = World::new(6);
    let (user, ..) = public_user(&mut world);
    let peers: Vec<SocketAddr> = (1..=PERMISSIONS_MAX as u8).map(|n| ([9, 9, 9, n], 5000).into()).collect();
    let [other, another] = [1, 2].map(|n| SocketAddr::from(([9, 9, 8, n], 5000)));
    let (last, all_but_one) = peers.split_last().unwrap();
    assert_eq!(world.refusal(user, Request::permit(all_but_one)), None);
    assert_eq!(world.refusal(user, Request::permit(&[other, another])), Some(508));
    for peer in [other, another] {
        assert_eq!(world.send(user, peer, b"x"), Outcome::Drop(DropReason::NoPermission));
    }
    // What is there already takes no room.
    assert_eq!(world.refusal(user, Request::permit(&[peers[0], *last])), None);
    assert_eq!(world.refusal(user, Request::permit(&[other])), Some(508));
}

#[test]
fn a_channel_for_which_there_is_no_room_permits_nothing() {
    let mut world = World::new(5);
    let (user, ..) = public_user(&mut world);
    let first: SocketAddr = ([9, 9, 9, 9], 6000).into();
    for number in 0..PEERINGS_MAX as u16 {
        world.bind(user, 0x4000 + number, SocketAddr::new(first.ip(), 6000 + number));
    }
    let other: SocketAddr = ([9, 9, 9, 8], 6000).into();
    assert_eq!(world.refusal(user, Request::bind(0x4FFF, other)), Some(508));
    assert_eq!(world.send(user, other, b"x"), Outcome::Drop(DropReason::NoPermission));
    // And it prolongs none.
    world.pass(PERMISSION_LIFETIME - Duration::from_secs(1));
    assert_eq!(world.refusal(user, Request::bind(0x4FFF, SocketAddr::new(first.ip(), 7000))), Some(508));
    assert!(world.send(user, first, b"x").is_forward());
    world.pass(Duration::from_secs(1));
    assert_eq!(world.send(user, first, b"x"), Outcome::Drop(DropReason::NoPermission));
}

#[test]
fn row_54_addresses_of_no_form_are_bad_requests() {
    let mut world = World::new(3);
    let (user, ..) = public_user(&mut world);
    let kind = AttributeType::XOR_PEER_ADDRESS;
    let mut values: Vec<Vec<u8>> = [0, 3, 255].map(|family| vec![0, family, 1, 1, 9, 9, 9, 9]).to_vec();
    values.extend([(1, 4), (1, 20), (1, 24), (2, 8), (2, 24)].map(|(family, length)| {
        let mut value = vec![9; length];
        value[1] = family;
        value
    }));
    values.push(vec![]);
    for value in values {
        let permit = Request::bare(Method::CREATE_PERMISSION).with(kind, &value);
        assert_eq!(world.refusal(user, permit), Some(400));
        let bind = Request::bare(Method::CHANNEL_BIND)
            .with(AttributeType::CHANNEL_NUMBER, &[0x40, 0, 0, 0])
            .with(kind, &value);
        assert_eq!(world.refusal(user, bind), Some(400));
    }
    assert_eq!(world.refusal(user, Request::bare(Method::CREATE_PERMISSION)), Some(400));
}
