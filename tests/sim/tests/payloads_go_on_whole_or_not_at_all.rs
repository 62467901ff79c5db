//! Row 57: DONT-FRAGMENT is honoured, a payload of any size that fits goes on whole, an empty one is a
//! payload too.

use std::net::SocketAddr;

use sim::{DropReason, Heard, Outcome, Request, World};
use stun_wire::{AttributeType, Class, Method, TransactionId};
use turn_core::limits::PAYLOAD_BYTES_MAX;
use turn_core::{Hop, PeerAddr};

#[test]
fn row_57_dont_fragment_reaches_the_relay_socket() {
    let mut world = World::new(1);
    let user = world.user("user");
    let asked = Request::allocate().with(AttributeType::DONT_FRAGMENT, &[]);
    let relayed = world.ask(user, asked).expect("a grant").relayed().expect("a relayed address");
    let peer = world.echo("9.9.9.9:5000");
    world.permit(user, peer);
    let from = world.address(user);
    for whole in [true, false] {
        let mut send = Request::bare(Method::SEND).peer(peer).with(AttributeType::DATA, b"x");
        if whole {
            send = send.with(AttributeType::DONT_FRAGMENT, &[]);
        }
        let datagram = send.write_as(Class::Indication, TransactionId([1; 12]), None);
        let hop = Hop::Peer { port: relayed.port(), to: PeerAddr(peer), whole };
        assert_eq!(world.knock(from, &datagram), Outcome::Forward { hop, payload: b"x".to_vec() });
    }
}

#[test]
fn dont_fragment_means_something_from_ipv4_to_ipv4_or_from_a_stream_only() {
    for (home, peer, on_stream, whole) in [
        ("198.18.7.7:5000", "9.9.9.9:5000", false, true),
        ("198.18.7.7:5000", "[2620:fe::9]:5000", false, false),
        ("[2001:db8:7::7]:5000", "9.9.9.9:5000", false, false),
        ("[2001:db8:7::7]:5000", "[2620:fe::9]:5000", false, false),
        ("[2001:db8:7::7]:5000", "[2620:fe::9]:5000", true, true),
        ("198.18.7.7:5000", "9.9.9.9:5000", true, true),
    ] {
        let mut world = World::new(4);
        let user = world.user_with_address("user", home.parse().unwrap());
        if on_stream {
            world.by_stream(user);
        }
        world.ask(user, Request::allocate().both_families()).expect("both families");
        let peer = world.echo(peer);
        world.permit(user, peer);
        let outcome = world.send_unfragmented(user, peer, b"x");
        let Outcome::Forward { hop: Hop::Peer { whole: got, .. }, .. } = outcome else {
            panic!("{home} to {peer} is forwarded")
        };
        assert_eq!(got, whole, "{home} to {peer}, on a stream: {on_stream}");
    }
}

#[test]
fn row_57_large_and_empty_payloads_go_both_ways() {
    for peer in ["9.9.9.9:5000", "[2620:fe::9]:5000"] {
        let mut world = World::new(2);
        let user = world.user("user");
        world.ask(user, Request::allocate().both_families()).expect("both families");
        let peer = world.echo(peer);
        world.permit(user, peer);
        for bytes in [0, 1, 3, 1472, 1473, 9000, PAYLOAD_BYTES_MAX] {
            let payload = vec![0x80; bytes];
            assert!(world.send(user, peer, &payload).is_forward(), "{bytes}");
            assert_eq!(world.heard(user), [Heard::data(peer, &payload)]);
        }
        world.bind(user, 0x4000, peer);
        for bytes in [0, 1, 3, 1472, 1473, 9000, PAYLOAD_BYTES_MAX] {
            let payload = vec![0x80; bytes];
            assert!(world.send_channel(user, 0x4000, &payload).is_forward(), "{bytes}");
            assert_eq!(world.heard(user), [Heard::channel(0x4000, &payload)]);
        }
    }
}

#[test]
fn row_57_what_fits_no_datagram_is_dropped_whole() {
    let mut world = World::new(3);
    let user = world.user("user");
    let granted = world.ask(user, Request::allocate().both_families()).expect("both families");
    let relayed = granted.all_relayed();
    let peers: [SocketAddr; 2] = ["9.9.9.9:5000", "[2620:fe::9]:5000"].map(|peer| world.echo(peer));
    assert_eq!(world.refusal(user, Request::permit(&peers)), None);
    for (peer, relayed) in peers.into_iter().zip(relayed) {
        world.bind(user, if peer.is_ipv4() { 0x4000 } else { 0x4001 }, peer);
        for bytes in [PAYLOAD_BYTES_MAX + 1, 65_507, 65_527] {
            world.throw(peer, relayed, &vec![0x80; bytes]);
            assert_eq!(world.heard(user), []);
        }
    }
    let too_large = vec![0x80; PAYLOAD_BYTES_MAX + 1];
    assert_eq!(world.send_channel(user, 0x4000, &too_large), Outcome::Drop(DropReason::TooLarge));
    assert_eq!(world.send(user, peers[1], &too_large), Outcome::Drop(DropReason::TooLarge));
    assert_eq!(world.heard_by_peer(peers[0]), []);
}
