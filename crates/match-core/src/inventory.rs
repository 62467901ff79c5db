//! What is kept at this moment, by kind: how much, since when, and for how long at most.
//!
//! It walks through everything, so it is for people who ask now and then. It tells no record's content.

use std::time::Duration;

use crate::Now;
use crate::limits::{
    HELD_MS_MAX, RECENT_MS_MAX, REPORTABLE_MS_MAX, SEARCHES_MS_MAX, SWEEP_MS, TAG_RECORDS_MS_MAX,
};
use crate::matcher::Matcher;

/// One kind of record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its name, stable.
    pub kind: &'static str,
    /// What it holds, for people.
    pub holds: &'static str,
    /// How many there are.
    pub count: u64,
    /// How old the oldest is, in seconds; `None` where there is none, or where it is not known.
    pub oldest_s: Option<u64>,
    /// How long one may live, in seconds; `None`: as long as its connection is in use.
    pub longest_s: Option<u64>,
}

impl Matcher {
    /// The inventory of now.
    pub fn inventory(&self, now: Now) -> Vec<Kept> {
        let limits = &self.config.limits;
        let kept = |kind, holds, longest_ms: Option<u64>, since: Vec<Duration>| Kept {
            kind,
            holds,
            count: since.len() as u64,
            oldest_s: since.iter().min().map(|at| now.mono.saturating_sub(*at).as_secs()),
            longest_s: longest_ms.map(|ms| ms.div_ceil(1000)),
        };
        let ttl_ms = self.config.session_ttl_s * 1000;
        let clients = self.clients.iter().map(|(_, client)| client);
        let lost = clients.clone().filter(|own| own.is_lost());
        let held_since = clients.clone().filter_map(|own| own.held.oldest());
        let recent = clients.clone().filter_map(|own| own.recent.next_expiry());
        let recent_since = recent.map(|until| until.saturating_sub(Duration::from_millis(RECENT_MS_MAX)));
        let tickets = clients.clone().filter_map(|own| self.queue.ticket(own.id)).map(|it| it.arrival.since);
        let mut all = vec![
            kept(
                "clients",
                "a random number, keyed hashes of the address prefix, what was asked for last",
                None,
                clients.clone().map(|own| own.since).collect(),
            ),
            kept(
                "lost clients",
                "the same, for their return",
                // Longer while a call of theirs goes on, which ends with its session.
                Some(ttl_ms),
                lost.map(|own| own.lost_since).collect(),
            ),
            kept("waiting", "media, tags and languages", Some(limits.waiting_ms_max), tickets.collect()),
            kept(
                "rooms",
                "a random code, and which clients are inside",
                None,
                self.rooms.values().map(|room| room.since).collect(),
            ),
            kept(
                "sessions",
                "two clients, counters, shared tags",
                Some(ttl_ms),
                self.sessions.iter().map(|(_, session)| session.opened).collect(),
            ),
            kept(
                "held payloads",
                "clients with set-ups on their way, sealed if payloads must be",
                Some(HELD_MS_MAX + ttl_ms),
                held_since.collect(),
            ),
            kept(
                "met partners",
                "clients with numbers of clients that should not be met again",
                Some(RECENT_MS_MAX),
                recent_since.collect(),
            ),
        ];
        all.extend(self.inventory_of_tags(now));
        all.extend(self.inventory_of_records(now));
        all
    }

    fn inventory_of_tags(&self, now: Now) -> [Kept; 2] {
        let age_s = |since: Duration| now.mono.saturating_sub(since).as_secs();
        let last = self.clients.iter().filter_map(|(_, own)| own.last.as_ref()).map(|met| met.since);
        // Each is made while the one before it is in use, and kept for a while after its own time.
        let keys_s = 2 * self.config.rotate_s + self.config.rotate_s.min(self.config.ban_s);
        [
            Kept {
                kind: "last partners",
                holds: "for a client: the last session's random number and the partner's keyed hashes, for a \
                        report",
                count: last.clone().count() as u64,
                oldest_s: last.min().map(age_s),
                longest_s: Some(REPORTABLE_MS_MAX / 1000),
            },
            Kept {
                kind: "hash keys",
                holds: "random keys of the keyed hashes, which mean nothing without",
                count: self.tag_keys.count(),
                oldest_s: Some(age_s(self.tag_keys.since())),
                longest_s: Some(keys_s),
            },
        ]
    }

    fn inventory_of_records(&self, now: Now) -> impl Iterator<Item = Kept> {
        let hour_ms = TAG_RECORDS_MS_MAX + SWEEP_MS;
        let ban_ms = self.config.ban_s * 1000 + SWEEP_MS;
        let kinds = [
            ("arrivals", "keyed hashes of address prefixes: how fast clients come from there", hour_ms),
            (
                "searches",
                "keyed hashes of address prefixes: how fast partners are looked for from there",
                SEARCHES_MS_MAX + SWEEP_MS,
            ),
            (
                "crowds",
                "keyed hashes of address prefixes: that many were connected from there at once",
                hour_ms,
            ),
            ("reporters", "keyed hashes of address prefixes: how often they reported", hour_ms),
            ("reports", "keyed hashes of two address prefixes: somebody of one reported the other", hour_ms),
            ("bans", "keyed hashes of address prefixes", ban_ms),
        ];
        let ban = Duration::from_secs(self.config.ban_s);
        kinds.into_iter().zip(self.records.counts()).map(move |((kind, holds, longest_ms), (count, at))| {
            let since = at.map(|at| if kind == "bans" { at.saturating_sub(ban) } else { at });
            let oldest_s = since.map(|since| now.mono.saturating_sub(since).as_secs());
            Kept { kind, holds, count: count as u64, oldest_s, longest_s: Some(longest_ms.div_ceil(1000)) }
        })
    }
}
