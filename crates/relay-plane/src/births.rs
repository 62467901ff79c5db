//! Since when those are there that are there now, so that the age of the oldest is at hand. Not who they are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// When each began, by numbers that are given in that order.
#[derive(Default)]
pub(crate) struct Births {
    since_by_number: BTreeMap<u64, Instant>,
    next: u64,
}

impl Births {
    /// One more is there; gives its number.
    pub(crate) fn begin(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        self.since_by_number.insert(number, Instant::now());
        number
    }

    /// It is gone.
    pub(crate) fn end(&mut self, number: u64) {
        self.since_by_number.remove(&number);
    }

    /// How many there are, and how old the oldest is.
    pub(crate) fn count(&self) -> Present {
        let oldest = self.since_by_number.first_key_value().map(|(_, since)| since.elapsed());
        Present { count: self.since_by_number.len() as u64, oldest }
    }
}

/// How many there are at this moment, and how old the oldest is; nothing where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Present {
    /// How many.
    pub count: u64,
    /// The age of the oldest.
    pub oldest: Option<Duration>,
}

impl Present {
    /// These and others together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { count: self.count + other.count, oldest: self.oldest.max(other.oldest) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_the_first_of_those_that_are_left() {
        let mut births = Births::default();
        assert_eq!(births.count(), Present::default());
        let numbers = [(); 3].map(|()| births.begin());
        let since: Vec<_> = numbers.iter().map(|number| births.since_by_number[number]).collect();
        births.end(numbers[1]);
        let oldest = births.count();
        assert!(oldest.count == 2 && oldest.oldest.unwrap() <= since[0].elapsed());
        let before = since[0].elapsed();
        assert!(births.count().oldest.unwrap() >= before);
        births.end(numbers[0]);
        assert!(births.count().oldest.unwrap() <= since[2].elapsed());
        births.end(numbers[2]);
        assert_eq!(births.count(), Present::default());
    }

    #[test]
    fn of_two_the_older_counts() {
        let of = |count, oldest_s: Option<u64>| Present { count, oldest: oldest_s.map(Duration::from_secs) };
        assert_eq!(of(1, Some(3)).and(of(2, Some(7))), of(3, Some(7)));
        assert_eq!(of(1, Some(3)).and(of(0, None)), of(1, Some(3)));
    }
}
