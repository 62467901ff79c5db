//! What the transport counts: the matcher's numbers, and who was refused for what.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A snapshot. What ends in `_total` only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The matcher's numbers; its errors include those told before it was asked.
    pub matcher: match_core::Counters,
    /// Connections now, over TCP and QUIC together.
    pub connections: u64,
    /// What waits to be sent now, in bytes.
    pub outbound_bytes: u64,
    /// What became of QUIC handshakes.
    pub quic: QuicCounters,
    /// Requests answered, those of [`Counters::refusals_total`] included.
    pub requests_total: u64,
    /// Refusals, in the order of [`Refusal::ALL`].
    pub refusals_total: [u64; Refusal::ALL.len()],
}

impl Counters {
    /// The refusals, by reason.
    pub fn refusals(&self) -> impl Iterator<Item = (Refusal, u64)> + '_ {
        Refusal::ALL.into_iter().zip(self.refusals_total)
    }
}

/// What became of QUIC handshakes; all but the first only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuicCounters {
    /// Connections now.
    pub connections: u64,
    /// Handshakes that were finished.
    pub accepted_total: u64,
    /// Handshakes that failed or took too long.
    pub failed_total: u64,
    /// Handshakes that were refused: too many connections or handshakes.
    pub refused_total: u64,
    /// Clients that were asked to prove their address first.
    pub retried_total: u64,
}

/// Why somebody was refused or dropped, alphabetical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// A frame that no client of ours sends: outside RFC 6455, binary, or not UTF-8.
    Frame,
    /// As many connections as there may be.
    Full,
    /// A page of another origin.
    Origin,
    /// Nothing was heard between two pings.
    PingTimeout,
    /// Too many connections from one prefix.
    Prefix,
    /// A request that is malformed or holds what no request of ours needs.
    Request,
    /// It reads slower than others write.
    SlowReader,
    /// A WebSocket handshake without `ginnel.1`.
    Subprotocol,
    /// A flood of messages.
    TooFast,
    /// A frame that is larger than a message may be.
    TooLarge,
    /// A host name that is not ours.
    UnknownHost,
}

impl Refusal {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
        Self::Frame,
        Self::Full,
        Self::Origin,
        Self::PingTimeout,
        Self::Prefix,
        Self::Request,
        Self::SlowReader,
        Self::Subprotocol,
        Self::TooFast,
        Self::TooLarge,
        Self::UnknownHost,
    ];

    /// As a metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Frame => "frame",
            Self::Full => "full",
            Self::Origin => "origin",
            Self::PingTimeout => "ping-timeout",
            Self::Prefix => "prefix",
            Self::Request => "request",
            Self::SlowReader => "slow-reader",
            Self::Subprotocol => "subprotocol",
            Self::TooFast => "too-fast",
            Self::TooLarge => "too-large",
            Self::UnknownHost => "unknown-host",
        }
    }
}

/// What many tasks count at once.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) requests: AtomicU64,
    pub(crate) quic: SharedQuic,
    refusals: [AtomicU64; Refusal::ALL.len()],
    errors: [AtomicU64; match_core::ErrorCode::ALL.len()],
    /// The matcher's own, as of its last turn.
    matcher: Mutex<match_core::Counters>,
}

impl Shared {
    pub(crate) fn count_refusal(&self, reason: Refusal) {
        self.refusals[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_error(&self, code: match_core::ErrorCode) {
        self.errors[code as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn put_matcher(&self, counters: match_core::Counters) {
        *self.matcher.lock().unwrap_or_else(PoisonError::into_inner) = counters;
    }

    /// The matcher's numbers and these.
    pub(crate) fn snapshot(&self, connections: u64, of_quic: u64, outbound_bytes: u64) -> Counters {
        let mut matcher = *self.matcher.lock().unwrap_or_else(PoisonError::into_inner);
        for (sum, own) in matcher.errors_total.iter_mut().zip(&self.errors) {
            *sum += own.load(Ordering::Relaxed);
        }
        let requests_total = self.requests.load(Ordering::Relaxed);
        let refusals_total = std::array::from_fn(|i| self.refusals[i].load(Ordering::Relaxed));
        let quic = self.quic.snapshot(of_quic);
        Counters { matcher, connections, outbound_bytes, quic, requests_total, refusals_total }
    }
}

/// The same for QUIC.
#[derive(Default)]
pub(crate) struct SharedQuic {
    pub(crate) accepted: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) retried: AtomicU64,
}

impl SharedQuic {
    fn snapshot(&self, connections: u64) -> QuicCounters {
        QuicCounters {
            connections,
            accepted_total: self.accepted.load(Ordering::Relaxed),
            failed_total: self.failed.load(Ordering::Relaxed),
            refused_total: self.refused.load(Ordering::Relaxed),
            retried_total: self.retried.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_place() {
        let shared = Shared::default();
        for (i, reason) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, i);
            shared.count_refusal(reason);
        }
        assert!(Refusal::ALL.is_sorted_by_key(|reason| reason.label()));
        assert!(shared.snapshot(0, 0, 0).refusals().all(|(_, n)| n == 1));
    }
}
