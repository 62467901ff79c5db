//! What all workers know together: who holds how many allocations. Not routes, which workers make by asking
//! the worker that a relayed address names; and never touched on a packet's way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use indexmap::IndexMap;

use crate::address::{Prefix, RelayedAddr};
use crate::credentials::{SessionId, Side};
use crate::keyed::{Keyed, KeyedMap};

/// The limits of the configuration that hold across workers; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllocationLimits {
    /// Of one side of a session: a browser makes one per interface and URL.
    pub per_side: u32,
    /// Of one network: a /24 of IPv4, a /48 of IPv6.
    pub per_prefix: u32,
    /// Of the appliance.
    pub total: u32,
}

/// Allocations, counted by side, by network and in total. One for all workers, behind a lock that is taken
/// when an allocation is made and when it ends.
pub struct Directory {
    limits: AllocationLimits,
    sides: KeyedMap<(SessionId, Side), Vec<Holding>>,
    prefixes: KeyedMap<Prefix, u32>,
    total: u32,
}

impl Directory {
    /// An empty directory; the numbers key its hashes.
    pub fn new(limits: AllocationLimits, key: (u64, u64)) -> Self {
        let keyed = Keyed(key.0, key.1);
        Self { limits, sides: IndexMap::with_hasher(keyed), prefixes: IndexMap::with_hasher(keyed), total: 0 }
    }

    /// Counts one allocation more, if the limits admit it.
    pub(crate) fn admit(&mut self, claim: Claim<'_>) -> Admission {
        let of_prefix = self.prefixes.get(&claim.prefix).copied().unwrap_or(0);
        if is_reached(self.limits.per_prefix, of_prefix) {
            return Admission::QuotaReached;
        }
        if is_reached(self.limits.total, self.total) {
            return Admission::NoCapacity;
        }
        let mut gives_way = None;
        if let Some(side) = claim.side {
            let held = self.sides.entry(side).or_default();
            if is_reached(self.limits.per_side, u32::try_from(held.len()).unwrap_or(u32::MAX)) {
                gives_way = longest_silent(held).map(|at| held.swap_remove(at).relayed);
            }
            held.push(Holding { relayed: claim.relayed, heard: Arc::clone(claim.heard) });
        }
        self.total += 1;
        *self.prefixes.entry(claim.prefix).or_default() += 1;
        Admission::Admitted { gives_way }
    }

    /// Counts one allocation less.
    pub(crate) fn release(&mut self, side: Option<(SessionId, Side)>, prefix: Prefix, relayed: RelayedAddr) {
        self.total -= 1;
        if let Some(count) = self.prefixes.get_mut(&prefix) {
            *count -= 1;
            if *count == 0 {
                self.prefixes.swap_remove(&prefix);
            }
        }
        let Some(side) = side else { return };
        if let Some(held) = self.sides.get_mut(&side) {
            held.retain(|holding| holding.relayed != relayed);
            if held.is_empty() {
                self.sides.swap_remove(&side);
            }
        }
    }

    /// An allocation that is counted got another relayed address, because its first could not be bound.
    pub(crate) fn readdress(&mut self, side: (SessionId, Side), old: RelayedAddr, new: RelayedAddr) {
        let held = self.sides.get_mut(&side).into_iter().flatten();
        for holding in held.filter(|holding| holding.relayed == old) {
            holding.relayed = new;
        }
    }

    /// Whether nothing is counted any more, in any map.
    pub fn is_empty(&self) -> bool {
        self.total == 0 && self.sides.is_empty() && self.prefixes.is_empty()
    }
}

/// An allocation that asks to be counted.
pub(crate) struct Claim<'a> {
    /// Whose it is, if it is a session's.
    pub(crate) side: Option<(SessionId, Side)>,
    pub(crate) prefix: Prefix,
    pub(crate) relayed: RelayedAddr,
    pub(crate) heard: &'a Heard,
}

/// The directory's answer to a claim.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It counts; this other one of the same side, silent for the longest, has to end.
    Admitted { gives_way: Option<RelayedAddr> },
    /// 486: this network has as many as it may.
    QuotaReached,
    /// 508: the appliance has as many as it may.
    NoCapacity,
}

/// When a client was last heard, in seconds since start: written by its worker, read by the directory.
pub(crate) type Heard = Arc<AtomicU32>;

/// One allocation of a side.
struct Holding {
    relayed: RelayedAddr,
    heard: Heard,
}

const fn is_reached(limit: u32, count: u32) -> bool {
    limit != 0 && count >= limit
}

fn longest_silent(held: &[Holding]) -> Option<usize> {
    (0..held.len()).min_by_key(|&at| held[at].heard.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::ClientAddr;

    fn directory(per_side: u32, per_prefix: u32, total: u32) -> Directory {
        Directory::new(AllocationLimits { per_side, per_prefix, total }, (1, 2))
    }

    fn prefix(client: &str) -> Prefix {
        Prefix::of(ClientAddr(client.parse().unwrap()))
    }

    fn relayed(port: u16) -> RelayedAddr {
        RelayedAddr(([192, 0, 2, 1], port).into())
    }

    fn admit(
        directory: &mut Directory,
        side: Option<Side>,
        client: &str,
        port: u16,
        heard_s: u32,
    ) -> Admission {
        directory.admit(Claim {
            side: side.map(|side| (SessionId([1; 16]), side)),
            prefix: prefix(client),
            relayed: relayed(port),
            heard: &Arc::new(AtomicU32::new(heard_s)),
        })
    }

    #[test]
    fn at_a_sides_limit_the_longest_silent_gives_way() {
        let mut directory = directory(2, 0, 0);
        let none = Admission::Admitted { gives_way: None };
        assert_eq!(admit(&mut directory, Some(Side::A), "198.51.100.1:1", 5000, 9), none);
        assert_eq!(admit(&mut directory, Some(Side::A), "198.51.100.1:2", 5001, 7), none);
        assert_eq!(admit(&mut directory, Some(Side::B), "198.51.100.1:3", 5002, 1), none);
        let third = admit(&mut directory, Some(Side::A), "198.51.100.1:4", 5003, 9);
        assert_eq!(third, Admission::Admitted { gives_way: Some(relayed(5001)) });
    }

    #[test]
    fn rows_91_and_92_networks_and_the_whole_are_limited() {
        let mut directory = directory(0, 2, 3);
        let none = Admission::Admitted { gives_way: None };
        assert_eq!(admit(&mut directory, None, "198.51.100.1:1", 5000, 0), none);
        assert_eq!(admit(&mut directory, None, "198.51.100.2:1", 5001, 0), none);
        assert_eq!(admit(&mut directory, None, "198.51.100.3:1", 5002, 0), Admission::QuotaReached);
        assert_eq!(admit(&mut directory, None, "[2001:db8::1]:1", 5003, 0), none);
        assert_eq!(admit(&mut directory, None, "[2001:db8:1::1]:1", 5004, 0), Admission::NoCapacity);
        directory.release(None, prefix("198.51.100.9:9"), relayed(5000));
        assert_eq!(admit(&mut directory, None, "198.51.100.3:1", 5005, 0), none);
    }

    #[test]
    fn what_is_released_leaves_nothing() {
        let mut directory = directory(0, 0, 0);
        for port in 5000..5010 {
            admit(&mut directory, Some(Side::A), "198.51.100.1:1", port, 0);
        }
        for port in 5000..5010 {
            assert!(!directory.is_empty());
            directory.release(Some((SessionId([1; 16]), Side::A)), prefix("198.51.100.1:1"), relayed(port));
        }
        assert!(directory.is_empty());
    }
}
