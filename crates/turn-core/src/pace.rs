//! How fast the client of an allocation may ask for things. Not its packets, which `bandwidth` counts, and
//! not those who have proved nothing, whom `budget` does.

use std::time::Duration;

use crate::limits::{REQUEST_INTERVAL, REQUESTS_BURST_MAX};

/// A token bucket as one time since start: when it will be full again.
#[derive(Default)]
pub(crate) struct Pace(Duration);

impl Pace {
    /// Whether one more request is looked at; it counts if it is.
    pub(crate) fn admits(&mut self, now: Duration) -> bool {
        let full_at = self.0.max(now) + REQUEST_INTERVAL;
        let is_within = full_at - now <= REQUEST_INTERVAL * REQUESTS_BURST_MAX;
        if is_within {
            self.0 = full_at;
        }
        is_within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_so_many_a_second() {
        let mut pace = Pace::default();
        let mut admitted = |at: Duration| (0..1000).filter(|_| pace.admits(at)).count() as u32;
        let (begin, second) = (Duration::from_secs(1000), Duration::from_secs(1));
        assert_eq!(admitted(begin), REQUESTS_BURST_MAX);
        assert_eq!(admitted(begin), 0);
        assert_eq!(admitted(begin + second), (second.as_nanos() / REQUEST_INTERVAL.as_nanos()) as u32);
        assert_eq!(admitted(begin + 100 * second), REQUESTS_BURST_MAX);
    }
}
