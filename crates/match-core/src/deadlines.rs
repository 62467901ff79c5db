//! What is due when: one deadline per thing, the earliest at hand.
//!
//! It does not run anything; the matcher takes what is due and decides.

use std::time::Duration;

use crate::client::ClientId;

/// Deadlines as a heap that knows where in it each thing is.
///
/// Looking at the first costs nothing. A change costs the logarithm of their number at worst; most deadlines
/// are set later than nearly all others, and those stay near the end, whatever their number.
#[derive(Default)]
pub(crate) struct Deadlines {
    /// Nothing is due before its parent, which is at a [`CHILDREN`]th of its index.
    heap: Vec<Deadline>,
    /// The index in the heap, by [`Due::place`]; [`NOWHERE`] for what is not armed.
    index_by_place: [Vec<u32>; KINDS],
}

/// One deadline; ordered by time, then by what is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline {
    at: Duration,
    due: Due,
}

impl Deadlines {
    /// Sets or moves a deadline.
    pub(crate) fn arm(&mut self, due: Due, at: Duration) {
        let index = self.index_of(due).unwrap_or_else(|| {
            let (kind, key) = due.place();
            let indices = &mut self.index_by_place[kind];
            if indices.len() <= key {
                indices.resize(key + 1, NOWHERE);
            }
            debug_assert_eq!(indices[key], NOWHERE, "the one before was disarmed when it ended");
            self.heap.push(Deadline { at, due });
            self.heap.len() - 1
        });
        self.settle(index, Deadline { at, due });
    }

    /// Takes a deadline away, if there is one.
    pub(crate) fn disarm(&mut self, due: Due) {
        if let Some(index) = self.index_of(due) {
            self.remove(index);
        }
    }

    /// Takes the earliest thing that is due by now.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<Due> {
        let first = self.heap.first().filter(|first| first.at <= now)?.due;
        self.remove(0);
        Some(first)
    }

    /// The earliest deadline.
    pub(crate) fn first(&self) -> Option<Duration> {
        self.heap.first().map(|first| first.at)
    }

    /// Whether something is due at all.
    pub(crate) fn is_armed(&self, due: Due) -> bool {
        self.index_of(due).is_some()
    }

    fn remove(&mut self, index: usize) {
        let gone = self.heap.swap_remove(index);
        let (kind, key) = gone.due.place();
        self.index_by_place[kind][key] = NOWHERE;
        if let Some(moved) = self.heap.get(index) {
            self.settle(index, *moved);
        }
    }

    /// Puts a deadline where it belongs, given an index that is free for it.
    fn settle(&mut self, mut index: usize, deadline: Deadline) {
        while index > 0 && deadline < self.heap[(index - 1) / CHILDREN] {
            let parent = (index - 1) / CHILDREN;
            self.put(index, self.heap[parent]);
            index = parent;
        }
        while let Some(child) = self.first_child(index).filter(|child| self.heap[*child] < deadline) {
            self.put(index, self.heap[child]);
            index = child;
        }
        self.put(index, deadline);
    }

    fn put(&mut self, index: usize, deadline: Deadline) {
        let (kind, key) = deadline.due.place();
        self.index_by_place[kind][key] = index as u32;
        self.heap[index] = deadline;
    }

    /// The child that is due first.
    fn first_child(&self, index: usize) -> Option<usize> {
        let first = CHILDREN * index + 1;
        (first..self.heap.len().min(first + CHILDREN)).min_by_key(|child| self.heap[*child])
    }

    fn index_of(&self, due: Due) -> Option<usize> {
        let (kind, key) = due.place();
        let index = *self.index_by_place[kind].get(key)? as usize;
        // The key of a client that has gone may be another's by now.
        self.heap.get(index).is_some_and(|there| there.due == due).then_some(index)
    }
}

/// What can be due. At one instant the first in this order goes first, and an earlier client before a later
/// one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// A client has been in its state, or lost, for too long.
    Client(ClientId),
    /// A session's time has run out.
    Session(usize),
    /// A ticket asks for less.
    Ticket(ClientId),
    /// What was held for a client has arrived.
    Held(ClientId),
    /// A met partner, or the last one, may be forgotten.
    Recent(ClientId),
    /// Records under tags may be over.
    Sweep,
    /// The key of the tags is to be replaced.
    Rotation,
    /// The key before is to be forgotten.
    OldKey,
}

impl Due {
    /// Its kind, and its key among those of that kind.
    const fn place(self) -> (usize, usize) {
        match self {
            Self::Client(id) => (0, id.key),
            Self::Session(key) => (1, key),
            Self::Ticket(id) => (2, id.key),
            Self::Held(id) => (3, id.key),
            Self::Recent(id) => (4, id.key),
            Self::Sweep => (5, 0),
            Self::Rotation => (5, 1),
            Self::OldKey => (5, 2),
        }
    }
}

/// Kinds of what can be due.
const KINDS: usize = 6;
/// Children of each deadline in the heap: a cache line or two are looked at for the first of them.
const CHILDREN: usize = 4;
/// No index.
const NOWHERE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_first_is_the_earliest_through_all_changes() {
        let mut deadlines = Deadlines::default();
        let at = Duration::from_secs;
        deadlines.arm(Due::Session(1), at(5));
        deadlines.arm(Due::Session(2), at(3));
        deadlines.arm(Due::Session(1), at(2));
        assert_eq!(deadlines.first(), Some(at(2)));
        assert!(deadlines.pop(at(1)).is_none());
        deadlines.disarm(Due::Session(1));
        assert_eq!(deadlines.first(), Some(at(3)));
        assert!(deadlines.pop(at(3)) == Some(Due::Session(2)));
        assert_eq!(deadlines.first(), None);
    }
    #[test]
    fn a_heap_of_random_changes_agrees_with_a_sorted_set() {
        let (mut deadlines, mut model) = (Deadlines::default(), BTreeMap::new());
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        let due = |n: u64| {
            let client = ClientId { serial: n, key: n as usize };
            match n % 4 {
                0 => Due::Client(client),
                1 => Due::Session(n as usize),
                2 => Due::Ticket(client),
                _ => Due::Sweep,
            }
        };
        for _ in 0..20_000 {
            let (what, at) = (due(random(300)), Duration::from_secs(random(50)));
            match random(4) {
                0 => {
                    deadlines.disarm(what);
                    model.remove(&what);
                }
                1 => {
                    let first = model.iter().map(|(due, at)| (*at, *due)).min().filter(|first| first.0 <= at);
                    assert!(deadlines.pop(at) == first.map(|(_, due)| due));
                    first.map(|(_, due)| model.remove(&due));
                }
                _ => {
                    deadlines.arm(what, at);
                    model.insert(what, at);
                }
            }
            assert_eq!(deadlines.first(), model.values().min().copied());
            assert!(deadlines.is_armed(what) == model.contains_key(&what));
        }
    }

    #[test]
    fn nobody_has_the_deadline_of_one_who_had_the_key_before() {
        let (old, new) = (ClientId { serial: 1, key: 0 }, ClientId { serial: 2, key: 0 });
        let mut deadlines = Deadlines::default();
        deadlines.arm(Due::Client(new), Duration::from_secs(1));
        assert!(!deadlines.is_armed(Due::Client(old)));
        deadlines.disarm(Due::Client(old));
        assert!(deadlines.is_armed(Due::Client(new)));
    }
}
