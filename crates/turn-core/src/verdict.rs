//! What a server decides: a verdict for the datagram at hand, events for everything else.

use stun_wire::{
    AttributeType, ChannelNumber, Class, MessageWriter, Method, TransactionId, write_channel_data_header,
};

use crate::address::{FiveTuple, LocalIp, PeerAddr, WorkerId};
use crate::bandwidth::Toll;
use crate::connections::ConnectionId;
use crate::counters::DropReason;
use crate::moving::Handover;
use crate::route::Notice;

/// What becomes of one datagram.
#[must_use]
pub enum Verdict<'d> {
    /// Its payload goes on.
    Forward {
        /// Where to, and in what clothes.
        hop: Hop,
        /// What; a part of the datagram that was handed in.
        payload: &'d [u8],
    },
    /// The answer that was appended to the reply buffer goes back where the datagram came from.
    Reply,
    /// The rest is an event. The answer comes as [`Event::Send`]: it has to wait, or leaves by another socket
    /// than the one that was asked. Or the datagram is another worker's, [`Event::PassOn`].
    Later,
    /// Nothing, and nobody is told.
    Drop(DropReason),
}

/// One step of a payload's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// To a client of this appliance, by the socket of its listener, from the address it reached.
    Client {
        /// Whose packets leave from `local` and `listener` towards `client`.
        to: FiveTuple,
        /// How the payload is wrapped for it.
        framing: Framing,
    },
    /// Out of the relay socket with this port, bare.
    Peer {
        /// The relay socket's port.
        port: u16,
        /// Where to.
        to: PeerAddr,
        /// Whether it must arrive in one piece or not at all: the IP header says "don't fragment".
        whole: bool,
    },
}

/// How a payload reaches a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// As ChannelData, RFC 8656 §12.4.
    Channel(ChannelNumber),
    /// As a Data indication, RFC 8656 §11.4.
    Data {
        /// XOR-PEER-ADDRESS.
        from: PeerAddr,
        /// A fresh identifier.
        id: TransactionId,
    },
}

impl Framing {
    /// Appends `payload` in its clothes. A payload comes out of a UDP datagram, so its length fits 16 bits.
    pub fn write(self, payload: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Channel(number) => {
                let bytes = u16::try_from(payload.len()).expect("a payload out of a UDP datagram");
                write_channel_data_header(out, number, bytes);
                out.extend_from_slice(payload);
            }
            Self::Data { from, id } => {
                MessageWriter::new(out, Class::Indication, Method::DATA, id)
                    .xor_address(AttributeType::XOR_PEER_ADDRESS, from.0)
                    .attribute(AttributeType::DATA, payload);
            }
        }
    }
}

/// What is to be done besides a datagram's verdict.
#[must_use]
pub enum Event {
    /// Send an answer as if it replied to a datagram of this 5-tuple, which need not be the one that asked.
    Send {
        /// The client.
        to: FiveTuple,
        /// The whole STUN message.
        message: Vec<u8>,
    },
    /// Bind a relay socket and say by [`crate::Server::handle_relay_opened`] whether it worked.
    OpenRelay {
        /// The address to bind.
        ip: LocalIp,
        /// Its port, by which it is known from now on.
        port: u16,
    },
    /// Listen for TCP on a relayed address and say by [`crate::Server::handle_relay_opened`] whether it
    /// worked. Who connects is told to [`crate::Server::handle_peer_connected`].
    Listen {
        /// Whose it is, on a stream.
        client: FiveTuple,
        /// The address to bind.
        ip: LocalIp,
        /// Its port, by which it is known from now on.
        port: u16,
    },
    /// Connect to a peer, from the relayed address with this port, and say by
    /// [`crate::Server::handle_connected`] whether it worked.
    Connect {
        /// The relayed address's port.
        port: u16,
        /// How the connection is known from now on.
        id: ConnectionId,
        /// Where to.
        peer: PeerAddr,
    },
    /// Send this answer to a stream client, and from then on all that it and the peer say to each other, as
    /// it is. Say by [`crate::Server::handle_connection_closed`] when it is over, or cannot be.
    Join {
        /// The client's connection, which need not be this worker's.
        client: FiveTuple,
        /// The peer's.
        id: ConnectionId,
        /// The whole STUN message.
        message: Vec<u8>,
        /// What the bytes are charged to.
        toll: Toll,
    },
    /// Close a peer's connection, made or not.
    CloseConnection {
        /// Which.
        id: ConnectionId,
    },
    /// Close the relay socket with this port; where it listens, with all connections that came by it or left
    /// from it.
    CloseRelay {
        /// Its port.
        port: u16,
    },
    /// The last allocation of a client on a stream or on DTLS ended, while its connection lives.
    Released {
        /// The client.
        client: FiveTuple,
    },
    /// Hand a client's allocations, and their relay sockets as they are, to another worker's
    /// [`crate::Server::handle_handover`]. It must not be lost, and keeps its place among the notices.
    HandOver {
        /// Whose they are now.
        worker: WorkerId,
        /// What.
        handover: Handover,
    },
    /// Hand a datagram to another worker's [`crate::Server::handle_passed_on`]: its client has moved
    /// there and is still heard here. It may be lost, as on any network.
    PassOn {
        /// Who serves the client.
        worker: WorkerId,
        /// Where the datagram came from.
        tuple: FiveTuple,
        /// What.
        datagram: Vec<u8>,
    },
    /// Hand a notice to another worker's [`crate::Server::handle_notice`]. Notices between two workers keep
    /// their order. Where [`Notice::may_be_lost`] and there is no room for it, it comes back by
    /// [`crate::Server::handle_lost_notice`].
    Tell {
        /// Whose.
        worker: WorkerId,
        /// What.
        notice: Notice,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use stun_wire::{ChannelData, Message, decode_xor_address};

    #[test]
    fn both_framings_carry_the_payload_whole() {
        let mut out = Vec::new();
        let number = ChannelNumber::new(0x4001).unwrap();
        Framing::Channel(number).write(b"abc", &mut out);
        let read = ChannelData::parse(&out).unwrap();
        assert_eq!((read.number, read.data), (number, &b"abc"[..]));

        out.clear();
        let from: PeerAddr = PeerAddr("192.0.2.1:5000".parse().unwrap());
        let id = TransactionId([4; 12]);
        Framing::Data { from, id }.write(b"abc", &mut out);
        let read = Message::parse(&out).unwrap();
        assert_eq!((read.class(), read.method()), (Class::Indication, Method::DATA));
        assert_eq!(read.find(AttributeType::DATA), Some(&b"abc"[..]));
        let peer = read.find(AttributeType::XOR_PEER_ADDRESS).unwrap();
        assert_eq!(decode_xor_address(peer, id), Ok(from.0));
    }
}
