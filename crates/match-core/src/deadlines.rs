//! What is due when: one deadline per thing, the earliest at hand.
//!
//! It does not run anything; the matcher takes what is due and decides.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::client::ClientId;

/// Deadlines by time. Changes cost the logarithm of their number; looking at the first costs nothing.
#[derive(Default)]
pub(crate) struct Deadlines {
    by_time: BTreeSet<(Duration, Due)>,
    time_by_due: BTreeMap<Due, Duration>,
    first: Option<Duration>,
}

impl Deadlines {
    /// Sets or moves a deadline.
    pub(crate) fn arm(&mut self, due: Due, at: Duration) {
        if let Some(before) = self.time_by_due.insert(due, at) {
            self.by_time.remove(&(before, due));
        }
        self.by_time.insert((at, due));
        self.first = self.by_time.first().map(|(at, _)| *at);
    }

    /// Takes a deadline away, if there is one.
    pub(crate) fn disarm(&mut self, due: Due) {
        if let Some(at) = self.time_by_due.remove(&due) {
            self.by_time.remove(&(at, due));
            self.first = self.by_time.first().map(|(at, _)| *at);
        }
    }

    /// Takes the earliest thing that is due by now.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<Due> {
        self.first.filter(|at| *at <= now)?;
        let (_, due) = self.by_time.pop_first()?;
        self.time_by_due.remove(&due);
        self.first = self.by_time.first().map(|(at, _)| *at);
        Some(due)
    }

    /// The earliest deadline.
    pub(crate) fn first(&self) -> Option<Duration> {
        self.first
    }

    /// Whether something is due at all.
    pub(crate) fn is_armed(&self, due: Due) -> bool {
        self.time_by_due.contains_key(&due)
    }

    /// When something is due.
    #[cfg(debug_assertions)]
    pub(crate) fn of(&self, due: Due) -> Option<Duration> {
        self.time_by_due.get(&due).copied()
    }
}

/// What can be due. At one instant the first in this order goes first, and an earlier client before a later
/// one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A client has been in its state, or lost, for too long.
    Client(ClientId),
    /// A session's time has run out.
    Session(usize),
    /// A ticket asks for less.
    Ticket(ClientId),
    /// What was held for a client has arrived.
    Held(ClientId),
    /// A met partner may be forgotten.
    Recent(ClientId),
    /// Records under tags may be over.
    Sweep,
    /// The key of the tags is to be replaced.
    Rotation,
    /// The key before is to be forgotten.
    OldKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_the_earliest_through_all_changes() {
        let mut deadlines = Deadlines::default();
        let at = Duration::from_secs;
        deadlines.arm(Due::Session(1), at(5));
        deadlines.arm(Due::Session(2), at(3));
        deadlines.arm(Due::Session(1), at(2));
        assert_eq!(deadlines.first(), Some(at(2)));
        assert!(deadlines.pop(at(1)).is_none());
        deadlines.disarm(Due::Session(1));
        assert_eq!(deadlines.first(), Some(at(3)));
        assert!(deadlines.pop(at(3)) == Some(Due::Session(2)));
        assert_eq!(deadlines.first(), None);
    }
}
