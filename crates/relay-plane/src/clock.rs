//! The time, as the cores want to be told it.

use std::time::{Duration, Instant, SystemTime};

use turn_core::Now;

/// A clock whose start all workers share, so that their times can be compared.
#[derive(Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// One that starts now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The moment, for libraries that keep time by the system's clock.
    pub fn at(&self, mono: Duration) -> Instant {
        self.start + mono
    }

    /// What [`Clock::at`] was asked for; zero for a moment before the start.
    pub(crate) fn since_start(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.start)
    }

    pub(crate) fn now(&self) -> Now {
        let unix_s =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Now { mono: self.start.elapsed(), unix_s }
    }
}
