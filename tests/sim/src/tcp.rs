//! The TCP connections of the relay with peers, as far as it is told of them. Not their bytes: what a client
//! and a peer say to each other never comes to the servers.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use turn_core::{ConnectionId, Now, PeerAddr, WorkerId};

use crate::relay::Relay;

/// What the sockets of all workers hold.
#[derive(Default)]
pub(crate) struct Tcp {
    /// Ports of relayed addresses that listen; relay sockets they are besides.
    pub(crate) listening: BTreeSet<u16>,
    pub(crate) connections: BTreeMap<ConnectionId, Connection>,
    /// Peers to be asked.
    pub(crate) asked: VecDeque<(ConnectionId, SocketAddr)>,
}

/// A connection of a peer with a relayed address.
pub(crate) struct Connection {
    pub(crate) worker: WorkerId,
    pub(crate) port: u16,
    /// The client that is joined to it.
    pub(crate) client: Option<SocketAddr>,
}

impl Tcp {
    pub(crate) fn close_all_of(&mut self, port: u16) {
        self.listening.remove(&port);
        self.connections.retain(|_, connection| connection.port != port);
    }
}

impl Relay {
    /// The next peer that the relay wants to connect to. What becomes of it, [`Relay::connected`] says.
    pub fn poll_connect(&mut self) -> Option<(ConnectionId, SocketAddr)> {
        self.tcp().asked.pop_front()
    }

    /// The peer of a connection accepts or refuses.
    pub fn connected(&mut self, now: Now, id: ConnectionId, connected: bool) {
        let Some(Connection { worker, .. }) = self.tcp().connections.get(&id) else { return };
        let worker = *worker;
        if !connected {
            self.tcp().connections.remove(&id);
        }
        self.tell(now, worker, |server| server.handle_connected(now, id, connected));
    }

    /// A peer connects to the relayed address with this port. `None`: nobody is there, or it was closed again
    /// at once.
    pub fn dial(&mut self, now: Now, peer: SocketAddr, port: u16) -> Option<ConnectionId> {
        if !self.tcp().listening.contains(&port) {
            return None;
        }
        let worker = self.opener_of(port)?;
        let id = self.tell(now, worker, |server| server.handle_peer_connected(now, port, PeerAddr(peer)))?;
        self.tcp().connections.insert(id, Connection { worker, port, client: None });
        Some(id)
    }

    /// A connection ends, at the peer's end or at its client's.
    pub fn disconnect(&mut self, now: Now, id: ConnectionId) {
        if let Some(Connection { worker, .. }) = self.tcp().connections.remove(&id) {
            self.tell(now, worker, |server| server.handle_connection_closed(now, id));
        }
    }

    /// The connections there are, with the clients that are joined to them.
    pub fn connections(&mut self) -> Vec<(ConnectionId, Option<SocketAddr>)> {
        self.tcp().connections.iter().map(|(id, connection)| (*id, connection.client)).collect()
    }
}
