//! Allocate requests whose allocation has ended: repeated byte for byte, whether by somebody who recorded
//! them or by a slow network, they must not make another. Not retransmissions to a living one, which it
//! answers itself.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::time::Duration;

use indexmap::IndexSet;
use stun_wire::TransactionId;

use crate::address::FiveTuple;
use crate::keyed::Keyed;
use crate::limits::{NONCE_LIFETIME, SPENT_REQUESTS_MAX};
use crate::nonce::TICK_S;

/// What was asked within a nonce's lifetime and has ended, as keyed hashes of 5-tuple and transaction.
pub(crate) struct Spent {
    keyed: Keyed,
    requests: IndexSet<u64, Keyed>,
    order: VecDeque<(Duration, u64)>,
}

impl Spent {
    pub(crate) fn new(keyed: Keyed) -> Self {
        Self { keyed, requests: IndexSet::with_hasher(keyed), order: VecDeque::new() }
    }

    /// Remembers a request as long as its nonce could be accepted. Where there are too many the oldest is
    /// forgotten: a replay then makes an allocation that its owner, and nobody else, can use.
    pub(crate) fn add(&mut self, tuple: &FiveTuple, id: TransactionId, now: Duration) {
        if self.order.len() >= SPENT_REQUESTS_MAX {
            self.forget_oldest();
        }
        let request = self.keyed.hash_one((tuple, id));
        if self.requests.insert(request) {
            self.order.push_back((now + REMEMBERED, request));
        }
    }

    /// Forgets those whose time is over.
    pub(crate) fn lapse(&mut self, now: Duration) {
        while self.next().is_some_and(|until| until <= now) {
            self.forget_oldest();
        }
    }

    /// When [`Spent::lapse`] has something to do.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.order.front().map(|(until, _)| *until)
    }

    /// How many are remembered, and since when the oldest is.
    pub(crate) fn kept(&self) -> (usize, Option<Duration>) {
        let oldest = self.order.front().map(|(until, _)| until.saturating_sub(REMEMBERED));
        (self.order.len(), oldest)
    }

    pub(crate) fn contains(&self, tuple: &FiveTuple, id: TransactionId) -> bool {
        !self.requests.is_empty() && self.requests.contains(&self.keyed.hash_one((tuple, id)))
    }

    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.order.pop_front() {
            self.requests.swap_remove(&oldest);
        }
    }
}

/// How long a request is remembered: as long as its nonce could be accepted.
pub const REMEMBERED: Duration = NONCE_LIFETIME.saturating_add(Duration::from_secs(TICK_S));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{ClientAddr, ListenerId, LocalIp};

    fn tuple(port: u16) -> FiveTuple {
        FiveTuple {
            client: ClientAddr(([198, 51, 100, 7], port).into()),
            local: LocalIp("192.0.2.1".parse().unwrap()),
            listener: ListenerId(0),
        }
    }

    #[test]
    fn requests_are_remembered_for_a_nonces_lifetime_and_within_bounds() {
        let mut spent = Spent::new(Keyed(1, 2));
        let id = TransactionId([1; 12]);
        spent.add(&tuple(1), id, Duration::ZERO);
        assert!(spent.contains(&tuple(1), id));
        assert!(!spent.contains(&tuple(2), id) && !spent.contains(&tuple(1), TransactionId([2; 12])));
        spent.add(&tuple(2), id, NONCE_LIFETIME);
        assert!(spent.contains(&tuple(1), id));
        let over = NONCE_LIFETIME + Duration::from_secs(TICK_S);
        assert_eq!(spent.next(), Some(over));
        spent.add(&tuple(3), id, over);
        spent.lapse(over);
        assert!(!spent.contains(&tuple(1), id) && spent.contains(&tuple(2), id));
        for number in 0..2 * SPENT_REQUESTS_MAX as u64 {
            let mut other = [0; 12];
            other[..8].copy_from_slice(&number.to_be_bytes());
            spent.add(&tuple(4), TransactionId(other), NONCE_LIFETIME);
        }
        assert!(spent.requests.len() <= SPENT_REQUESTS_MAX && spent.order.len() == spent.requests.len());
    }

    #[test]
    fn how_many_are_kept_and_since_when_is_told() {
        let mut spent = Spent::new(Keyed(1, 2));
        assert_eq!(spent.kept(), (0, None));
        for s in [70, 80, 90] {
            spent.add(&tuple(s), TransactionId([1; 12]), Duration::from_secs(s.into()));
        }
        assert_eq!(spent.kept(), (3, Some(Duration::from_secs(70))));
        spent.lapse(spent.next().unwrap());
        assert_eq!(spent.kept(), (2, Some(Duration::from_secs(80))));
    }
}
