//! What is remembered under tags: arrivals, reports, bans. All of it has an end, and none of it an address.
//!
//! It decides who is banned; closing the connections is the matcher's.

use std::collections::VecDeque;
use std::time::Duration;

use indexmap::IndexMap;

use crate::ids::KeyedHasher;
use crate::limits::{
    CROWD_CLIENTS, REPORTERS_TO_BAN, REPORTS_PER_REPORTER_MAX, TAG_RECORDS_MAX, TAG_RECORDS_MS_MAX,
};
use crate::tags::{Tag, Tags};

/// All records.
pub(crate) struct Records {
    arrivals: Map<Arrivals>,
    reports: Map<Vec<Report>>,
    reporters: Map<VecDeque<Duration>>,
    bans: Map<Duration>,
    suspects: Map<Duration>,
}

type Map<T> = IndexMap<Tag, T, KeyedHasher>;

/// The latest clients from one place.
#[derive(Default)]
struct Arrivals {
    latest: VecDeque<Duration>,
    level: Level,
}

/// Somebody of another network complained.
struct Report {
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
        fn map<T>(key: [u8; 16]) -> Map<T> {
            IndexMap::with_hasher(KeyedHasher(key))
        }
        let (arrivals, reports, reporters) = (map(key), map(key), map(key));
        Self { arrivals, reports, reporters, bans: map(key), suspects: map(key) }
    }

    /// Notes a client; gives how fast they come from there, in thousandths of a client.
    pub(crate) fn arrive(&mut self, tag: Tag, leak_milli_per_s: u64, now: Duration) -> u64 {
        if self.arrivals.len() >= TAG_RECORDS_MAX && !self.arrivals.contains_key(&tag) {
            return 0;
        }
        let arrivals = self.arrivals.entry(tag).or_default();
        if arrivals.latest.len() > CROWD_CLIENTS {
            arrivals.latest.pop_front();
        }
        arrivals.latest.push_back(now);
        arrivals.level.add(leak_milli_per_s, now)
    }

    /// Whether a reporter has not said too much within the hour.
    pub(crate) fn may_report(&mut self, reporter: Tag, now: Duration) -> bool {
        if self.reporters.len() >= TAG_RECORDS_MAX && !self.reporters.contains_key(&reporter) {
            return false;
        }
        let times = self.reporters.entry(reporter).or_default();
        while times.front().is_some_and(|at| is_over(*at, now)) {
            times.pop_front();
        }
        let may = times.len() < REPORTS_PER_REPORTER_MAX;
        if may {
            times.push_back(now);
        }
        may
    }

    /// Notes a report, and judges.
    pub(crate) fn report(&mut self, reported: Tag, by: Tag, ban: Duration, now: Duration) -> Judgement {
        if self.reports.len() >= TAG_RECORDS_MAX && !self.reports.contains_key(&reported) {
            return Judgement::Noted;
        }
        let reports = self.reports.entry(reported).or_default();
        reports.retain(|report| !is_over(report.at, now) && report.wide != by);
        reports.push(Report { wide: by, at: now });
        if reports.len() < REPORTERS_TO_BAN {
            return Judgement::Noted;
        }
        self.reports.swap_remove(&reported);
        if self.is_crowded(reported, now) {
            self.suspects.insert(reported, now + ban);
            return Judgement::Suspected;
        }
        self.bans.insert(reported, now + ban);
        Judgement::Banned
    }

    /// Until when a place is banned, if it is.
    pub(crate) fn banned_until(&self, tags: &Tags, now: Duration) -> Option<Duration> {
        let known = [Some(tags.near), tags.near_before].into_iter().flatten();
        known.filter_map(|tag| self.bans.get(&tag)).copied().filter(|until| *until > now).max()
    }

    /// Whether a place has to work although little is going on.
    pub(crate) fn is_suspect(&self, tags: &Tags, now: Duration) -> bool {
        let mut known = [Some(tags.near), tags.near_before].into_iter().flatten();
        known.any(|tag| self.suspects.get(&tag).is_some_and(|until| *until > now))
    }

    /// Forgets what is over.
    pub(crate) fn sweep(&mut self, now: Duration) {
        self.arrivals.retain(|_, arrivals| arrivals.latest.back().is_some_and(|at| !is_over(*at, now)));
        self.reporters.retain(|_, times| times.back().is_some_and(|at| !is_over(*at, now)));
        self.reports.retain(|_, reports| {
            reports.retain(|report| !is_over(report.at, now));
            !reports.is_empty()
        });
        self.bans.retain(|_, until| *until > now);
        self.suspects.retain(|_, until| *until > now);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.counts().iter().all(|(count, _)| *count == 0)
    }

    /// How many arrivals, reporters, reports and bans there are, each with the time of the oldest, or of the
    /// first to end for bans.
    pub(crate) fn counts(&self) -> [(usize, Option<Duration>); 4] {
        let bans = self.bans.values().chain(self.suspects.values());
        [
            (self.arrivals.len(), self.arrivals.values().filter_map(|it| it.latest.front()).min().copied()),
            (self.reporters.len(), self.reporters.values().filter_map(VecDeque::front).min().copied()),
            (
                self.reports.values().map(Vec::len).sum(),
                self.reports.values().flatten().map(|report| report.at).min(),
            ),
            (self.bans.len() + self.suspects.len(), bans.min().copied()),
        ]
    }

    /// Whether so many came from a place within the hour that it must be many people's.
    fn is_crowded(&self, tag: Tag, now: Duration) -> bool {
        let Some(arrivals) = self.arrivals.get(&tag) else { return false };
        arrivals.latest.iter().filter(|at| !is_over(**at, now)).count() > CROWD_CLIENTS
    }
}

