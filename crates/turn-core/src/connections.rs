//! The TCP connections of one allocation with its peers: which there are and how far each has come. Not
//! their sockets, nor what passes. RFC 6062 §5.

use std::fmt;
use std::time::Duration;

use stun_wire::TransactionId;

use crate::address::{PeerAddr, WorkerId};
use crate::limits::{CONNECTIONS_MAX, CONNECTIONS_OFFERED_MAX};

/// The connections of an allocation that relays TCP, in the order in which they began.
#[derive(Default)]
pub(crate) struct Connections(Vec<Connection>);

impl Connections {
    pub(crate) fn add(&mut self, connection: Connection) {
        self.0.push(connection);
    }

    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        let at = self.0.iter().position(|connection| connection.id == id)?;
        Some(self.0.remove(at))
    }

    pub(crate) fn find(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.0.iter_mut().find(|connection| connection.id == id)
    }

    /// Whether one with this peer is under way or there.
    pub(crate) fn has_peer(&self, peer: PeerAddr) -> bool {
        self.0.iter().any(|connection| connection.peer == peer)
    }

    /// Whether the client may make one more.
    pub(crate) const fn has_room(&self) -> bool {
        self.0.len() < CONNECTIONS_MAX
    }

    /// Whether a peer may.
    pub(crate) const fn has_room_for_peers(&self) -> bool {
        self.0.len() < CONNECTIONS_OFFERED_MAX
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.0.iter()
    }
}

/// A TCP connection between a relayed address and a peer.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) peer: PeerAddr,
    pub(crate) begun_by: Beginner,
    /// Since when it is there, or under way.
    pub(crate) since: Duration,
    pub(crate) stage: Stage,
}

impl Connection {
    /// When it ends, if nothing happens before.
    pub(crate) const fn ends(&self) -> Option<Duration> {
        match self.stage {
            Stage::Connecting { until, .. } | Stage::Pending { until } => Some(until),
            Stage::Bound => None,
        }
    }
}

/// Whose wish a connection was: the client's ports are judged as services, a peer's says nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginner {
    Client,
    Peer,
}

/// How far a connection has come.
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    /// The peer is being asked, for the Connect of this transaction.
    Connecting { id: TransactionId, until: Duration },
    /// It is there, and waits for a ConnectionBind.
    Pending { until: Duration },
    /// The client has it.
    Bound,
}

/// CONNECTION-ID: names a connection with a peer, RFC 6062 §6.2.1. It is random but for its remainder by the
/// number of workers, which names the worker that knows it. Whoever has it may, as the same user, have the
/// connection: it does not print.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u32);

impl ConnectionId {
    /// One of a worker, of so many; which one, `random` decides.
    pub(crate) fn new(random: u32, worker: WorkerId, workers: u16) -> Self {
        let (worker, workers) = (u32::from(worker.0), u32::from(workers));
        // The last numbers, where not every worker has one, are left out.
        let random = random % (u32::MAX / workers);
        Self(random * workers + worker)
    }

    /// Reads CONNECTION-ID; `None` where its length is another.
    pub(crate) fn from_attribute(value: &[u8]) -> Option<Self> {
        Some(Self(u32::from_be_bytes(value.try_into().ok()?)))
    }

    pub(crate) const fn number(self) -> u32 {
        self.0
    }

    pub(crate) fn worker(self, workers: u16) -> WorkerId {
        WorkerId(u16::try_from(self.0 % u32::from(workers)).expect("less than the number of workers"))
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConnectionId[..]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_worker_whatever_chance_says() {
        for workers in [1, 2, 3, 7, 256] {
            for worker in [0, workers / 2, workers - 1] {
                for random in [0, 1, u32::MAX / 2, u32::MAX - 1, u32::MAX] {
                    let id = ConnectionId::new(random, WorkerId(worker), workers);
                    assert_eq!(id.worker(workers), WorkerId(worker));
                    assert_eq!(ConnectionId::from_attribute(&id.number().to_be_bytes()), Some(id));
                }
            }
        }
        assert_eq!(ConnectionId::from_attribute(&[1, 2, 3]), None);
    }
}
