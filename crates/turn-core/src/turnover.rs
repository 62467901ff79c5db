//! How many allocations a network may make in a time, however soon it gives them back: each takes a number
//! that rests afterwards, and who makes and ends them fast enough would leave none to anybody else. In a
//! table of constant size. Not how many there are at once, which the directory counts.

use std::hash::BuildHasher as _;
use std::time::Duration;

use crate::address::Prefix;
use crate::keyed::Keyed;
use crate::limits::{PORT_QUARANTINE, TURNOVER_FACTOR, TURNOVER_MIN, TURNOVER_PLACES};

/// Token buckets by hash of the network; those whose hashes collide share one.
pub(crate) struct Turnover {
    keyed: Keyed,
    /// How many a network may make in the time that a number rests, and that many at once; 0: no limit.
    most: u32,
    /// When each will be full again, in nanoseconds since start.
    full_at: Vec<u64>,
}

impl Turnover {
    /// `per_prefix`: how many a network may have at once; 0: no limit, and so none here.
    pub(crate) fn new(per_prefix: u32, keyed: Keyed) -> Self {
        let most = match per_prefix {
            0 => 0,
            some => some.saturating_mul(TURNOVER_FACTOR).max(TURNOVER_MIN),
        };
        Self { keyed, most, full_at: vec![0; if most == 0 { 0 } else { TURNOVER_PLACES }] }
    }

    /// Whether a network may make so many more now; they count if it may.
    pub(crate) fn admits(&mut self, network: Prefix, more: u32, now: Duration) -> bool {
        let place = self.keyed.hash_one(network) as usize % TURNOVER_PLACES;
        let Some(full_at) = self.full_at.get_mut(place) else { return true };
        let each = nanoseconds(PORT_QUARANTINE) / u64::from(self.most);
        let now = nanoseconds(now);
        let then = (*full_at).max(now) + each * u64::from(more);
        let is_within = then - now <= each * u64::from(self.most);
        if is_within {
            *full_at = then;
        }
        is_within
    }

    /// Places of the table.
    pub(crate) fn places(&self) -> usize {
        self.full_at.len()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("584 years")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::ClientAddr;

    fn network(client: &str) -> Prefix {
        Prefix::of(ClientAddr(client.parse().unwrap()))
    }

    fn made(turnover: &mut Turnover, client: &str, at: Duration) -> usize {
        (0..10_000).filter(|_| turnover.admits(network(client), 1, at)).count()
    }

    #[test]
    fn row_92_a_network_makes_so_many_at_once_and_as_many_in_the_time_that_a_number_rests() {
        let begin = Duration::from_secs(100);
        for (per_prefix, most) in [(1, 1_024), (256, 1_024), (257, 1_028), (1_000, 4_000)] {
            let mut turnover = Turnover::new(per_prefix, Keyed(1, 2));
            assert_eq!(made(&mut turnover, "198.51.100.7:1", begin), most);
            assert_eq!(made(&mut turnover, "198.51.100.8:2", begin), 0, "the network counts");
            assert_eq!(made(&mut turnover, "203.0.113.7:1", begin), most);
            let half = made(&mut turnover, "198.51.100.7:1", begin + PORT_QUARANTINE / 2);
            assert!(half.abs_diff(most / 2) <= 1, "{half}");
            assert_eq!(made(&mut turnover, "203.0.113.7:1", begin + 3 * PORT_QUARANTINE), most);
        }
    }

    #[test]
    fn both_families_of_an_allocation_count_or_neither() {
        let mut turnover = Turnover::new(1, Keyed(1, 2));
        let here = network("198.51.100.7:1");
        assert!((0..511).all(|_| turnover.admits(here, 2, Duration::ZERO)));
        assert!(turnover.admits(here, 1, Duration::ZERO));
        assert!(!turnover.admits(here, 2, Duration::ZERO));
        assert!(turnover.admits(here, 1, Duration::ZERO));
    }

    #[test]
    fn where_a_network_may_have_any_number_it_may_make_any() {
        let mut turnover = Turnover::new(0, Keyed(1, 2));
        assert_eq!(made(&mut turnover, "198.51.100.7:1", Duration::ZERO), 10_000);
        assert_eq!(turnover.full_at.capacity(), 0);
    }
}
