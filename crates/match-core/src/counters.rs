//! What the matcher counts: plain numbers, of people never.

use crate::message::ErrorCode;

/// A snapshot. What ends in `_total` only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections now.
    pub connections: u64,
    /// Clients without a transport now, who may come back.
    pub lost: u64,
    /// Waiting tickets now.
    pub waiting: u64,
    /// Rooms now.
    pub rooms: u64,
    /// Sessions now.
    pub sessions: u64,
    /// What payloads that are held for clients take now, in bytes.
    pub held_bytes: u64,
    /// Times that all that was held for a client was forgotten, because too much was held for all.
    pub held_dropped_total: u64,
    /// Clients who came back.
    pub resumed_total: u64,
    /// Pairs made.
    pub matches_total: u64,
    /// Payloads forwarded.
    pub messages_total: u64,
    /// Queue entries looked at in search of partners; divided by `matches_total` it says what a match costs.
    pub looked_at_total: u64,
    /// Clients asked to work before they came in.
    pub challenges_total: u64,
    /// Reports that counted.
    pub reports_total: u64,
    /// Bans that came of them.
    pub bans_total: u64,
    /// Errors told, in the order of [`ErrorCode::ALL`].
    pub errors_total: [u64; ErrorCode::ALL.len()],
}

impl Counters {
    /// The errors told, by code.
    pub fn errors(&self) -> impl Iterator<Item = (ErrorCode, u64)> + '_ {
        ErrorCode::ALL.into_iter().zip(self.errors_total)
    }

    /// Counts one error.
    pub fn count_error(&mut self, code: ErrorCode) {
        // The derived order and the order of `ALL` are the same; a test holds them together.
        self.errors_total[code as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_its_own_place() {
        let mut counters = Counters::default();
        for (i, code) in ErrorCode::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, i);
            counters.count_error(code);
        }
        assert!(counters.errors().all(|(_, n)| n == 1));
    }
}
