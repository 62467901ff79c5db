//! Sessions that are over, until their credentials would have ended by themselves: till then those are
//! refused. Not what becomes of their allocations.

use std::collections::VecDeque;
use std::time::Duration;

use indexmap::IndexMap;

use crate::config::Now;
use crate::credentials::SessionId;
use crate::keyed::{Keyed, KeyedMap};
use crate::limits::ENDED_SESSIONS_MAX;

/// Ended sessions, with the Unix second in which the last credential ends.
pub(crate) struct Ended {
    until_by_session: KeyedMap<SessionId, u64>,
    /// In the order in which they ended, with the time of the next look. All credentials last as long, so
    /// that it is the order of those times too, as long as nobody sets the clock.
    order: VecDeque<(Duration, SessionId)>,
}

impl Ended {
    pub(crate) fn new(keyed: Keyed) -> Self {
        Self { until_by_session: IndexMap::with_hasher(keyed), order: VecDeque::new() }
    }

    /// A session is over; where too many are, the oldest is forgotten.
    pub(crate) fn add(&mut self, session: SessionId, until_unix_s: u64, now: Now) {
        if self.order.len() >= ENDED_SESSIONS_MAX
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.until_by_session.swap_remove(&oldest);
        }
        if self.until_by_session.insert(session, until_unix_s).is_none() {
            self.order.push_back((look(until_unix_s, now), session));
        }
    }

    /// Forgets those whose credentials have ended. Those end by the wall clock: who set it back finds them
    /// kept for longer.
    pub(crate) fn lapse(&mut self, now: Now) {
        while self.next().is_some_and(|at| at <= now.mono)
            && let Some((_, session)) = self.order.pop_front()
        {
            match self.until_by_session.get(&session) {
                Some(&until) if until > now.unix_s => self.order.push_back((look(until, now), session)),
                _ => drop(self.until_by_session.swap_remove(&session)),
            }
        }
    }

    pub(crate) fn contains(&self, session: SessionId) -> bool {
        self.until_by_session.contains_key(&session)
    }

    /// When [`Ended::lapse`] has something to do.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.order.front().map(|(at, _)| *at)
    }

    /// How many there are, and the Unix second in which the oldest's credentials end.
    pub(crate) fn kept(&self) -> (usize, Option<u64>) {
        let oldest = self.order.front().and_then(|(_, session)| self.until_by_session.get(session));
        (self.order.len(), oldest.copied())
    }
}

/// When the wall clock will be there, unless somebody sets it.
fn look(until_unix_s: u64, now: Now) -> Duration {
    now.mono + Duration::from_secs(until_unix_s.saturating_sub(now.unix_s).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_s: u64, unix_s: u64) -> Now {
        Now { mono: Duration::from_secs(mono_s), unix_s }
    }

    #[test]
    fn each_is_forgotten_when_its_credentials_end() {
        let mut ended = Ended::new(Keyed(1, 2));
        let [one, other] = [SessionId([1; 16]), SessionId([2; 16])];
        ended.add(one, 1_100, at(0, 1_000));
        ended.add(other, 1_150, at(50, 1_050));
        ended.add(one, 1_100, at(60, 1_060));
        assert_eq!((ended.next(), ended.kept()), (Some(Duration::from_secs(100)), (2, Some(1_100))));
        ended.lapse(at(99, 1_099));
        assert!(ended.contains(one));
        ended.lapse(at(100, 1_100));
        assert!(!ended.contains(one) && ended.contains(other));
        ended.lapse(at(150, 1_150));
        assert_eq!((ended.next(), ended.kept()), (None, (0, None)));
    }

    #[test]
    fn a_clock_that_is_set_back_brings_no_credential_back() {
        let mut ended = Ended::new(Keyed(1, 2));
        let session = SessionId([1; 16]);
        ended.add(session, 1_100, at(0, 1_000));
        ended.lapse(at(100, 500));
        assert!(ended.contains(session));
        assert_eq!(ended.next(), Some(Duration::from_secs(700)));
        ended.lapse(at(700, 1_100));
        assert!(!ended.contains(session));
    }

    #[test]
    fn of_too_many_the_oldest_is_forgotten() {
        let mut ended = Ended::new(Keyed(1, 2));
        let name = |n: usize| SessionId((n as u128).to_be_bytes());
        for n in 0..=ENDED_SESSIONS_MAX {
            ended.add(name(n), 1_100, at(0, 1_000));
        }
        assert_eq!(ended.kept().0, ENDED_SESSIONS_MAX);
        assert!(!ended.contains(name(0)) && ended.contains(name(1)));
    }
}
