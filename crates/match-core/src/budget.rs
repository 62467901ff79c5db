//! The message budget of one connection: a token bucket with an end to its patience.
//!
//! The transport asks it before a message is parsed, so that a flood costs nobody but the one who sends it.
//! It counts messages, not bytes.

use std::time::Duration;

use crate::limits::Limits;

/// How much one connection may still send.
#[derive(Clone, Debug)]
pub struct Budget {
    /// In thousandths of a message.
    left_milli: u64,
    burst_milli: u64,
    per_ms_milli: u64,
    filled_at: Duration,
    excess: u32,
    excess_max: u32,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is handled.
    Pass,
    /// It is not handled; the sender is told `too-fast` and when to try again, in milliseconds.
    TooFast {
        /// Until one message fits again.
        retry_ms: u64,
    },
    /// The connection has been told often enough and is closed.
    Exhausted,
}

impl Budget {
    /// A full budget.
    pub fn new(limits: &Limits, now: Duration) -> Self {
        let burst_milli = u64::from(limits.burst_messages.max(1)) * MILLI;
        Self {
            left_milli: burst_milli,
            burst_milli,
            // Messages per second are thousandths of a message per millisecond.
            per_ms_milli: u64::from(limits.messages_per_s.max(1)),
            filled_at: now,
            excess: 0,
            excess_max: limits.excess_messages_max,
        }
    }

    /// Takes one message's worth.
    pub fn take(&mut self, now: Duration) -> Verdict {
        let passed_ms = now.saturating_sub(self.filled_at).as_millis() as u64;
        self.filled_at += Duration::from_millis(passed_ms);
        let filled = self.left_milli.saturating_add(passed_ms.saturating_mul(self.per_ms_milli));
        self.left_milli = filled.min(self.burst_milli);
        if self.left_milli == self.burst_milli {
            self.excess = 0;
        }
        if self.left_milli >= MILLI {
            self.left_milli -= MILLI;
            return Verdict::Pass;
        }
        self.excess += 1;
        if self.excess > self.excess_max {
            return Verdict::Exhausted;
        }
        Verdict::TooFast { retry_ms: (MILLI - self.left_milli).div_ceil(self.per_ms_milli) }
    }
}

const MILLI: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { messages_per_s: 10, burst_messages: 3, excess_messages_max: 2, ..Limits::default() }
    }

    #[test]
    fn a_burst_passes_then_waits_then_ends() {
        let mut budget = Budget::new(&limits(), Duration::ZERO);
        for _ in 0..3 {
            assert_eq!(budget.take(Duration::ZERO), Verdict::Pass);
        }
        assert_eq!(budget.take(Duration::ZERO), Verdict::TooFast { retry_ms: 100 });
        assert_eq!(budget.take(Duration::from_millis(50)), Verdict::TooFast { retry_ms: 50 });
        assert_eq!(budget.take(Duration::from_millis(50)), Verdict::Exhausted);
    }

    #[test]
    fn the_average_rate_passes_for_ever() {
        let mut budget = Budget::new(&limits(), Duration::ZERO);
        for i in 0..1000 {
            assert_eq!(budget.take(Duration::from_millis(i * 100)), Verdict::Pass);
        }
    }

    #[test]
    fn a_full_rest_forgives() {
        let mut budget = Budget::new(&limits(), Duration::ZERO);
        for _ in 0..5 {
            budget.take(Duration::ZERO);
        }
        assert_eq!(budget.take(Duration::from_secs(1)), Verdict::Pass);
        assert_eq!(budget.excess, 0);
    }
}
