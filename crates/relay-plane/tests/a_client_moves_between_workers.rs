//! Mobility over real sockets, on loopback: a client moves from port to port, which the kernel deals
//! out to the workers, and its relay socket goes along with all that has arrived in it, and with what ICMP
//! says. RFC 8016 §3.

mod common;

use std::net::{SocketAddr, UdpSocket};

use stun_wire::{AttributeType, Class, Message, MessageWriter, Method, decode_xor_address};

use self::common::{ID, V4, ask, nonce, receive, socket, start};

/// Moves; enough that both workers serve it many times.
const MOVES: u8 = 40;

fn ticket(answer: &[u8]) -> Vec<u8> {
    let answer = Message::parse(answer).expect("a message");
    answer.find(AttributeType::MOBILITY_TICKET).expect("a ticket").to_vec()
}

fn send(client: &UdpSocket, peer: SocketAddr, payload: &[u8]) {
    let mut out = Vec::new();
    MessageWriter::new(&mut out, Class::Indication, Method::SEND, ID)
        .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
        .attribute(AttributeType::DATA, payload);
    client.send(&out).expect("sent");
}

/// The payload of the Data indication that comes next.
fn data(client: &UdpSocket) -> Vec<u8> {
    let datagram = receive(client).0;
    let message = Message::parse(&datagram).expect("a message");
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
    message.find(AttributeType::DATA).expect("data").to_vec()
}

/// Whose port is closed, as the Data indication that comes next tells.
fn closed(client: &UdpSocket) -> SocketAddr {
    let datagram = receive(client).0;
    let message = Message::parse(&datagram).expect("a message");
    assert_eq!(message.find(AttributeType::ICMP), Some(&[0, 0, 3 << 1, 3, 0, 0, 0, 0][..]));
    let about = message.find(AttributeType::XOR_PEER_ADDRESS).expect("about whom");
    decode_xor_address(about, message.transaction_id()).expect("an address")
}

#[test]
fn the_relay_socket_goes_along_and_nothing_is_lost() {
    let relay = start(None, true);
    let connect = || {
        let client = socket(V4);
        client.connect(relay.listening()[0]).expect("connected");
        let nonce = nonce(&client);
        (client, nonce)
    };
    let (mut client, first) = connect();
    let granted = ask(&client, &first, Method::ALLOCATE, |writer| {
        writer
            .attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
            .attribute(AttributeType::MOBILITY_TICKET, &[]);
    });
    let mut shown = ticket(&granted);
    let granted = Message::parse(&granted).expect("a message");
    let relayed = granted.find(AttributeType::XOR_RELAYED_ADDRESS).expect("a relayed address");
    let relayed = decode_xor_address(relayed, ID).expect("an address");
    let peer = socket(V4);
    let peer_address = peer.local_addr().expect("bound");
    // Connected elsewhere, so closed to the relay, and nobody else gets its port meanwhile.
    let nobody = socket(V4);
    nobody.connect(peer_address).expect("connected");
    let nobody_address = nobody.local_addr().expect("bound");
    ask(&client, &first, Method::CREATE_PERMISSION, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer_address);
    });
    for n in 0..MOVES {
        let (next, nonce) = connect();
        // Some of these wait in the relay socket while it changes hands.
        for k in 0..20 {
            peer.send_to(&[n, k], relayed).expect("sent");
        }
        let moved = ask(&next, &nonce, Method::REFRESH, |writer| {
            writer.attribute(AttributeType::MOBILITY_TICKET, &shown);
        });
        shown = ticket(&moved);
        for k in 0..20 {
            assert_eq!(data(&client), [n, k], "the old 5-tuple is served");
        }
        send(&client, peer_address, b"old");
        assert_eq!(receive(&peer), (b"old".to_vec(), relayed));
        send(&next, peer_address, &[n]);
        assert_eq!(receive(&peer), (vec![n], relayed));
        peer.send_to(b"new", relayed).expect("sent");
        assert_eq!(data(&next), b"new");
        send(&next, nobody_address, b"is anybody there?");
        assert_eq!(closed(&next), nobody_address, "the new worker reads the errors too");
        client = next;
    }
    let counters = relay.handle().counters();
    assert_eq!(counters.io.lost_notices, 0);
}
