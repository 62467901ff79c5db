//! What the transport counts: the matcher's numbers, and who was refused for what.

use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot. What ends in `_total` only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The matcher's numbers; its errors include those told before it was asked.
    pub matcher: match_core::Counters,
    /// Connections now, HTTP and WebSocket together.
    pub connections: u64,
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

/// Why somebody was refused or dropped, alphabetical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
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
    /// A frame outside RFC 6455, or a binary one.
    WebSocket,
}

impl Refusal {
    /// All of them, in order.
    pub const ALL: [Self; 11] = [
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
        Self::WebSocket,
    ];

    /// As a metric's label.
    pub const fn label(self) -> &'static str {
        match self {
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
            Self::WebSocket => "websocket",
        }
    }
}

/// What many tasks count at once.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) requests: AtomicU64,
    refusals: [AtomicU64; Refusal::ALL.len()],
    errors: [AtomicU64; match_core::ErrorCode::ALL.len()],
}

impl Shared {
    pub(crate) fn count_refusal(&self, reason: Refusal) {
        self.refusals[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_error(&self, code: match_core::ErrorCode) {
        self.errors[code as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Adds these to the matcher's numbers.
    pub(crate) fn snapshot(&self, mut matcher: match_core::Counters, connections: u64) -> Counters {
        for (sum, own) in matcher.errors_total.iter_mut().zip(&self.errors) {
            *sum += own.load(Ordering::Relaxed);
        }
        let requests_total = self.requests.load(Ordering::Relaxed);
        let refusals_total = std::array::from_fn(|i| self.refusals[i].load(Ordering::Relaxed));
        Counters { matcher, connections, requests_total, refusals_total }
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
        assert!(shared.snapshot(match_core::Counters::default(), 0).refusals().all(|(_, n)| n == 1));
    }
}
