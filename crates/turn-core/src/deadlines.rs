//! When allocations and waiting connections end, soonest first. Not what happens then.

use std::collections::BTreeSet;
use std::time::Duration;

/// One deadline for each: an allocation is meant by its slot. The soonest is kept aside, so asking for it is
/// O(1).
pub(crate) struct Deadlines<T = usize> {
    ordered: BTreeSet<(Duration, T)>,
    next: Option<(Duration, T)>,
}

impl<T: Copy + Ord> Deadlines<T> {
    pub(crate) fn insert(&mut self, deadline: Duration, of: T) {
        self.ordered.insert((deadline, of));
        self.next = self.ordered.first().copied();
    }

    pub(crate) fn remove(&mut self, deadline: Duration, of: T) {
        self.ordered.remove(&(deadline, of));
        self.next = self.ordered.first().copied();
    }

    /// The soonest deadline.
    pub(crate) fn next(&self) -> Option<Duration> {
        self.next.map(|(deadline, _)| deadline)
    }

    /// Whose the soonest deadline is, if it has come.
    pub(crate) fn due(&self, now: Duration) -> Option<T> {
        self.next.filter(|(deadline, _)| *deadline <= now).map(|(_, of)| of)
    }

    #[cfg(debug_assertions)]
    pub(crate) fn length(&self) -> usize {
        self.ordered.len()
    }
}

impl<T> Default for Deadlines<T> {
    fn default() -> Self {
        Self { ordered: BTreeSet::new(), next: None }
    }
}
