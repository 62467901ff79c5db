//! What all workers know together: who holds how many allocations. Not routes, which workers make by asking
//! the worker that a relayed address names; and never touched on a packet's way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use indexmap::IndexMap;
use stun_wire::ErrorCode;

use crate::address::{FiveTuple, Prefix, RelayedAddr, WorkerId};
use crate::bandwidth::{Bandwidth, BandwidthLimits, Meter};
use crate::credentials::{SessionId, Side};
use crate::keyed::{Keyed, KeyedMap};
use crate::reservations::Reservations;

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
/// when an allocation is made, when it moves and when it ends.
pub struct Directory {
    limits: AllocationLimits,
    bandwidth: Arc<Bandwidth>,
    sides: KeyedMap<(SessionId, Side), Holdings>,
    prefixes: KeyedMap<Prefix, u32>,
    total: u32,
    reservations: Reservations,
    /// 5-tuples of clients that have moved to another worker and are still heard there: who serves them.
    away: KeyedMap<FiveTuple, WorkerId>,
}

impl Directory {
    /// An empty directory; the numbers key its hashes.
    pub fn new(limits: AllocationLimits, bandwidth: BandwidthLimits, key: (u64, u64)) -> Self {
        let keyed = Keyed(key.0, key.1);
        Self {
            limits,
            bandwidth: Arc::new(Bandwidth::new(bandwidth)),
            sides: IndexMap::with_hasher(keyed),
            prefixes: IndexMap::with_hasher(keyed),
            total: 0,
            reservations: Reservations::new(keyed),
            away: IndexMap::with_hasher(keyed),
        }
    }

    /// Counts the allocations of a claim, all or none.
    ///
    /// # Errors
    /// 486 where its network has as many as it may, 508 where the appliance has.
    pub(crate) fn admit(&mut self, claim: Claim<'_>) -> Result<Admitted, ErrorCode> {
        let more = u32::try_from(claim.relayed.len()).expect("one or two");
        let of_prefix = self.prefixes.get(&claim.prefix).copied().unwrap_or(0);
        if is_exceeded(self.limits.per_prefix, of_prefix + more) || is_exceeded(self.limits.per_side, more) {
            return Err(ErrorCode::AllocationQuotaReached);
        }
        if is_exceeded(self.limits.total, self.total + more) {
            return Err(ErrorCode::InsufficientCapacity);
        }
        self.total += more;
        *self.prefixes.entry(claim.prefix).or_default() += more;
        let Some(side) = claim.side else {
            return Ok(Admitted { gives_way: Vec::new(), meter: self.bandwidth.meter() });
        };
        let side = self
            .sides
            .entry(side)
            .or_insert_with(|| Holdings { held: Vec::new(), meter: self.bandwidth.meter() });
        let mut gives_way = Vec::new();
        while is_exceeded(self.limits.per_side, u32::try_from(side.held.len()).unwrap_or(u32::MAX) + more) {
            let Some(at) = longest_silent(&side.held) else { break };
            gives_way.push(side.held.swap_remove(at).relayed);
        }
        let new = claim.relayed.iter();
        side.held.extend(new.map(|(relayed, heard)| Holding { relayed: *relayed, heard: Arc::clone(heard) }));
        Ok(Admitted { gives_way, meter: side.meter.clone() })
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
        if let Some(holdings) = self.sides.get_mut(&side) {
            holdings.held.retain(|holding| holding.relayed != relayed);
            if holdings.held.is_empty() {
                self.sides.swap_remove(&side);
            }
        }
    }

    /// An allocation that is counted got another relayed address, because its first could not be bound.
    pub(crate) fn readdress(&mut self, side: (SessionId, Side), old: RelayedAddr, new: RelayedAddr) {
        let held = self.sides.get_mut(&side).into_iter().flat_map(|holdings| &mut holdings.held);
        for holding in held.filter(|holding| holding.relayed == old) {
            holding.relayed = new;
        }
    }

    /// Numbers that are kept or lent.
    pub(crate) const fn reservations(&mut self) -> &mut Reservations {
        &mut self.reservations
    }

    /// The 5-tuples of clients that moved away from where they are heard.
    pub(crate) const fn away(&mut self) -> &mut KeyedMap<FiveTuple, WorkerId> {
        &mut self.away
    }

    /// What everybody's packets are charged to.
    pub(crate) fn bandwidth(&self) -> Arc<Bandwidth> {
        Arc::clone(&self.bandwidth)
    }

