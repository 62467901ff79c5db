//! What is remembered under tags: arrivals, searches, reports, bans. All of it has an end, and none of it an
//! address.
//!
//! It decides who is banned; closing the connections is the matcher's.

use std::collections::VecDeque;
use std::time::Duration;

use indexmap::IndexMap;

use crate::crowds::Crowds;
use crate::ids::KeyedHasher;
use crate::limits::{
    Limits, REPORTERS_TO_BAN, REPORTS_PER_REPORTER_MAX, SEARCH_RETRY_MS_MAX, SEARCHERS_SHARE,
    SEARCHES_MS_MAX, TAG_RECORDS_MAX, TAG_RECORDS_MS_MAX,
};
use crate::places::Places;
use crate::tags::{Place, Tag, Tags};

/// All records.
pub(crate) struct Records {
    arrivals: Places<Level>,
    searches: Places<Level>,
    pub(crate) crowds: Crowds,
    reports: Places<Vec<Report>>,
    reporters: Places<VecDeque<Duration>>,
    bans: Map<Duration>,
    suspects: Map<Duration>,
}

type Map<T> = IndexMap<Tag, T, KeyedHasher>;

/// Somebody of another network complained.
pub(crate) struct Report {
    wide: Tag,
    at: Duration,
}

/// How fast something came lately: a count that leaks away.
#[derive(Clone, Copy, Default)]
pub(crate) struct Level {
    milli: u64,
    at: Duration,
}

/// What a report led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Nothing yet.
    Noted,
    /// The place is banned.
    Banned,
    /// Too many people share the place to ban it; they have to work for their way in.
    Suspected,
}

impl Records {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        let map = || IndexMap::with_hasher(KeyedHasher(key));
        Self {
            arrivals: Places::new(key),
            searches: Places::new(key),
            crowds: Crowds::new(key),
            reports: Places::new(key),
            reporters: Places::new(key),
            bans: map(),
            suspects: map(),
        }
    }

    /// Notes a client; gives how fast they come from there, in thousandths of a client. `None` where there
    /// are too many places to tell.
    pub(crate) fn arrive(&mut self, place: Place, leak_milli_per_s: u64, now: Duration) -> Option<u64> {
        Some(self.arrivals.entry(place)?.add(leak_milli_per_s, now))
    }

    /// Notes a search for a partner, if there have not been too many from there; else after how long there
    /// may be one, in milliseconds.
    pub(crate) fn search(&mut self, place: Place, limits: &Limits, now: Duration) -> Result<(), u64> {
        let present = self.crowds.present(place) as u64;
        let leak_milli_per_s = u64::from(limits.searches_per_s) * (1000 + 1000 * present / SEARCHERS_SHARE);
        let burst = u64::from(limits.burst_searches) * (1 + present / SEARCHERS_SHARE);
        let level = self.searches.entry(place).ok_or(SEARCH_RETRY_MS_MAX)?;
        level.take(leak_milli_per_s, 1000 * burst, now)
    }

    /// Whether a reporter has not said too much within the hour.
    pub(crate) fn may_report(&mut self, reporter: Place, now: Duration) -> bool {
        let Some(times) = self.reporters.entry(reporter) else { return false };
        while times.front().is_some_and(|at| is_over(*at, now)) {
            times.pop_front();
        }
        let may = times.len() < REPORTS_PER_REPORTER_MAX;
        if may {
            times.push_back(now);
        }
        may
    }

    /// Notes a report by somebody of a network, and judges.
    pub(crate) fn report(&mut self, reported: Place, by: Place, ban: Duration, now: Duration) -> Judgement {
        let Some(reports) = self.reports.entry(reported) else { return Judgement::Noted };
        reports.retain(|report| !is_over(report.at, now) && report.wide != by.wide);
        reports.push(Report { wide: by.wide, at: now });
        if reports.len() < REPORTERS_TO_BAN {
            return Judgement::Noted;
        }
        reports.clear();
        let (places, judgement) = match self.crowds.is_crowded(reported, now) {
            true => (&mut self.suspects, Judgement::Suspected),
            false => (&mut self.bans, Judgement::Banned),
        };
        if places.len() >= TAG_RECORDS_MAX && !places.contains_key(&reported.near) {
            return Judgement::Noted;
        }
        places.insert(reported.near, now + ban);
        judgement
    }

    /// Until when a place is banned, if it is.
    pub(crate) fn banned_until(&self, tags: &Tags, now: Duration) -> Option<Duration> {
        tags.near().filter_map(|tag| self.bans.get(&tag)).copied().filter(|until| *until > now).max()
    }

    /// Whether a place has to work although little is going on.
    pub(crate) fn is_suspect(&self, tags: &Tags, now: Duration) -> bool {
        tags.near().any(|tag| self.suspects.get(&tag).is_some_and(|until| *until > now))
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&mut self, now: Duration) {
        self.arrivals.retain(|level| !is_over(level.at, now));
        self.searches.retain(|level| now.saturating_sub(level.at) < Duration::from_millis(SEARCHES_MS_MAX));
        self.crowds.sweep(now);
        self.reporters.retain(|times| times.back().is_some_and(|at| !is_over(*at, now)));
        self.reports.retain(|reports| {
            reports.retain(|report| !is_over(report.at, now));
            !reports.is_empty()
        });
        self.bans.retain(|_, until| *until > now);
        self.suspects.retain(|_, until| *until > now);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.counts().iter().all(|(count, _)| *count == 0)
    }

    /// How many arrivals, searches, crowds, reporters, reports and bans there are, each with the time of the
    /// oldest, or of the first to end for bans.
    pub(crate) fn counts(&self) -> [(usize, Option<Duration>); 6] {
        let bans = self.bans.values().chain(self.suspects.values());
        let reports = || self.reports.values().flatten().map(|report| report.at);
        [
            (self.arrivals.len(), self.arrivals.values().map(|level| level.at).min()),
            (self.searches.len(), self.searches.values().map(|level| level.at).min()),
            self.crowds.count(),
            (self.reporters.len(), self.reporters.values().filter_map(VecDeque::front).min().copied()),
            (reports().count(), reports().min()),
            (self.bans.len() + self.suspects.len(), bans.min().copied()),
        ]
    }
}

