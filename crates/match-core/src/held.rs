//! What was sent to a client and may not have arrived: the latest payloads, for its return.
//!
//! It keeps no message of another kind; where a returning client stands is told anew. While the client is
//! there, nothing stays for longer than it takes to notice that a transport is dead.

use std::collections::{VecDeque, vec_deque};
use std::time::Duration;

use crate::ids::SessionId;
use crate::limits::{HELD_BYTES_MAX, HELD_MESSAGES_MAX, HELD_MS_MAX, HELD_OVERHEAD_BYTES};
use crate::payload::PayloadFrame;

/// The latest payloads, oldest first.
#[derive(Default)]
pub(crate) struct Held {
    frames: VecDeque<Entry>,
    /// Their texts, one behind the other: what comes and goes all the time costs no allocation each, and lies
    /// in memory in the order in which it is written.
    texts: VecDeque<u8>,
    bytes: usize,
    /// When its client came back last: what is older is as if it had come then.
    back_at: Duration,
}

struct Entry {
    at: Duration,
    session: SessionId,
    n: u64,
    /// Of the message as it came, which is what is accounted for.
    bytes: usize,
    /// Of the frame's text.
    length: usize,
}

impl Held {
    /// Whether one more of this size fits beside those that are held.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.frames.len() < HELD_MESSAGES_MAX && self.bytes + cost(bytes) <= HELD_BYTES_MAX
    }

    /// Holds one; the oldest make room for it.
    pub(crate) fn push(
        &mut self,
        session: SessionId,
        n: u64,
        bytes: usize,
        frame: &PayloadFrame,
        now: Duration,
    ) {
        while !self.has_room(bytes) && self.drop_oldest() {}
        let length = frame.as_str().len();
        self.bytes += cost(bytes);
        if self.texts.capacity() - self.texts.len() < length {
            // Little more than there is: a ring is written to all around.
            self.texts.reserve_exact(length.max(self.texts.len() / 4));
        }
        self.texts.extend(frame.as_str().as_bytes());
        self.frames.push_back(Entry { at: now, session, n, bytes, length });
    }

    /// Those of a session that come after the `got`th of `sent`; `None` if any of them is held no more.
    pub(crate) fn after(&self, session: SessionId, got: u64, sent: u64) -> Option<Vec<PayloadFrame>> {
        let missing = sent.checked_sub(got)?;
        let mut found = Vec::new();
        for (held, text) in self.with_texts() {
            if held.session == session && held.n > got {
                found.push(PayloadFrame::held(text.copied().collect()));
            }
        }
        (found.len() as u64 == missing).then_some(found)
    }

    /// Forgets those of a session.
    pub(crate) fn forget(&mut self, session: SessionId) {
        let mut rest = Self { back_at: self.back_at, ..Self::default() };
        for (held, text) in self.with_texts() {
            if held.session != session {
                rest.texts.extend(text);
                rest.bytes += cost(held.bytes);
                rest.frames.push_back(Entry { ..*held });
            }
        }
        *self = rest;
    }

    /// The client is back: what it missed has as long to arrive as what comes now.
    pub(crate) fn restart(&mut self, now: Duration) {
        self.back_at = now;
    }

    /// Forgets those whose time is over.
    pub(crate) fn expire(&mut self, now: Duration) {
        while self.next_expiry().is_some_and(|until| until <= now) {
            self.drop_oldest();
        }
        if self.frames.is_empty() {
            *self = Self::default();
        }
    }

    /// The memory that they take, in bytes.
    pub(crate) fn footprint(&self) -> usize {
        self.texts.capacity() + self.frames.capacity() * size_of::<Entry>()
    }

    /// When the oldest one is to be forgotten.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        Some(self.oldest()?.max(self.back_at) + Duration::from_millis(HELD_MS_MAX))
    }

    /// Since when the oldest one is held.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.frames.front().map(|held| held.at)
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(oldest) = self.frames.pop_front() else { return false };
        self.texts.drain(..oldest.length);
        self.bytes -= cost(oldest.bytes);
        true
    }

    fn with_texts(&self) -> impl Iterator<Item = (&Entry, vec_deque::Iter<'_, u8>)> {
        let mut at = 0;
        self.frames.iter().map(move |held| {
            at += held.length;
            (held, self.texts.range(at - held.length..at))
        })
    }
}

fn cost(bytes: usize) -> usize {
    bytes + HELD_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId([1; 16]);
    fn frame(n: u64) -> PayloadFrame {
        let text = format!(r#"{{"t":"seal","session":"AQEBAQEBAQEBAQEBAQEBAQ","n":{n},"body":"AAAA"}}"#);
        PayloadFrame::held(text.into())
    }

    fn held(count: u64, bytes: usize) -> Held {
        let mut held = Held::default();
        for n in 1..=count {
            held.push(SESSION, n, bytes, &frame(n), Duration::from_millis(n));
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
        let last = held.after(SESSION, 8, 10).unwrap();
        assert!(last[0].as_str() == frame(9).as_str() && last[1].as_str() == frame(10).as_str());
    }

    #[test]
    fn number_bytes_and_time_have_their_bounds() {
        let many = held(HELD_MESSAGES_MAX as u64 + 3, 1);
        assert_eq!(many.frames.len(), HELD_MESSAGES_MAX);
        assert!(many.after(SESSION, 2, 67).is_none() && many.after(SESSION, 3, 67).is_some());
        let large = held(20, 30_000);
        assert_eq!(large.frames.len(), HELD_BYTES_MAX / (30_000 + HELD_OVERHEAD_BYTES));
        let endless = held(10_000, 1);
        assert!(endless.texts.capacity() <= endless.texts.len() * 3 / 2);
        let mut old = held(5, 1);
        old.expire(Duration::from_millis(HELD_MS_MAX + 3));
        assert_eq!(old.frames.len(), 2);
        old.forget(SESSION);
        assert_eq!((old.frames.len(), old.bytes, old.texts.capacity()), (0, 0, 0));
    }

    #[test]
    fn one_session_is_forgotten_and_another_is_not() {
        let other = SessionId([2; 16]);
        let mut held = held(5, 1);
        held.push(other, 1, 1, &frame(77), Duration::from_millis(6));
        held.push(SESSION, 6, 1, &frame(6), Duration::from_millis(7));
        held.forget(SESSION);
        let left = held.after(other, 0, 1).unwrap();
        assert!(left.len() == 1 && left[0].as_str() == frame(77).as_str());
        assert_eq!((held.frames.len(), held.bytes, held.texts.len()), (1, cost(1), frame(77).as_str().len()));
    }
}
