//! What is held for all clients together: one bound in bytes, and who holds the most gives way first.
//!
//! It counts the memory that payloads take, not their lengths. Whose payloads go keeps its sessions; if it
//! comes back for one that is not there any more, that session ends as if too much had been sent meanwhile.

use std::collections::BTreeSet;

use crate::Now;
use crate::client::ClientId;
use crate::deadlines::Due;
use crate::held::Held;
use crate::limits::HELD_BYTES_MAX;
use crate::matcher::Matcher;

/// The sum, and the clients by how much is held for each.
#[derive(Default)]
pub(crate) struct HeldPool {
    bytes: usize,
    /// Clients whose payloads take from 2^i bytes to twice as many: one of those with the most is found at a
    /// look, and few payloads move anybody.
    by_size: [BTreeSet<ClientId>; SIZES],
}

impl HeldPool {
    /// Somebody's payloads took `before` bytes, and take `now`.
    fn note(&mut self, client: ClientId, before: usize, now: usize) {
        self.bytes = self.bytes - before + now;
        let (from, to) = (size(before), size(now));
        if from == to {
            return;
        }
        if let Some(from) = from {
            self.by_size[from].remove(&client);
        }
        if let Some(to) = to {
            self.by_size[to].insert(client);
        }
    }

    /// What all payloads take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Of those for whom the most is held, give or take a factor of two, the one who came first.
    fn fullest(&self) -> Option<ClientId> {
        self.by_size.iter().rev().find_map(|clients| clients.first().copied())
    }

    /// Whether a client is counted with so many bytes.
    #[cfg(debug_assertions)]
    pub(crate) fn has(&self, client: ClientId, bytes: usize) -> bool {
        size(bytes).is_none_or(|size| self.by_size[size].contains(&client))
    }
}

impl Matcher {
    /// Changes what is held for a client, and its deadline where there is something for the first time or
    /// nothing any more.
    pub(crate) fn change_held(&mut self, client: ClientId, change: impl FnOnce(&mut Held)) {
        let Some(own) = self.clients.get_mut(client.key).filter(|own| own.id == client) else { return };
        let (before, was_due) = (own.held.footprint(), own.held.next_expiry());
        change(&mut own.held);
        self.held_pool.note(client, before, own.held.footprint());
        match (was_due, own.held.next_expiry()) {
            // For one that is lost they stay until it is back or forgotten.
            (None, Some(at)) if !own.is_lost() => self.deadlines.arm(Due::Held(client), at),
            (Some(_), None) => self.deadlines.disarm(Due::Held(client)),
            _ => {}
        }
    }

    /// Forgets what was held for a client and is known to have arrived.
    pub(crate) fn expire_held(&mut self, client: ClientId, now: Now) {
        self.change_held(client, |held| held.expire(now.mono));
        if let Some(at) = self.client(client).and_then(|own| own.held.next_expiry()) {
            self.deadlines.arm(Due::Held(client), at);
        }
    }

    /// Forgets what is held for those for whom the most is held, until all of it is within its bound.
    pub(crate) fn fit_held(&mut self) {
        while self.held_pool.bytes > self.config.limits.held_total_bytes_max {
            let Some(fullest) = self.held_pool.fullest() else { return };
            self.change_held(fullest, |held| *held = Held::default());
            self.counters.held_dropped_total += 1;
        }
    }
}

/// In which of the sets somebody with so many bytes is.
fn size(bytes: usize) -> Option<usize> {
    bytes.checked_ilog2().map(|size| size as usize)
}

/// No client's payloads take more than twice what may be held for it.
const SIZES: usize = (4 * HELD_BYTES_MAX).ilog2() as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_is_found_through_all_changes() {
        let id = |serial| ClientId { serial, key: 0 };
        let mut pool = HeldPool::default();
        for (client, bytes) in [(1, 100), (2, 5_000), (3, 6_000), (4, 300)] {
            pool.note(id(client), 0, bytes);
        }
        assert_eq!((pool.fullest(), pool.bytes()), (Some(id(2)), 11_400));
        pool.note(id(4), 300, 2 * HELD_BYTES_MAX - 1);
        assert_eq!(pool.fullest(), Some(id(4)));
        for (client, bytes) in [(4, 2 * HELD_BYTES_MAX - 1), (2, 5_000), (3, 6_000)] {
            pool.note(id(client), bytes, 0);
        }
        assert_eq!((pool.fullest(), pool.bytes()), (Some(id(1)), 100));
        pool.note(id(1), 100, 0);
        assert_eq!((pool.fullest(), pool.bytes()), (None, 0));
    }
}
