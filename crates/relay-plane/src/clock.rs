//! The time, as the cores want to be told it.

use std::time::{Instant, SystemTime};

use turn_core::Now;

/// A clock whose start all workers share, so that their times can be compared.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        let unix_s =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Now { mono: self.start.elapsed(), unix_s }
    }
}
