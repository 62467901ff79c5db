//! What the matcher knows of one client and of its transport, and the partners it has met.
//!
//! Nothing here says who is at the other end: a client is a number that is never used again. It outlives its
//! transport for a while, so that it can come back on another.

use std::collections::VecDeque;
use std::time::Duration;

use crate::held::Held;
use crate::ids::{ResumeToken, RoomCode, SessionId};
use crate::limits::{RECENT_MS_MAX, RECENT_PARTNERS_MAX};
use crate::message::GoneReason;
use crate::queue::Arrival;
use crate::reports::Met;
use crate::tags::Tags;
use crate::want::Want;

/// The name of a transport between its task and the matcher; never on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId {
    /// Counts transports; no two ever share it.
    pub(crate) serial: u64,
    /// The slab's key, used again after the transport.
    pub(crate) key: usize,
}

/// The name of a client within the matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClientId {
    /// Counts clients; no two ever share it.
    pub(crate) serial: u64,
    /// The slab's key, used again after the client.
    pub(crate) key: usize,
}

impl ClientId {
    /// Behind all others, and nobody's.
    pub(crate) const LAST: Self = Self { serial: u64::MAX, key: usize::MAX };
}

/// One transport.
pub(crate) struct Transport {
    pub(crate) id: ConnectionId,
    pub(crate) client: ClientId,
}

/// One client.
pub(crate) struct Client {
    pub(crate) id: ClientId,
    pub(crate) state: State,
    /// `None`: lost, and may come back.
    pub(crate) transport: Option<ConnectionId>,
    /// What it comes back with, once it was greeted.
    pub(crate) token: Option<ResumeToken>,
    /// What it came back with last, as long as it may not have heard of the next.
    pub(crate) token_before: Option<ResumeToken>,
    /// Its sessions, by slab key; more than one only in a room.
    pub(crate) sessions: Vec<usize>,
    /// The room it belongs to, alone or in sessions.
    pub(crate) room: Option<RoomCode>,
    /// What it asked for last, for a `next` that says nothing; forgotten when it leaves or cancels.
    pub(crate) want: Option<Want>,
    /// Its place in the queue, while it is lost and not in it.
    pub(crate) arrival: Option<Arrival>,
    /// What was sent to it and may not have arrived.
    pub(crate) held: Held,
    /// Sessions that ended while it was lost, until it has certainly heard of that.
    pub(crate) ended: Vec<(SessionId, GoneReason)>,
    pub(crate) malformed: u8,
    /// How hard the work is that was asked of it before it may come in.
    pub(crate) challenge_bits: Option<u8>,
    pub(crate) recent: Recent,
    /// The last partner, as long as it may be reported.
    pub(crate) last: Option<Met>,
    pub(crate) tags: Option<Tags>,
    /// Whether it counts among those of its place: it was greeted and has a transport.
    pub(crate) is_present: bool,
    pub(crate) since: Duration,
    pub(crate) lost_since: Duration,
}

impl Client {
    pub(crate) fn new(id: ClientId, transport: ConnectionId, tags: Option<Tags>, now: Duration) -> Self {
        Self {
            id,
            state: State::New,
            transport: Some(transport),
            token: None,
            token_before: None,
            sessions: Vec::new(),
            room: None,
            want: None,
            arrival: None,
            held: Held::default(),
            ended: Vec::new(),
            malformed: 0,
            challenge_bits: None,
            recent: Recent::default(),
            last: None,
            tags,
            is_present: false,
            since: now,
            lost_since: now,
        }
    }

    /// Whether its transport is gone.
    pub(crate) fn is_lost(&self) -> bool {
        self.transport.is_none()
    }
}

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Before `hello`.
    New,
    /// Free to ask.
    Greeted,
    /// Waits for a stranger; has a ticket in the queue unless it is lost.
    Waiting,
    /// Alone in a room.
    InRoom,
    /// In one session, or in a room in several.
    Matched,
}

/// The partners a client has met within the hour, the latest [`RECENT_PARTNERS_MAX`] of them.
#[derive(Default)]
pub(crate) struct Recent(VecDeque<(ClientId, Duration)>);

impl Recent {
    /// Notes a partner; forgets the oldest if there are too many.
    pub(crate) fn insert(&mut self, partner: ClientId, now: Duration) {
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
    pub(crate) fn contains(&self, partner: ClientId) -> bool {
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
        let id = |serial| ClientId { serial, key: 0 };
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
