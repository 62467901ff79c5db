//! How many clients are connected from each place at once, and which places were many people's lately.
//!
//! Who comes and goes counts once: only those who are there together make a crowd.

use std::time::Duration;

use indexmap::IndexMap;

use crate::ids::KeyedHasher;
use crate::limits::CROWD_CLIENTS;
use crate::places::Places;
use crate::records::is_over;
use crate::tags::{Place, Tag, Tags};

/// The crowds of now and of the last hour.
pub(crate) struct Crowds {
    /// Clients there now, under both keys that they may be asked for by.
    present_by_tag: IndexMap<Tag, usize, KeyedHasher>,
    /// When a place had its crowd last.
    over: Places<Duration>,
}

impl Crowds {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self { present_by_tag: IndexMap::with_hasher(KeyedHasher(key)), over: Places::new(key) }
    }

    /// A client is there.
    pub(crate) fn enter(&mut self, tags: &Tags) {
        for place in tags.places() {
            *self.present_by_tag.entry(place.near).or_default() += 1;
        }
    }

    /// A client is not there any more.
    pub(crate) fn leave(&mut self, tags: &Tags, now: Duration) {
        for place in tags.places() {
            let Some(present) = self.present_by_tag.get_mut(&place.near) else { continue };
            if *present > CROWD_CLIENTS
                && let Some(over) = self.over.entry(place)
            {
                *over = now;
            }
            *present -= 1;
            if *present == 0 {
                self.present_by_tag.swap_remove(&place.near);
            }
        }
    }

    /// How many are there now.
    pub(crate) fn present(&self, place: Place) -> usize {
        self.present_by_tag.get(&place.near).copied().unwrap_or(0)
    }

    /// Whether so many were there at once within the hour that the place must be many people's.
    pub(crate) fn is_crowded(&self, place: Place, now: Duration) -> bool {
        self.present(place) > CROWD_CLIENTS || self.over.own(place).is_some_and(|at| !is_over(*at, now))
    }

    /// Forgets the crowds of an hour ago.
    pub(crate) fn sweep(&mut self, now: Duration) {
        self.over.retain(|at| !is_over(*at, now));
    }

    /// How many places were crowded lately and are not any more, and the time of the first.
    pub(crate) fn count(&self) -> (usize, Option<Duration>) {
        (self.over.len(), self.over.values().min().copied())
    }
}
