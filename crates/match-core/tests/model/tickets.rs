//! A second opinion on who is to be matched with whom: all tickets in a list, and the rules of the protocol's
//! document in plain words. It looks at every ticket for every match.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

/// Those who wait, and who has met whom.
#[derive(Default)]
pub(crate) struct Tickets {
    by_person: BTreeMap<u64, Ticket>,
    next_serial: u64,
    met: BTreeSet<[u64; 2]>,
    /// How many matches were judged.
    pub(crate) judged: u64,
}

struct Ticket {
    want: Value,
    since: Duration,
    serial: u64,
    is_there: bool,
}

impl Tickets {
    /// Somebody asks for a partner.
    pub(crate) fn ask(&mut self, who: u64, want: &Value, now: Duration) {
        let ticket = Ticket { want: want.clone(), since: now, serial: self.next_serial, is_there: true };
        self.next_serial += 1;
        self.by_person.insert(who, ticket);
    }

    /// Somebody does not wait any more.
    pub(crate) fn forget(&mut self, who: u64) {
        self.by_person.remove(&who);
    }

    /// The server knows somebody no more, who may come again as somebody else.
    pub(crate) fn forget_partners(&mut self, who: u64) {
        self.forget(who);
        self.met.retain(|pair| !pair.contains(&who));
    }

    /// Somebody's transport is known to be lost, or to be there again: the place in the queue stays theirs.
    pub(crate) fn set_there(&mut self, who: u64, is_there: bool) {
        if let Some(ticket) = self.by_person.get_mut(&who) {
            ticket.is_there = is_there;
        }
    }

    /// Two who should not wait any more, because they accept each other.
    pub(crate) fn idle_pair(&self, now: Duration) -> Option<[u64; 2]> {
        let there = || self.by_person.iter().filter(|(_, ticket)| ticket.is_there);
        let pairs = there().flat_map(|one| there().map(move |other| (one, other)));
        let mut idle = pairs.filter(|((who, one), (other, ticket))| {
            who < other && !self.met.contains(&pair(**who, **other)) && one.must_meet(ticket, now)
        });
        idle.next().map(|((who, _), (other, _))| [*who, *other])
    }

    /// Whether somebody has a ticket.
    pub(crate) fn has(&self, who: u64) -> bool {
        self.by_person.contains_key(&who)
    }

    /// Two were matched: the first sought, the second waited. Whether they may be, and nobody who waited for
    /// longer was passed over.
    pub(crate) fn judge(&mut self, seeker: u64, partner: u64, now: Duration) -> Result<(), String> {
        let (Some(own), Some(other)) = (self.by_person.remove(&seeker), self.by_person.remove(&partner))
        else {
            return Err(format!("{seeker} or {partner} has not asked"));
        };
        self.judged += 1;
        if !own.may_meet(&other, now) || !other.is_there {
            return Err(format!("{seeker} and {partner} do not accept each other"));
        }
        if self.met.contains(&pair(seeker, partner)) && !(own.meets_again(now) && other.meets_again(now)) {
            return Err(format!("{seeker} and {partner} have just met"));
        }
        let passed_over = self.by_person.iter().find(|(who, ticket)| {
            let is_new = !self.met.contains(&pair(seeker, **who));
            ticket.is_there && is_new && ticket.serial < other.serial && own.must_meet(ticket, now)
        });
        self.met.insert(pair(seeker, partner));
        match passed_over {
            Some((who, _)) => Err(format!("{seeker} was given {partner}, and {who} waited for longer")),
            None => Ok(()),
        }
    }
}

impl Ticket {
    /// Whether two accept each other, what they give up just now being given up.
    fn may_meet(&self, other: &Self, now: Duration) -> bool {
        let accepts = |a: &Self, b: &Self| a.accepts(b, |ms| now - a.since >= Duration::from_millis(ms));
        accepts(self, other) && accepts(other, self)
    }

    /// The same, nothing being given up at this very moment: who is first of several is open.
    fn must_meet(&self, other: &Self, now: Duration) -> bool {
        let accepts = |a: &Self, b: &Self| a.accepts(b, |ms| now - a.since > Duration::from_millis(ms));
        accepts(self, other) && accepts(other, self)
    }

    fn accepts(&self, other: &Self, has_waited: impl Fn(u64) -> bool) -> bool {
        let shares = |list: &str| {
            let words = |ticket: &Self| ticket.want[list].as_array().cloned().unwrap_or_default();
            let (own, others) = (words(self), words(other));
            own.is_empty() || own.iter().any(|word| others.contains(word))
        };
        (has_waited(2_000) || shares("tags"))
            && (has_waited(4_000) || shares("langs"))
            && (has_waited(8_000) || self.want["media"] == other.want["media"])
    }

    fn meets_again(&self, now: Duration) -> bool {
        now - self.since >= Duration::from_millis(3_000)
    }
}

fn pair(one: u64, other: u64) -> [u64; 2] {
    [one.min(other), one.max(other)]
}
