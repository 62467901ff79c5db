//! What all workers know together: who holds how many allocations. Not routes, which workers make by asking
//! the worker that a relayed address names; and never touched on a packet's way.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use indexmap::{IndexMap, IndexSet};
use stun_wire::ErrorCode;

use crate::address::{FiveTuple, Prefix, RelayedAddr, WorkerId};
use crate::bandwidth::{Bandwidth, BandwidthLimits, Meter, Used};
use crate::credentials::{Identity, SessionId, Side};
use crate::keyed::{Keyed, KeyedMap};
use crate::leavers::Leavers;
use crate::limits::{RELAYED_IPS_MAX, RESTING_SIDES_MAX};
use crate::reservations::Reservations;
use crate::turnover::Turnover;

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
    /// Sides that held nothing at some time, and when what they had used would have come back: who makes
    /// its allocation anew gets no full bucket with it.
    resting: VecDeque<Rest>,
    leavers: Leavers,
    turnover: Turnover,
    prefixes: KeyedMap<Prefix, u32>,
    total: u32,
    reservations: Reservations,
    /// 5-tuples of clients that have moved to another worker and are still heard there: who serves them.
    away: KeyedMap<FiveTuple, WorkerId>,
    /// Relayed addresses on which TCP is listened for: one client may connect to another's.
    listening: IndexSet<RelayedAddr, Keyed>,
    /// Addresses of ours that a relayed address has, or had once: a client that asks for one of them learns
    /// no more than it was told.
    relayed_at: IndexSet<IpAddr, Keyed>,
}

impl Directory {
    /// An empty directory; the numbers key its hashes.
    pub fn new(limits: AllocationLimits, bandwidth: BandwidthLimits, key: (u64, u64)) -> Self {
        let keyed = Keyed(key.0, key.1);
        let bandwidth = Arc::new(Bandwidth::new(bandwidth));
        Self {
            limits,
            leavers: Leavers::new(bandwidth.is_limited(), keyed),
            bandwidth,
            turnover: Turnover::new(limits.per_prefix, keyed),
            sides: IndexMap::with_hasher(keyed),
            resting: VecDeque::new(),
            prefixes: IndexMap::with_hasher(keyed),
            total: 0,
            reservations: Reservations::new(keyed),
            away: IndexMap::with_hasher(keyed),
            listening: IndexSet::with_hasher(keyed),
            relayed_at: IndexSet::with_hasher(keyed),
        }
    }

    /// Counts the allocations of a claim, all or none.
    ///
    /// # Errors
    /// 486 where its network has as many as it may, or has made as many of late, 508 where the appliance has.
    pub(crate) fn admit(&mut self, claim: Claim<'_>, now: Duration) -> Result<Admitted, ErrorCode> {
        self.forget_rested(now);
        let more = u32::try_from(claim.relayed.len()).expect("one or two");
        let of_prefix = self.prefixes.get(&claim.prefix).copied().unwrap_or(0);
        if is_exceeded(self.limits.per_prefix, of_prefix + more) || is_exceeded(self.limits.per_side, more) {
            return Err(ErrorCode::AllocationQuotaReached);
        }
        if is_exceeded(self.limits.total, self.total + more) {
            return Err(ErrorCode::InsufficientCapacity);
        }
        if !self.turnover.admits(claim.prefix, more, now) {
            return Err(ErrorCode::AllocationQuotaReached);
        }
        self.total += more;
        *self.prefixes.entry(claim.prefix).or_default() += more;
        let Some(side) = claim.identity.side() else {
            let used = self.leavers.used(claim.identity, claim.prefix);
            return Ok(Admitted { gives_way: Vec::new(), meter: self.bandwidth.meter(used) });
        };
        let side = self.sides.entry(side).or_insert_with(|| Holdings {
            held: Vec::new(),
            meter: self.bandwidth.meter(Used::default()),
            is_resting: false,
        });
        let mut gives_way = Vec::new();
        while is_exceeded(self.limits.per_side, u32::try_from(side.held.len()).unwrap_or(u32::MAX) + more) {
            let Some(at) = longest_silent(&side.held) else { break };
            gives_way.push(side.held.remove(at).relayed);
        }
        let new = claim.relayed.iter();
        side.held.extend(new.map(|(relayed, heard)| Holding { relayed: *relayed, heard: Arc::clone(heard) }));
        Ok(Admitted { gives_way, meter: side.meter.clone() })
    }

    /// Counts one allocation less; gives when [`Directory::forget_rested`] is due. `meter`: what its packets
    /// were charged to.
    pub(crate) fn release(
        &mut self,
        identity: Identity,
        prefix: Prefix,
        relayed: RelayedAddr,
        meter: Option<&Meter>,
        now: Duration,
    ) -> Option<Duration> {
        self.total -= 1;
        if let Some(count) = self.prefixes.get_mut(&prefix) {
            *count -= 1;
            if *count == 0 {
                self.prefixes.swap_remove(&prefix);
            }
        }
        if let Some(side) = identity.side() {
            if let Some(holdings) = self.sides.get_mut(&side) {
                holdings.held.retain(|holding| holding.relayed != relayed);
                self.rest(side, now);
            }
        } else if let Some(meter) = meter {
            self.leavers.leave(identity, prefix, meter);
        }
        self.forget_rested(now)
    }

