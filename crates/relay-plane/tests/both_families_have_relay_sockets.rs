//! A `public` user asks for both families at once, on loopback: both relay sockets are there, and what is
//! sent through them arrives whole, also when it is empty, large or not to be fragmented.

mod common;

use std::net::SocketAddr;

use stun_wire::{AttributeType, Class, Message, MessageWriter, Method, decode_xor_address};

use self::common::{ID, V4, V6, ask, nonce, receive, socket, start};

#[test]
fn payloads_of_all_sizes_pass_both_ways_by_both() {
    let relay = start();
    let client = socket(V4);
    client.connect(relay.listening()[0]).expect("connected");
    let nonce = nonce(&client);
    let granted = ask(&client, &nonce, Method::ALLOCATE, |writer| {
        writer
            .attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
            .attribute(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0])
            .attribute(AttributeType::DONT_FRAGMENT, &[]);
    });
    let granted = Message::parse(&granted).expect("a message");
    let relayed = granted.attributes().filter(|it| it.kind == AttributeType::XOR_RELAYED_ADDRESS);
    let relayed: Vec<SocketAddr> =
        relayed.map(|it| decode_xor_address(it.value, ID).expect("an address")).collect();
    assert_eq!(relayed.iter().map(SocketAddr::ip).collect::<Vec<_>>(), [V4, V6]);
    for relayed in relayed {
        let peer = socket(relayed.ip());
        let peer_address = peer.local_addr().expect("bound");
        ask(&client, &nonce, Method::CREATE_PERMISSION, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer_address);
        });
        for (bytes, whole) in [(0, false), (1, true), (1500, false), (60_000, false), (60_000, true)] {
            let payload = vec![0x80; bytes];
            let mut out = Vec::new();
            let mut writer = MessageWriter::new(&mut out, Class::Indication, Method::SEND, ID);
            writer
                .xor_address(AttributeType::XOR_PEER_ADDRESS, peer_address)
                .attribute(AttributeType::DATA, &payload);
            if whole {
                writer.attribute(AttributeType::DONT_FRAGMENT, &[]);
            }
            client.send(&out).expect("sent");
            assert_eq!(receive(&peer), (payload.clone(), relayed), "{bytes} bytes");
            peer.send_to(&payload, relayed).expect("sent");
            let data = receive(&client).0;
            let data = Message::parse(&data).expect("a message");
            assert_eq!((data.class(), data.method()), (Class::Indication, Method::DATA));
            assert_eq!(data.find(AttributeType::DATA), Some(&payload[..]));
        }
    }
}
