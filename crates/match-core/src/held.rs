//! What was sent to a client and may not have arrived: the latest payloads, for its return.
//!
//! It keeps no message of another kind; where a returning client stands is told anew. While the client is
//! there, nothing stays for longer than it takes to notice that a transport is dead.

use std::collections::VecDeque;
use std::time::Duration;

use crate::ids::SessionId;
use crate::limits::{HELD_BYTES_MAX, HELD_MESSAGES_MAX, HELD_MS_MAX, HELD_OVERHEAD_BYTES};
use crate::message::ServerMessage;

/// The latest payloads, oldest first.
#[derive(Default)]
pub(crate) struct Held {
    messages: VecDeque<Message>,
    bytes: usize,
}

struct Message {
    until: Duration,
    session: SessionId,
    n: u64,
    bytes: usize,
    message: ServerMessage,
}

impl Held {
    /// Whether one more of this size fits beside those that are held.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.messages.len() < HELD_MESSAGES_MAX && self.bytes + cost(bytes) <= HELD_BYTES_MAX
    }

    /// Holds one; the oldest make room for it.
    pub(crate) fn push(
        &mut self,
        session: SessionId,
        n: u64,
        bytes: usize,
        message: ServerMessage,
        now: Duration,
    ) {
        while !self.has_room(bytes) && self.drop_oldest() {}
        let until = now + Duration::from_millis(HELD_MS_MAX);
        self.bytes += cost(bytes);
        self.messages.push_back(Message { until, session, n, bytes, message });
    }

    /// Those of a session that come after the `got`th of `sent`; `None` if any of them is held no more.
    pub(crate) fn after(&self, session: SessionId, got: u64, sent: u64) -> Option<Vec<ServerMessage>> {
        let missing = sent.checked_sub(got)?;
        let is_missing = |held: &&Message| held.session == session && held.n > got;
        let found: Vec<_> =
            self.messages.iter().filter(is_missing).map(|held| held.message.clone()).collect();
        (found.len() as u64 == missing).then_some(found)
    }

    /// Forgets those of a session.
    pub(crate) fn forget(&mut self, session: SessionId) {
        self.messages.retain(|held| held.session != session);
        self.bytes = self.messages.iter().map(|held| cost(held.bytes)).sum();
    }

    /// Forgets those whose time is over.
    pub(crate) fn expire(&mut self, now: Duration) {
        while self.next_expiry().is_some_and(|until| until <= now) {
            self.drop_oldest();
        }
    }

    /// When the oldest one is to be forgotten.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.messages.front().map(|held| held.until)
    }

    fn drop_oldest(&mut self) -> bool {
        let oldest = self.messages.pop_front();
        self.bytes -= oldest.as_ref().map_or(0, |held| cost(held.bytes));
        oldest.is_some()
    }
}

fn cost(bytes: usize) -> usize {
    bytes + HELD_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId([1; 16]);

    fn held(count: u64, bytes: usize) -> Held {
        let mut held = Held::default();
        for n in 1..=count {
            held.push(SESSION, n, bytes, ServerMessage::Waiting { bin: n }, Duration::from_millis(n));
        }
        held
    }

    #[test]
    fn what_is_missing_is_given_whole_or_not_at_all() {
        let held = held(10, 100);
        assert_eq!(held.after(SESSION, 7, 10).map(|found| found.len()), Some(3));
        assert_eq!(held.after(SESSION, 10, 10).map(|found| found.len()), Some(0));
        assert!(held.after(SESSION, 11, 10).is_none());
        assert!(held.after(SessionId([2; 16]), 0, 1).is_none());
    }

    #[test]
    fn number_bytes_and_time_have_their_bounds() {
        let many = held(HELD_MESSAGES_MAX as u64 + 3, 1);
        assert_eq!(many.messages.len(), HELD_MESSAGES_MAX);
        assert!(many.after(SESSION, 2, 67).is_none() && many.after(SESSION, 3, 67).is_some());
        let large = held(20, 30_000);
        assert_eq!(large.messages.len(), HELD_BYTES_MAX / (30_000 + HELD_OVERHEAD_BYTES));
        let mut old = held(5, 1);
        old.expire(Duration::from_millis(HELD_MS_MAX + 3));
        assert_eq!(old.messages.len(), 2);
        old.forget(SESSION);
        assert_eq!((old.messages.len(), old.bytes), (0, 0));
    }
}