    /// An allocation that is counted got another relayed address, because its first could not be bound.
    /// `false`: it has to give way to another of its side, and who tells it so knows it by the old address.
    pub(crate) fn readdress(&mut self, side: (SessionId, Side), old: RelayedAddr, new: RelayedAddr) -> bool {
        let mut held = self.sides.get_mut(&side).into_iter().flat_map(|holdings| &mut holdings.held);
        let holding = held.find(|holding| holding.relayed == old);
        holding.map(|holding| holding.relayed = new).is_some()
    }

    /// Numbers that are kept or lent.
    pub(crate) const fn reservations(&mut self) -> &mut Reservations {
        &mut self.reservations
    }

    /// The 5-tuples of clients that moved away from where they are heard.
    pub(crate) const fn away(&mut self) -> &mut KeyedMap<FiveTuple, WorkerId> {
        &mut self.away
    }

    /// The relayed addresses on which TCP is listened for.
    pub(crate) const fn listening(&mut self) -> &mut IndexSet<RelayedAddr, Keyed> {
        &mut self.listening
    }

    /// A relayed address has this IP. At the limit, which takes a machine whose addresses change for years,
    /// all are learnt anew.
    pub(crate) fn relay_at(&mut self, ip: IpAddr) {
        if self.relayed_at.len() >= RELAYED_IPS_MAX {
            self.relayed_at.clear();
        }
        self.relayed_at.insert(ip);
    }

    /// Whether a relayed address has, or had, this IP.
    pub(crate) fn relays_at(&self, ip: IpAddr) -> bool {
        self.relayed_at.contains(&ip)
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

    /// Sides that held nothing at some time and are remembered for what they had used, and since when the
    /// first of them is.
    pub fn resting(&self) -> (usize, Option<Duration>) {
        (self.resting.len(), self.resting.front().map(|rest| rest.since))
    }

    /// Places of the tables of users who left and of what networks make, in use or not.
    pub fn budget_places(&self) -> usize {
        self.leavers.places() + self.turnover.places()
    }

    /// Whether nothing is counted any more, in any map. What a side has used may be remembered.
    pub fn is_empty(&self) -> bool {
        let holds_nothing = self.sides.values().all(|side| side.held.is_empty());
        let counted = self.prefixes.len() + self.listening.len();
        let is_nobody_here = self.total == 0 && counted == 0 && holds_nothing;
        is_nobody_here && self.away.is_empty() && self.reservations.is_empty()
    }

    /// Forgets a side that holds nothing, or remembers it until its bucket is full.
    fn rest(&mut self, side: (SessionId, Side), now: Duration) {
        let Some(holdings) = self.sides.get_mut(&side) else { return };
        if !holdings.held.is_empty() || holdings.is_resting {
            return;
        }
        match holdings.meter.as_ref().map(|meter| meter.full_at()).filter(|full_at| now < *full_at) {
            Some(full_at) => {
                holdings.is_resting = true;
                self.resting.push_back(Rest { since: now, until: full_at, side });
            }
            None => {
                self.sides.swap_remove(&side);
            }
        }
    }

    /// Forgets the sides that have rested long enough, and where there are too many the first; gives when
    /// the next will have.
    pub(crate) fn forget_rested(&mut self, now: Duration) -> Option<Duration> {
        while let Some(&Rest { until, side, .. }) = self.resting.front() {
            let is_one_too_many = self.resting.len() > RESTING_SIDES_MAX;
            if now < until && !is_one_too_many {
                return Some(until);
            }
            self.resting.pop_front();
            let Some(holdings) = self.sides.get_mut(&side) else { continue };
            holdings.is_resting = false;
            if is_one_too_many && holdings.held.is_empty() {
                self.sides.swap_remove(&side);
            } else {
                self.rest(side, now);
            }
        }
        None
    }
}

/// Allocations that ask to be counted: one, or one of each family.
pub(crate) struct Claim<'a> {
    /// Whose they are.
    pub(crate) identity: Identity,
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
    /// In the order in which they were made.
    held: Vec<Holding>,
    meter: Option<Arc<Meter>>,
    /// Whether it stands in the directory's queue.
    is_resting: bool,
}

/// A side that held nothing at some time.
#[derive(Clone, Copy)]
pub(crate) struct Rest {
    since: Duration,
    /// When what it had used will have come back.
    until: Duration,
    side: (SessionId, Side),
}

/// One allocation of a side.
struct Holding {
    relayed: RelayedAddr,
    heard: Heard,
}

const fn is_exceeded(limit: u32, count: u32) -> bool {
    limit != 0 && count > limit
}

