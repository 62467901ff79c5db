//! A line between a site and the internet that delays, loses, doubles and reorders. Not bandwidth.

use std::time::Duration;

use crate::random::Random;

/// How a line treats each datagram, in both directions. Chances are per thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// How long a datagram takes at least.
    pub delay: Duration,
    /// How much longer it may take; more than the gap between two datagrams reorders them.
    pub jitter: Duration,
    /// How many are lost.
    pub loss_per_mille: u16,
    /// How many arrive twice.
    pub duplicate_per_mille: u16,
}

impl Link {
    /// A wire: everything arrives at once, once and in order.
    pub const fn wire() -> Self {
        Self { delay: Duration::ZERO, jitter: Duration::ZERO, loss_per_mille: 0, duplicate_per_mille: 0 }
    }

    /// A home line on a good day: 15 to 20 ms, nothing lost.
    pub const fn home() -> Self {
        Self { delay: Duration::from_millis(15), jitter: Duration::from_millis(5), ..Self::wire() }
    }

    /// A train: 60 to 260 ms with reordering, every fifth datagram lost, every twentieth doubled.
    pub const fn train() -> Self {
        Self {
            delay: Duration::from_millis(60),
            jitter: Duration::from_millis(200),
            loss_per_mille: 200,
            duplicate_per_mille: 50,
        }
    }

    /// When the copies of one datagram arrive, counted from now: none, one or two of them.
    pub(crate) fn arrivals(self, random: &mut Random) -> impl Iterator<Item = Duration> {
        let copies = if random.chance(self.loss_per_mille) {
            0
        } else {
            1 + usize::from(random.chance(self.duplicate_per_mille))
        };
        let times: [Duration; 2] = std::array::from_fn(|_| self.delay + below(self.jitter, random));
        times.into_iter().take(copies)
    }
}

fn below(bound: Duration, random: &mut Random) -> Duration {
    let micros = u64::try_from(bound.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(if micros == 0 { 0 } else { random.below(micros) })
}