    /// When anything was last heard from the client that holds a side's allocations: a packet to relay or a
    /// message to us. `None` where the side holds none.
    pub fn heard(&self, session: SessionId, side: Side) -> Option<Duration> {
        let held = &self.sides.get(&(session, side))?.held;
        let seconds = held.iter().map(|holding| holding.heard.load(Ordering::Relaxed)).max()?;
        Some(Duration::from_secs(u64::from(seconds)))
    }

    /// Whether nothing is counted any more, in any map.
    pub fn is_empty(&self) -> bool {
        let counted = self.sides.len() + self.prefixes.len();
        self.total == 0 && counted == 0 && self.away.is_empty() && self.reservations.is_empty()
    }
}

/// Allocations that ask to be counted: one, or one of each family.
pub(crate) struct Claim<'a> {
    /// Whose they are, if a session's.
    pub(crate) side: Option<(SessionId, Side)>,
    pub(crate) prefix: Prefix,
    pub(crate) relayed: &'a [(RelayedAddr, Heard)],
}

/// The directory's yes to a claim.
pub(crate) struct Admitted {
    /// Others of the same side, silent for the longest, that have to end for it.
    pub(crate) gives_way: Vec<RelayedAddr>,
    /// What their packets are charged to, if anything is limited.
    pub(crate) meter: Option<Arc<Meter>>,
}

/// When a client was last heard, in seconds since start: written by its worker, read by the directory.
pub(crate) type Heard = Arc<AtomicU32>;

/// The allocations of a side and what their packets are charged to.
struct Holdings {
    held: Vec<Holding>,
    meter: Option<Arc<Meter>>,
}

/// One allocation of a side.
struct Holding {
    relayed: RelayedAddr,
    heard: Heard,
}

const fn is_exceeded(limit: u32, count: u32) -> bool {
    limit != 0 && count > limit
}

fn longest_silent(held: &[Holding]) -> Option<usize> {
    (0..held.len()).min_by_key(|&at| held[at].heard.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::ClientAddr;

    fn directory(per_side: u32, per_prefix: u32, total: u32) -> Directory {
        let limits = AllocationLimits { per_side, per_prefix, total };
        Directory::new(limits, BandwidthLimits::default(), (1, 2))
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
    ) -> Result<Vec<RelayedAddr>, ErrorCode> {
        let claim = Claim {
            side: side.map(|side| (SessionId([1; 16]), side)),
            prefix: prefix(client),
            relayed: &[(relayed(port), Arc::new(AtomicU32::new(heard_s)))],
        };
        directory.admit(claim).map(|admitted| admitted.gives_way)
    }

    #[test]
    fn at_a_sides_limit_the_longest_silent_gives_way() {
        let mut directory = directory(2, 0, 0);
        let none = Ok(Vec::new());
        assert_eq!(admit(&mut directory, Some(Side::A), "198.51.100.1:1", 5000, 9), none);
        assert_eq!(admit(&mut directory, Some(Side::A), "198.51.100.1:2", 5001, 7), none);
        assert_eq!(admit(&mut directory, Some(Side::B), "198.51.100.1:3", 5002, 1), none);
        let third = admit(&mut directory, Some(Side::A), "198.51.100.1:4", 5003, 9);
        assert_eq!(third, Ok(vec![relayed(5001)]));
    }

    #[test]
    fn rows_91_and_92_networks_and_the_whole_are_limited() {
        let mut directory = directory(0, 2, 3);
        let none = Ok(Vec::new());
        assert_eq!(admit(&mut directory, None, "198.51.100.1:1", 5000, 0), none);
        assert_eq!(admit(&mut directory, None, "198.51.100.2:1", 5001, 0), none);
        assert_eq!(
            admit(&mut directory, None, "198.51.100.3:1", 5002, 0),
            Err(ErrorCode::AllocationQuotaReached)
        );
        assert_eq!(admit(&mut directory, None, "[2001:db8::1]:1", 5003, 0), none);
        assert_eq!(
            admit(&mut directory, None, "[2001:db8:1::1]:1", 5004, 0),
            Err(ErrorCode::InsufficientCapacity)
        );
        directory.release(None, prefix("198.51.100.9:9"), relayed(5000));
        assert_eq!(admit(&mut directory, None, "198.51.100.3:1", 5005, 0), none);
    }

    #[test]
    fn what_is_released_leaves_nothing() {
        let mut directory = directory(0, 0, 0);
        for port in 5000..5010 {
            admit(&mut directory, Some(Side::A), "198.51.100.1:1", port, 0).unwrap();
        }
        for port in 5000..5010 {
            assert!(!directory.is_empty());
            directory.release(Some((SessionId([1; 16]), Side::A)), prefix("198.51.100.1:1"), relayed(port));
        }
        assert!(directory.is_empty());
    }
}