/// Of several the oldest.
fn longest_silent(held: &[Holding]) -> Option<usize> {
    (0..held.len()).min_by_key(|&at| held[at].heard.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::ClientAddr;
    use crate::bandwidth::Direction;

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

    fn identity(side: Option<Side>) -> Identity {
        side.map_or(Identity::User(0), |side| of_session(SessionId([1; 16]), side))
    }

    const fn of_session(session: SessionId, side: Side) -> Identity {
        Identity::Session { session, side, expires_unix_s: 0 }
    }

    fn admit(
        directory: &mut Directory,
        side: Option<Side>,
        client: &str,
        port: u16,
        heard_s: u32,
    ) -> Result<Vec<RelayedAddr>, ErrorCode> {
        let claim = Claim {
            identity: identity(side),
            prefix: prefix(client),
            relayed: &[(relayed(port), Arc::new(AtomicU32::new(heard_s)))],
        };
        directory.admit(claim, Duration::ZERO).map(|admitted| admitted.gives_way)
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
        directory.release(identity(None), prefix("198.51.100.9:9"), relayed(5000), None, Duration::ZERO);
        assert_eq!(admit(&mut directory, None, "198.51.100.3:1", 5005, 0), none);
    }

    #[test]
    fn places_are_those_of_both_tables() {
        let limited = BandwidthLimits { session_bps: 1, total_bps: 0 };
        let places = |per_prefix, bandwidth| {
            let limits = AllocationLimits { per_side: 0, per_prefix, total: 0 };
            Directory::new(limits, bandwidth, (1, 2)).budget_places()
        };
        let [both, one, other] =
            [places(1, limited), places(1, BandwidthLimits::default()), places(0, limited)];
        assert!(both == one + other && one > 0 && other > 0);
        assert_eq!(places(0, BandwidthLimits::default()), 0);
    }

    #[test]
    fn what_is_released_leaves_nothing() {
        let mut directory = directory(0, 0, 0);
        for port in 5000..5010 {
            admit(&mut directory, Some(Side::A), "198.51.100.1:1", port, 0).unwrap();
        }
        for port in 5000..5010 {
            assert!(!directory.is_empty());
            let side = identity(Some(Side::A));
            directory.release(side, prefix("198.51.100.1:1"), relayed(port), None, Duration::ZERO);
        }
        assert!(directory.is_empty() && directory.sides.is_empty());
    }

    #[test]
    fn row_97_what_a_side_has_used_is_remembered_until_it_has_come_back_and_within_bounds() {
        let limits = AllocationLimits { per_side: 0, per_prefix: 0, total: 0 };
        let limited = BandwidthLimits { session_bps: 800_000, total_bps: 0 };
        let mut directory = Directory::new(limits, limited, (1, 2));
        let prefix = prefix("198.51.100.1:1");
        let side = |number: usize| {
            let mut session = [0; 16];
            session[..8].copy_from_slice(&number.to_be_bytes());
            of_session(SessionId(session), Side::A)
        };
        // Comes, sends what it may at once, and goes. Whether what it may was all of a bucket.
        let come_and_go = |directory: &mut Directory, number: usize, now: Duration| {
            let heard = Heard::default();
            let claim = Claim { identity: side(number), prefix, relayed: &[(relayed(5000), heard)] };
            let meter = directory.admit(claim, now).map(|admitted| admitted.meter);
            let meter = meter.expect("there is room").expect("there is a limit");
            let bandwidth = directory.bandwidth();
            let sent = (0..60).filter(|_| bandwidth.spend(&meter, Direction::Sent, 968, now).is_ok());
            let sent = sent.count();
            directory.release(side(number), prefix, relayed(5000), Some(&meter), now);
            sent
        };
        let (begin, tenth) = (Duration::from_secs(1000), Duration::from_millis(100));
        assert_eq!(come_and_go(&mut directory, 0, begin), 50);
        for tenths in 1..100 {
            assert_eq!(come_and_go(&mut directory, 0, begin + tenths * tenth), 10);
            assert_eq!((directory.sides.len(), directory.resting.len()), (1, 1));
            assert!(directory.is_empty());
        }
        assert_eq!(come_and_go(&mut directory, 0, begin + 200 * tenth), 50);
        let end = begin + 300 * tenth;
        for number in 0..2 * RESTING_SIDES_MAX {
            assert_eq!(come_and_go(&mut directory, number, end), 50);
            assert!(directory.sides.len() <= RESTING_SIDES_MAX);
        }
        come_and_go(&mut directory, 0, end + 10 * tenth);
        assert_eq!((directory.sides.len(), directory.resting()), (1, (1, Some(end + 10 * tenth))));
        let due = directory.forget_rested(end + 10 * tenth).expect("one rests");
        assert_eq!(directory.forget_rested(due), None);
        assert!(directory.sides.is_empty() && directory.resting() == (0, None));
    }
}
