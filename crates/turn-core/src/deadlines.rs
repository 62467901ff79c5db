//! When allocations end, soonest first. Not what happens then.

use std::collections::BTreeSet;
use std::time::Duration;

/// One deadline per allocation, by its slot. The soonest is kept aside, so asking for it is O(1).
#[derive(Default)]
pub(crate) struct Deadlines {
    ordered: BTreeSet<(Duration, usize)>,
    next: Option<(Duration, usize)>,
}

impl Deadlines {
    pub(crate) fn insert(&mut self, deadline: Duration, slot: usize) {
        self.ordered.insert((deadline, slot));
        self.next = self.ordered.first().copied();
    }

    pub(crate) fn remove(&mut self, deadline: Duration, slot: usize) {
        self.ordered.remove(&(deadline, slot));
        self.next = self.ordered.first().copied();
    }

    /// The soonest deadline.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.next.map(|(deadline, _)| deadline)
    }

    /// The slot of the soonest deadline, if it has come.
    pub(crate) fn due(&self, now: Duration) -> Option<usize> {
        self.next.filter(|(deadline, _)| *deadline <= now).map(|(_, slot)| slot)
    }

    #[cfg(debug_assertions)]
    pub(crate) fn length(&self) -> usize {
        self.ordered.len()
    }
}
