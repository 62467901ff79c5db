//! A client that permits peers. Not a test.

use std::net::{SocketAddr, UdpSocket};

use stun_wire::{AttributeType, Method};

use crate::client::Client;
use crate::common::ask;

/// A client with permissions for these, and its relayed address.
pub(crate) fn permitting(server: SocketAddr, peers: &[SocketAddr]) -> (UdpSocket, SocketAddr) {
    let client = Client::of(server);
    ask(&client.socket, &client.nonce, Method::CREATE_PERMISSION, |writer| {
        for peer in peers {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, *peer);
        }
    });
    (client.socket, client.relayed)
}
