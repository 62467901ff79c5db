//! One request on its way: when to send it again and when to give up. Not what it says. RFC 8489 §6.2.1.

use std::time::Duration;

/// The timer of one request over UDP: sent at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, given up at 39.5 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timer {
    sent: u32,
    next: Duration,
}

impl Timer {
    /// The request was just sent for the first time.
    pub(crate) fn start(now: Duration) -> Self {
        Self { sent: 1, next: now + RTO }
    }

    /// The same on a stream, where nothing is sent again: given up at 39.5 s.
    pub(crate) fn start_on_stream(now: Duration) -> Self {
        Self { sent: SENDS_MAX, next: now + RTO * ((1 << (SENDS_MAX - 1)) - 1) + RTO * LAST_WAIT_RTO }
    }

    /// What to do at `now`, if anything is due.
    pub(crate) fn handle_timeout(&mut self, now: Duration) -> Option<Due> {
        if now < self.next {
            return None;
        }
        if self.sent == SENDS_MAX {
            return Some(Due::GiveUp);
        }
        self.sent += 1;
        let wait = if self.sent == SENDS_MAX { RTO * LAST_WAIT_RTO } else { RTO * (1 << (self.sent - 1)) };
        self.next += wait;
        Some(Due::SendAgain)
    }

    pub(crate) const fn next_deadline(&self) -> Duration {
        self.next
    }
}

/// What a timer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    SendAgain,
    GiveUp,
}

/// Initial retransmission timeout.
const RTO: Duration = Duration::from_millis(500);

/// Rc: how often a request is sent.
const SENDS_MAX: u32 = 7;

/// Rm: how many RTOs the last one waits.
const LAST_WAIT_RTO: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_repeated_at_the_times_of_the_rfc() {
        let mut timer = Timer::start(Duration::ZERO);
        let mut times = vec![];
        loop {
            let now = timer.next_deadline();
            times.push(now.as_millis());
            if timer.handle_timeout(now) == Some(Due::GiveUp) {
                break;
            }
        }
        assert_eq!(times, [500, 1500, 3500, 7500, 15_500, 31_500, 39_500]);
    }
}
