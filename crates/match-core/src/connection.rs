//! What the matcher knows of one connection, and the partners it has met.
//!
//! Nothing here says who is at the other end: a connection is a number that is never used again.

use std::collections::VecDeque;
use std::time::Duration;

use crate::ids::RoomCode;
use crate::limits::{RECENT_MS_MAX, RECENT_PARTNERS_MAX};
use crate::want::Want;

/// The name of a connection between the transport and the matcher; never on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Counts connections; no two ever share it.
    pub(crate) serial: u64,
    /// The slab's key, used again after the connection.
    pub(crate) key: usize,
}

/// One connection.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) state: State,
    /// The room it belongs to, alone or in a session.
    pub(crate) room: Option<RoomCode>,
    /// What it asked for last, for a `next` that says nothing; forgotten when it leaves or cancels.
    pub(crate) want: Option<Want>,
    pub(crate) malformed: u8,
    pub(crate) recent: Recent,
}

impl Connection {
    pub(crate) fn new(id: ConnectionId) -> Self {
        Self { id, state: State::New, room: None, want: None, malformed: 0, recent: Recent::default() }
    }
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Before `hello`.
    New,
    /// Free to ask.
    Greeted,
    /// Has a ticket in the queue.
    Waiting,
    /// Alone in a room.
    InRoom,
    /// In the session of this slab key.
    Matched(usize),
}

/// The partners a connection has met within the hour, the latest [`RECENT_PARTNERS_MAX`] of them.
#[derive(Default)]
pub(crate) struct Recent(VecDeque<(ConnectionId, Duration)>);

impl Recent {
    /// Notes a partner; forgets the oldest if there are too many.
    pub(crate) fn insert(&mut self, partner: ConnectionId, now: Duration) {
        self.0.retain(|(id, _)| *id != partner);
        if self.0.len() == RECENT_PARTNERS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((partner, now + Duration::from_millis(RECENT_MS_MAX)));
    }

    /// Forgets whom the hour has released.
    pub(crate) fn expire(&mut self, now: Duration) {
        while self.next_expiry().is_some_and(|at| at <= now) {
            self.0.pop_front();
        }
    }

    /// Whether they met within the hour.
    pub(crate) fn contains(&self, partner: ConnectionId) -> bool {
        self.0.iter().any(|(id, _)| *id == partner)
    }

    /// When the oldest one is to be forgotten.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.0.front().map(|(_, until)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partners_are_forgotten_by_time_and_by_number() {
        let id = |serial| ConnectionId { serial, key: 0 };
        let mut recent = Recent::default();
        for serial in 0..=RECENT_PARTNERS_MAX as u64 {
            recent.insert(id(serial), Duration::from_secs(serial));
        }
        assert!(!recent.contains(id(0)) && recent.contains(id(1)));
        recent.insert(id(1), Duration::from_secs(100));
        recent.expire(Duration::from_secs(3600 + 2));
        assert!(recent.contains(id(1)) && !recent.contains(id(2)) && recent.contains(id(3)));
    }
}
