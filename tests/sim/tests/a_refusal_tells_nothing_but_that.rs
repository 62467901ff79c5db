//! Row 22: who asks for a peer learns by no code, no length and no work of the server's whether it is there:
//! peers that are refused are refused alike, and those that are not are granted alike.

use std::net::SocketAddr;

use sim::{Request, World};

/// What can be seen of a request from outside, and what it cost: the answer's code, its length, the datagrams
/// on the wire, and the passwords that were looked at.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    code: Option<u16>,
    bytes: usize,
    datagrams: usize,
    proofs: u64,
    answers: u64,
}

/// Of a new allocation each time, so that nothing is there already.
fn seen(seed: u64, peer: &str, ask: fn(SocketAddr) -> Request) -> Seen {
    let mut world = World::new(seed);
    let user = world.user("user");
    world.allocate(user);
    world.echo("9.9.9.9:5000");
    world.closed("9.9.9.8:5000");
    let before = world.relay().counters();
    world.take_record();
    let code = world.refusal(user, ask(peer.parse().expect("an address")));
    let (record, after) = (world.take_record(), world.relay().counters());
    let bytes = record.last().expect("an answer").datagram.len();
    let answers = (after.successes + after.errors) - (before.successes + before.errors);
    Seen { code, bytes, datagrams: record.len(), proofs: after.proofs - before.proofs, answers }
}

#[test]
fn row_22_refused_or_granted_all_are_told_alike() {
    // Private, loopback, metadata, multicast, reserved, the relay's own socket; there, closed, nowhere.
    let refused =
        ["10.0.0.1:5000", "127.0.0.1:5000", "169.254.169.254:5000", "224.0.0.1:5000", "240.0.0.1:5000"];
    let granted = ["9.9.9.9:5000", "9.9.9.8:5000", "9.9.9.7:5000", "223.255.255.254:5000"];
    let asks: [fn(SocketAddr) -> Request; 2] =
        [|peer| Request::permit(&[peer]), |peer| Request::bind(0x4000, peer)];
    for ask in asks {
        for (peers, code) in [(&refused[..], Some(403)), (&granted, None)] {
            let first = seen(1, peers[0], ask);
            assert_eq!((first.code, first.datagrams, first.proofs, first.answers), (code, 2, 1, 1));
            for peer in peers {
                assert_eq!(seen(1, peer, ask), first, "{peer}");
            }
        }
    }
    let own = seen(1, "192.0.2.1:3478", |peer| Request::bind(0x4000, peer));
    assert_eq!(own, seen(1, refused[0], |peer| Request::bind(0x4000, peer)));
}
