//! What a peer sends on another worker while a client binds a channel reaches the client as Data until the
//! answer has left, and on the channel behind it. The RFC asks clients to be prepared for more; some lose
//! what comes on a channel that they do not know yet. RFC 8656 §12.

#[path = "common/client.rs"]
mod client;
mod common;

use std::net::SocketAddr;

use stun_wire::{AttributeType, Class, Message, MessageWriter, Method, TransactionId};

use self::client::Client;
use self::common::{ID, ask, authenticate, receive, start};

impl Client {
    fn permit(&self, peer: SocketAddr) {
        ask(&self.socket, &self.nonce, Method::CREATE_PERMISSION, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        });
    }

    fn send(&self, peer: SocketAddr) {
        let mut out = Vec::new();
        MessageWriter::new(&mut out, Class::Indication, Method::SEND, ID)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
            .attribute(AttributeType::DATA, b"hello");
        self.socket.send(&out).expect("sent");
    }

    /// Does not wait for the answer.
    fn bind(&self, number: u8, peer: SocketAddr) {
        let mut out = Vec::new();
        let mut writer = MessageWriter::new(&mut out, Class::Request, Method::CHANNEL_BIND, BINDING);
        writer
            .attribute(AttributeType::CHANNEL_NUMBER, &[0x40, number, 0, 0])
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        authenticate(writer, &self.nonce);
        self.socket.send(&out).expect("sent");
    }

    fn hears(&self, number: u8) -> Heard {
        let datagram = receive(&self.socket).0;
        match Message::parse(&datagram) {
            Ok(message) if message.transaction_id() == BINDING => {
                assert_eq!(message.class(), Class::Success);
                Heard::Answer
            }
            Ok(message) => {
                assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
                Heard::Data
            }
            Err(_) => {
                assert_eq!(datagram[..4], [0x40, number, 0, 5]);
                Heard::OnChannel
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Answer,
    Data,
    OnChannel,
}

#[test]
fn and_nothing_is_lost_meanwhile() {
    for _ in 0..RELAYS {
        let relay = start(None, false);
        // The kernel deals out the clients: half of them meet a peer from another worker.
        let clients = [(); CLIENTS].map(|()| Client::of(relay.listening()[0]));
        let peers = [(); CLIENTS].map(|()| Client::of(relay.listening()[0]));
        for (number, peer) in (0..).zip(&peers) {
            for client in &clients {
                meet(client, peer, number);
            }
        }
    }
}

fn meet(client: &Client, peer: &Client, number: u8) {
    client.permit(peer.relayed);
    peer.permit(client.relayed);
    client.bind(number, peer.relayed);
    (0..PACKETS).for_each(|_| peer.send(client.relayed));
    let heard: Vec<_> = (0..=PACKETS).map(|_| client.hears(number)).collect();
    let answered = heard.iter().position(|it| *it == Heard::Answer);
    let used = heard.iter().position(|it| *it == Heard::OnChannel);
    assert!(used.is_none_or(|used| answered.is_some_and(|answered| answered < used)), "{heard:?}");
}

/// Enough for a worker to be interrupted at the wrong moment in some of them.
const RELAYS: usize = 10;

/// And as many peers; together as many allocations as a user may have.
const CLIENTS: usize = 8;

/// What each peer sends to each client meanwhile.
const PACKETS: usize = 20;

const BINDING: TransactionId = TransactionId([6; 12]);
