//! What a worker does for TCP allocations: it lets the tasks of their sockets begin and end, and tells the
//! server what they say. Bytes don't pass here. RFC 6062 §5.

use std::net::SocketAddr;

use turn_core::{ConnectionId, FiveTuple, LocalIp, Now, PeerAddr, Toll};

use super::Worker;
use crate::tcp::{TcpLetter, reset};

impl Worker {
    pub(super) fn read_tcp_letter(&mut self, letter: TcpLetter, now: Now) {
        match letter {
            TcpLetter::Accepted { port, stream, peer } => {
                match self.server.handle_peer_connected(now, port, PeerAddr(peer)) {
                    Some(id) => self.tcp.hold(port, id, stream),
                    None => reset(&stream),
                }
            }
            TcpLetter::Connected { id, stream } => {
                // It may have been given up meanwhile.
                let Some(port) = self.tcp.connecting(id) else { return };
                let is_there = stream.is_some();
                match stream {
                    Some(stream) => self.tcp.hold(port, id, stream),
                    None => self.tcp.close(id),
                }
                self.server.handle_connected(now, id, is_there);
            }
            TcpLetter::Over { id } => {
                self.tcp.close(id);
                self.server.handle_connection_closed(now, id);
            }
        }
        self.carry_out(now);
    }

    /// Listens on a relayed address, on the runtime of its client's connection.
    pub(super) fn listen(&mut self, client: &FiveTuple, ip: LocalIp, port: u16) -> bool {
        let Some(link) = self.exits.streams.find(client) else { return false };
        let address = SocketAddr::new(ip.0, port);
        match self.tcp.listen(&link.runtime, address, self.mailbox.clone()) {
            Ok(()) => true,
            Err(error) => {
                tracing::debug!(kind = ?error.kind(), "a relayed address cannot be listened on");
                false
            }
        }
    }

    pub(super) fn connect(&mut self, port: u16, id: ConnectionId, peer: PeerAddr) {
        self.tcp.connect(port, id, peer.0, self.mailbox.clone());
    }

    /// Joins a peer's connection with a client's, which may belong to another worker. Where one of them is
    /// gone the other's end follows.
    pub(super) fn join(&mut self, client: &FiveTuple, id: ConnectionId, answer: Vec<u8>, toll: Toll) {
        let joint = self.tcp.take(id, answer, toll, self.mailbox.clone());
        if let Some((joint, link)) = joint.zip(self.exits.streams.find(client)) {
            link.join(joint);
        }
    }
}
