//! A client with an allocation. Not a test.

use std::net::{SocketAddr, UdpSocket};

use stun_wire::{AttributeType, Message, Method, decode_xor_address};

use crate::common::{ID, V4, ask, nonce, socket};

/// Its socket, which is connected to the relay, and what it was given.
pub(crate) struct Client {
    pub(crate) socket: UdpSocket,
    pub(crate) nonce: Vec<u8>,
    pub(crate) relayed: SocketAddr,
}

impl Client {
    pub(crate) fn of(server: SocketAddr) -> Self {
        let socket = socket(V4);
        socket.connect(server).expect("connected");
        let nonce = nonce(&socket);
        let granted = ask(&socket, &nonce, Method::ALLOCATE, |writer| {
            writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        });
        let granted = Message::parse(&granted).expect("a message");
        let relayed = granted.find(AttributeType::XOR_RELAYED_ADDRESS).expect("a relayed address");
        let relayed = decode_xor_address(relayed, ID).expect("an address");
        Self { socket, nonce, relayed }
    }
}