impl Level {
    /// Adds one; gives the level, in thousandths.
    pub(crate) fn add(&mut self, leak_milli_per_s: u64, now: Duration) -> u64 {
        self.leak(leak_milli_per_s, now);
        self.milli += 1000;
        self.milli
    }

    /// Adds one if the level stays within a bound; else says how long it takes until one fits, in
    /// milliseconds.
    fn take(&mut self, leak_milli_per_s: u64, milli_max: u64, now: Duration) -> Result<(), u64> {
        self.leak(leak_milli_per_s, now);
        let too_much = (self.milli + 1000).saturating_sub(milli_max);
        if too_much > 0 {
            let retry_ms = (1000 * too_much).checked_div(leak_milli_per_s).unwrap_or(u64::MAX);
            return Err((1 + retry_ms).min(SEARCH_RETRY_MS_MAX));
        }
        self.milli += 1000;
        Ok(())
    }

    fn leak(&mut self, leak_milli_per_s: u64, now: Duration) {
        let passed_ms = now.saturating_sub(self.at).as_millis() as u64;
        self.milli = self.milli.saturating_sub(passed_ms.saturating_mul(leak_milli_per_s) / 1000);
        self.at = now;
    }
}

/// Whether something of an hour ago is to be forgotten.
pub(crate) fn is_over(at: Duration, now: Duration) -> bool {
    now.saturating_sub(at) >= Duration::from_millis(TAG_RECORDS_MS_MAX)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::limits::CROWD_CLIENTS;
    use crate::tags::{Origin, TagKeys};

    const BAN: Duration = Duration::from_secs(600);

    fn tags(a: u8, b: u8) -> Tags {
        TagKeys::new([[1; 32], [2; 32]]).tags(Origin::from(IpAddr::V4(Ipv4Addr::new(192, 0, a, b))))
    }

    fn place(a: u8, b: u8) -> Place {
        tags(a, b).places()[0]
    }

    #[test]
    fn three_networks_ban_and_time_lifts_it() {
        let mut records = Records::new([0; 16]);
        let bad = tags(0, 1);
        let now = Duration::from_secs(10);
        for (by, expected) in
            [(1, Judgement::Noted), (1, Judgement::Noted), (2, Judgement::Noted), (3, Judgement::Banned)]
        {
            assert_eq!(records.report(place(0, 1), place(by, 7), BAN, now), expected);
        }
        assert!(records.banned_until(&bad, now + BAN - Duration::from_secs(1)).is_some());
        assert!(records.banned_until(&tags(0, 2), now).is_none(), "a neighbour is not banned");
        assert!(records.banned_until(&bad, now + BAN).is_none());
        records.sweep(now + BAN);
        assert!(records.is_empty());
    }

    #[test]
    fn reports_of_an_hour_ago_do_not_count() {
        let mut records = Records::new([0; 16]);
        let hour = Duration::from_millis(TAG_RECORDS_MS_MAX);
        records.report(place(0, 1), place(1, 1), BAN, Duration::ZERO);
        records.report(place(0, 1), place(2, 1), BAN, Duration::ZERO);
        assert_eq!(records.report(place(0, 1), place(3, 1), BAN, hour), Judgement::Noted);
    }

    #[test]
    fn a_place_of_many_has_to_work_and_is_never_banned() {
        let (office, hour) = (tags(0, 1), Duration::from_millis(TAG_RECORDS_MS_MAX));
        let judge = |records: &mut Records, now| {
            (1..=3).map(|by| records.report(place(0, 1), place(by, 1), BAN, now)).last()
        };
        let mut records = Records::new([0; 16]);
        (0..=CROWD_CLIENTS).for_each(|_| records.crowds.enter(&office));
        assert_eq!(judge(&mut records, 3 * hour), Some(Judgement::Suspected), "they are still there");
        assert!(records.banned_until(&office, 3 * hour).is_none() && records.is_suspect(&office, 3 * hour));
        (0..=CROWD_CLIENTS).for_each(|_| records.crowds.leave(&office, 3 * hour));
        let hardly = 4 * hour - Duration::from_secs(1);
        assert_eq!(judge(&mut records, hardly), Some(Judgement::Suspected), "they were there together");
        assert_eq!(judge(&mut records, 4 * hour), Some(Judgement::Banned));
    }

    #[test]
    fn one_who_comes_again_and_again_is_no_crowd() {
        let mut records = Records::new([0; 16]);
        let one = tags(0, 1);
        for i in 0..100 {
            records.crowds.enter(&one);
            records.crowds.leave(&one, Duration::from_secs(i));
        }
        assert!(!records.crowds.is_crowded(place(0, 1), Duration::from_secs(100)));
    }

    #[test]
    fn reporters_have_a_budget() {
        let mut records = Records::new([0; 16]);
        let now = Duration::from_secs(1);
        let allowed = (0..20).filter(|_| records.may_report(place(1, 1), now)).count();
        assert_eq!(allowed, REPORTS_PER_REPORTER_MAX);
        assert!(records.may_report(place(1, 1), now + Duration::from_millis(TAG_RECORDS_MS_MAX)));
    }

    #[test]
    fn searches_have_a_budget_that_grows_with_those_who_are_there() {
        let limits = Limits { searches_per_s: 2, burst_searches: 10, ..Limits::default() };
        let mut records = Records::new([0; 16]);
        let allowed = |records: &mut Records, at| {
            (0..1000)
                .filter(|_| records.search(place(1, 1), &limits, Duration::from_secs(at)).is_ok())
                .count()
        };
        assert_eq!(allowed(&mut records, 1), 10);
        assert_eq!(records.search(place(1, 1), &limits, Duration::from_secs(1)), Err(501));
        assert_eq!(allowed(&mut records, 4), 6);
        (0..SEARCHERS_SHARE * 4).for_each(|_| records.crowds.enter(&tags(1, 1)));
        assert_eq!(allowed(&mut records, 100), 50);
        assert_eq!(allowed(&mut records, 101), 10);
    }

    #[test]
    fn a_level_leaks() {
        let mut level = Level::default();
        for _ in 0..10 {
            level.add(1000, Duration::ZERO);
        }
        assert_eq!(level.add(1000, Duration::from_secs(4)), 7_000);
        assert_eq!(level.add(1000, Duration::from_secs(100)), 1_000);
    }
}