impl Level {
    /// Adds one; gives the level, in thousandths.
    pub(crate) fn add(&mut self, leak_milli_per_s: u64, now: Duration) -> u64 {
        let passed_ms = now.saturating_sub(self.at).as_millis() as u64;
        self.milli = self.milli.saturating_sub(passed_ms.saturating_mul(leak_milli_per_s) / 1000) + 1000;
        self.at = now;
        self.milli
    }
}

fn is_over(at: Duration, now: Duration) -> bool {
    now.saturating_sub(at) >= Duration::from_millis(TAG_RECORDS_MS_MAX)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::tags::{Origin, TagKeys};

    const BAN: Duration = Duration::from_secs(600);

    fn tags(a: u8, b: u8) -> Tags {
        TagKeys::new([1; 32]).tags(Origin::from(IpAddr::V4(Ipv4Addr::new(192, 0, a, b))))
    }

    #[test]
    fn three_networks_ban_and_time_lifts_it() {
        let mut records = Records::new([0; 16]);
        let bad = tags(0, 1);
        let now = Duration::from_secs(10);
        for (by, expected) in
            [(1, Judgement::Noted), (1, Judgement::Noted), (2, Judgement::Noted), (3, Judgement::Banned)]
        {
            assert_eq!(records.report(bad.near, tags(by, 7).wide, BAN, now), expected);
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
        let bad = tags(0, 1).near;
        let hour = Duration::from_millis(TAG_RECORDS_MS_MAX);
        records.report(bad, tags(1, 1).wide, BAN, Duration::ZERO);
        records.report(bad, tags(2, 1).wide, BAN, Duration::ZERO);
        assert_eq!(records.report(bad, tags(3, 1).wide, BAN, hour), Judgement::Noted);
    }

    #[test]
    fn a_place_of_many_has_to_work_and_is_never_banned() {
        let mut records = Records::new([0; 16]);
        let office = tags(0, 1);
        for i in 0..=CROWD_CLIENTS as u64 {
            records.arrive(office.near, 1000, Duration::from_secs(i));
        }
        let now = Duration::from_secs(60);
        for by in 1..=2 {
            records.report(office.near, tags(by, 1).wide, BAN, now);
        }
        assert_eq!(records.report(office.near, tags(3, 1).wide, BAN, now), Judgement::Suspected);
        assert!(records.banned_until(&office, now).is_none() && records.is_suspect(&office, now));
    }

    #[test]
    fn reporters_have_a_budget() {
        let mut records = Records::new([0; 16]);
        let tag = tags(1, 1).near;
        let now = Duration::from_secs(1);
        let allowed = (0..20).filter(|_| records.may_report(tag, now)).count();
        assert_eq!(allowed, REPORTS_PER_REPORTER_MAX);
        assert!(records.may_report(tag, now + Duration::from_millis(TAG_RECORDS_MS_MAX)));
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
