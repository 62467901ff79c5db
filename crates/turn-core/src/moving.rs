//! What is known of clients that may move, and what goes from worker to worker when one does. Not when
//! and why. RFC 8016 §3.2.

use std::time::Duration;

use stun_wire::{AddressFamily, IntegrityKey, TransactionId};

use crate::address::{FiveTuple, WorkerId};
use crate::allocation::{Allocation, RelaySocket};
use crate::credentials::Identity;
use crate::ticket::{Ports, Serial};

/// What a server keeps about a client that asked for a ticket, besides its allocations.
pub(crate) struct Mobile {
    /// Since when the client has tickets.
    pub(crate) since: Duration,
    /// Tells it from others of the same moment.
    pub(crate) number: u64,
    /// Of the ticket that moves it next.
    pub(crate) serial: Serial,
    /// The worker that gets the datagrams of its 5-tuple. Another than the one that serves it while it has
    /// moved and is still heard where it was.
    pub(crate) reached_at: WorkerId,
    /// The 5-tuple it moved to, until it is heard there.
    pub(crate) next: Option<FiveTuple>,
    pub(crate) moved: Option<Moved>,
}

impl Mobile {
    /// A client that has not moved yet.
    pub(crate) const fn new(serial: Serial, reached_at: WorkerId, since: Duration) -> Self {
        Self { since, number: 0, serial, reached_at, next: None, moved: None }
    }

    /// Whether a ticket and a request are those of the last move; how long that one lets the client live.
    pub(crate) fn repeats(&self, serial: Serial, tuple: FiveTuple, id: TransactionId) -> Option<Duration> {
        let moved = self.moved.as_ref()?;
        let is_same = moved.serial == serial && moved.tuple == tuple && moved.id == id;
        is_same.then_some(moved.lifetime)
    }
}

/// The Refresh that moved a client last: a retransmission of it gets the same answer.
pub(crate) struct Moved {
    pub(crate) serial: Serial,
    pub(crate) tuple: FiveTuple,
    pub(crate) id: TransactionId,
    pub(crate) lifetime: Duration,
}

/// What a Refresh asks for, whoever it concerns.
#[derive(Clone, Copy)]
pub(crate) struct Renewal {
    /// The allocation of this family only.
    pub(crate) family: Option<AddressFamily>,
    /// Zero: the end.
    pub(crate) lifetime: Duration,
}

/// A proved Refresh with a ticket, on its way to the worker that serves the allocations. Does not print.
pub struct Summons {
    /// Where the client is now, and who hears it there.
    pub(crate) tuple: FiveTuple,
    pub(crate) worker: WorkerId,
    pub(crate) identity: Identity,
    /// What the answer is signed with.
    pub(crate) key: IntegrityKey,
    pub(crate) id: TransactionId,
    pub(crate) serial: Serial,
    /// Where to ask; 0 is nowhere.
    pub(crate) ports: Ports,
    pub(crate) renewal: Renewal,
}

/// A client's allocations, permissions, channels and routes included, on their way to another worker. Whoever
/// carries it takes the open relay sockets along, with what has arrived in them.
pub struct Handover {
    /// One, or one of each family.
    pub(crate) allocations: Vec<Allocation>,
    pub(crate) mobile: Mobile,
    pub(crate) summons: Box<Summons>,
}

impl Handover {
    /// The ports of the relay sockets that belong to it.
    pub fn relay_ports(&self) -> impl Iterator<Item = u16> {
        let public = self.allocations.iter().filter(|it| it.relay != RelaySocket::None);
        public.map(|allocation| allocation.relayed.0.port())
    }
}
