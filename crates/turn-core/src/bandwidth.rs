//! How much may pass: so many bits a second for each side of a session and for the whole appliance, shared
//! fairly when the whole is short. Not how many allocations there are. Design: relay.md §5.
//!
//! A payload is charged once, where it enters: as sent to the allocation whose client sent it, or as received
//! to the allocation that an outside peer sent it to. Two clients of the appliance need no more: what one
//! receives is what the other was charged for.
//!
//! **Neighbours.** A bucket belongs to one side of a session, or to one allocation of a user of another kind,
//! whose name many people may share: so whoever exceeds it loses packets of its own only. It outlives what
//! it belongs to, so that nobody gets a full one by allocating anew: a side keeps it, and a user's next
//! allocation from the same network begins with what the emptiest had that ended (`leavers`).
//!
//! **Fairness.** The fair share is the whole divided by those who sent or received anything in this second
//! or the last. What stays within its share may use all of the appliance's bucket, everything else only its
//! better half. All fair shares together refill no faster than the bucket does, and have bursts that fit into
//! the other half: so what stays within its share is not lost, whatever others do, and what nobody claims is
//! there for all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::counters::DropReason;
use crate::limits::{DATAGRAM_OVERHEAD_BYTES, SESSION_BURST, SHARE_BURST, TOTAL_BURST};

/// Bits a second, headers of UDP and IP included; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BandwidthLimits {
    /// One side of a session in each direction; of a static user, one allocation.
    pub session_bps: u32,
    /// The whole appliance, all directions together.
    pub total_bps: u32,
}

/// The limits and what all workers draw on together. Nothing here is locked: a packet changes a few numbers.
pub(crate) struct Bandwidth {
    limits: BandwidthLimits,
    total: Bucket,
    census: Census,
}

impl Bandwidth {
    pub(crate) fn new(limits: BandwidthLimits) -> Self {
        Self { limits, total: Bucket::default(), census: Census::default() }
    }

    /// Whether anything is.
    pub(crate) fn is_limited(&self) -> bool {
        self.limits != BandwidthLimits::default()
    }

    /// A meter for a newcomer who has used so much already; `None` where nothing is limited.
    pub(crate) fn meter(&self, used: Used) -> Option<Arc<Meter>> {
        self.is_limited().then(|| Arc::new(Meter::new(used)))
    }

    /// Takes a payload out of the buckets.
    ///
    /// # Errors
    /// Which of them is empty.
    pub(crate) fn spend(
        &self,
        meter: &Meter,
        direction: Direction,
        payload_bytes: usize,
        now: Duration,
    ) -> Result<(), DropReason> {
        let bytes = (payload_bytes + DATAGRAM_OVERHEAD_BYTES) as u64;
        let now_ns = nanoseconds(now);
        if self.limits.session_bps != 0 {
            let bucket = meter.bucket(direction);
            let cost_ns = time_of(bytes, self.limits.session_bps);
            if !bucket.take(now_ns, cost_ns, SESSION_BURST) {
                return Err(DropReason::OverSessionRate);
            }
        }
        if self.limits.total_bps != 0 {
            let spenders = self.census.count(meter, now);
            let cost_ns = time_of(bytes, self.limits.total_bps);
            let is_fair = meter.share.take(now_ns, cost_ns.saturating_mul(spenders), SHARE_BURST);
            let depth = if is_fair { TOTAL_BURST } else { TOTAL_BURST / 2 };
            if !self.total.take(now_ns, cost_ns, depth) {
                return Err(DropReason::OverTotalRate);
            }
        }
        Ok(())
    }

    /// The same for bytes that are there and will be sent: how long it takes until more may follow.
    fn charge(&self, meter: &Meter, direction: Direction, bytes: usize, now: Duration) -> Duration {
        let (bytes, now_ns) = (bytes as u64, nanoseconds(now));
        let mut rest_ns = 0;
        if self.limits.session_bps != 0 {
            let bucket = meter.bucket(direction);
            rest_ns = bucket.overdraw(now_ns, time_of(bytes, self.limits.session_bps), SESSION_BURST);
        }
        if self.limits.total_bps != 0 {
            let spenders = self.census.count(meter, now);
            let cost_ns = time_of(bytes, self.limits.total_bps);
            let share_ns = meter.share.overdraw(now_ns, cost_ns.saturating_mul(spenders), SHARE_BURST);
            let depth = if share_ns == 0 { TOTAL_BURST } else { TOTAL_BURST / 2 };
            rest_ns = rest_ns.max(self.total.overdraw(now_ns, cost_ns, depth));
        }
        Duration::from_nanos(rest_ns)
    }
}

/// What the bytes of a TCP connection are charged to. They can't be lost, so their reader rests instead.
#[derive(Clone)]
pub struct Toll {
    pub(crate) bandwidth: Arc<Bandwidth>,
    pub(crate) meter: Option<Arc<Meter>>,
}

impl Toll {
    /// Charges bytes that were read, at a time since start; returns how long to read no more that way.
    pub fn charge(&self, direction: Direction, bytes: usize, now: Duration) -> Duration {
        self.meter
            .as_ref()
            .map_or(Duration::ZERO, |meter| self.bandwidth.charge(meter, direction, bytes, now))
    }
}

/// What one side of a session, or one allocation of a static user, has used.
#[derive(Default)]
pub(crate) struct Meter {
    sent: Bucket,
    received: Bucket,
    /// Both directions, against the fair share of the whole.
    share: Bucket,
    /// The second after the one in which the census counted it last; 0: never.
    counted_s: AtomicU32,
}

impl Meter {
    fn new(used: Used) -> Self {
        let [sent, received, share] = used.0.map(|full_at| Bucket(full_at.into()));
        Self { sent, received, share, counted_s: AtomicU32::new(0) }
    }

    /// When all that was used has come back, in each bucket.
    pub(crate) fn used(&self) -> Used {
        let buckets = [&self.sent, &self.received, &self.share];
        Used(buckets.map(|bucket| bucket.0.load(Ordering::Relaxed)))
    }

    /// When all that was used has come back.
    pub(crate) fn full_at(&self) -> Duration {
        Duration::from_nanos(self.used().0.into_iter().max().unwrap_or(0))
    }

    const fn bucket(&self, direction: Direction) -> &Bucket {
        match direction {
            Direction::Sent => &self.sent,
            Direction::Received => &self.received,
        }
    }
}

/// What the buckets of a meter lack, as the times when they will be full.
#[derive(Clone, Copy, Default)]
pub(crate) struct Used([u64; 3]);

impl Used {
    /// What is lacking in either.
    pub(crate) fn max(self, other: Self) -> Self {
        Self(std::array::from_fn(|bucket| self.0[bucket].max(other.0[bucket])))
    }
}

/// Which way a payload goes, as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client.
    Sent,
    /// To the client.
    Received,
}

/// A token bucket as one number: when it will be full again, in nanoseconds. How much is missing now is the
/// time until then; a rate that changes needs no second look at the past.
#[derive(Default)]
struct Bucket(AtomicU64);

impl Bucket {
    /// Takes `cost_ns`, if less than `depth` is missing. A datagram may overdraw it once, so one that is
    /// larger than the bucket passes too.
    fn take(&self, now_ns: u64, cost_ns: u64, depth: Duration) -> bool {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let full_at = full_at.max(now_ns);
            (full_at - now_ns < nanoseconds(depth)).then(|| full_at.saturating_add(cost_ns))
        });
        taken.is_ok()
    }

    /// Takes `cost_ns` in any case; returns how long it takes until less than `depth` is missing.
    fn overdraw(&self, now_ns: u64, cost_ns: u64, depth: Duration) -> u64 {
        let add = |full_at: u64| full_at.max(now_ns).saturating_add(cost_ns);
        let before = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| Some(add(full_at)));
        let full_at = add(before.expect("every time has a later one"));
        full_at.saturating_sub(now_ns).saturating_sub(nanoseconds(depth))
    }
}

/// How many spend at all, second by second: the second in the upper half, then how many were counted in the
/// last one, then in this one.
#[derive(Default)]
struct Census(AtomicU64);

impl Census {
    /// Counts a meter once a second; returns how many spend, at least 1.
    fn count(&self, meter: &Meter, now: Duration) -> u64 {
        let second = u32::try_from(now.as_secs()).unwrap_or(u32::MAX - 1);
        let mark = second + 1;
        // A plain comparison first: nearly every packet finds itself counted.
        let is_new = meter.counted_s.load(Ordering::Relaxed) != mark
            && meter.counted_s.swap(mark, Ordering::Relaxed) != mark;
        let add = |state| Self::after(state, second, is_new);
        let state = self.0.load(Ordering::Relaxed);
        let state = match add(state) {
            same if same == state => state,
            _ => {
                let update = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |it| Some(add(it)));
                add(update.expect("every state has a next one"))
            }
        };
        let (last, this) = (state >> 16 & 0xFFFF, state & 0xFFFF);
        last.max(this).max(1)
    }

    fn after(state: u64, second: u32, is_new: bool) -> u64 {
        let (then, last, this) = ((state >> 32) as u32, state >> 16 & 0xFFFF, state & 0xFFFF);
        let (last, this) = match second.checked_sub(then) {
            // Another worker's clock may be a moment ahead.
            None | Some(0) => (last, this),
            Some(1) => (this, 0),
            Some(_) => (0, 0),
        };
        let this = (this + u64::from(is_new)).min(0xFFFF);
        u64::from(second.max(then)) << 32 | last << 16 | this
    }
}

/// How long `bytes` take at a rate.
const fn time_of(bytes: u64, bps: u32) -> u64 {
    bytes * 8 * 1_000_000_000 / bps as u64
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("584 years")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets each flow offer so many packets of 1,000 bytes a second, evenly, for ten seconds; returns the
    /// packets of each that passed in the last eight.
    fn passed(limits: BandwidthLimits, offered_s: &[u64]) -> Vec<u64> {
        let bandwidth = Bandwidth::new(limits);
        let meters: Vec<Meter> = offered_s.iter().map(|_| Meter::default()).collect();
        let mut passed = vec![0; offered_s.len()];
        for ms in 0..10_000_u64 {
            for (flow, meter) in meters.iter().enumerate() {
                for _ in ms * offered_s[flow] / 1000..(ms + 1) * offered_s[flow] / 1000 {
                    let bytes = 1000 - DATAGRAM_OVERHEAD_BYTES;
                    let now = Duration::from_millis(ms);
                    let fits = bandwidth.spend(meter, Direction::Sent, bytes, now).is_ok();
                    passed[flow] += u64::from(fits && ms >= 2000);
                }
            }
        }
        passed
    }

    #[test]
    fn row_97_a_flow_at_ten_times_its_limit_loses_its_own_packets_only() {
        let limits = BandwidthLimits { session_bps: 800_000, total_bps: 0 };
        assert_eq!(passed(limits, &[1000, 90, 100]), [800, 720, 800]);
    }

    #[test]
    fn row_97_who_stays_within_its_share_of_the_whole_loses_nothing() {
        // 100 packets a second for four: 25 each.
        let limits = BandwidthLimits { session_bps: 0, total_bps: 800_000 };
        let got = passed(limits, &[1000, 20, 25, 500]);
        assert_eq!(got[1..3], [160, 200]);
        assert!(got[0].abs_diff(got[3]) < 300 && got.iter().sum::<u64>().abs_diff(800) < 10, "{got:?}");
    }

    #[test]
    fn what_nobody_claims_is_there_for_all() {
        let limits = BandwidthLimits { session_bps: 0, total_bps: 800_000 };
        assert_eq!(passed(limits, &[90, 1, 1, 1]), [720, 8, 8, 8]);
    }

    #[test]
    fn a_meter_has_a_bucket_for_each_direction() {
        let bandwidth = Bandwidth::new(BandwidthLimits { session_bps: 1, total_bps: 0 });
        let meter = Meter::default();
        let spend = |direction| bandwidth.spend(&meter, direction, 60_000, Duration::from_secs(9));
        assert_eq!(spend(Direction::Sent), Ok(()));
        assert_eq!(spend(Direction::Sent), Err(DropReason::OverSessionRate));
        assert_eq!(spend(Direction::Received), Ok(()));
    }

    #[test]
    fn row_97_a_stream_rests_until_it_is_within_its_rate_again() {
        // 100,000 bytes a second.
        for limits in [
            BandwidthLimits { session_bps: 800_000, total_bps: 0 },
            BandwidthLimits { session_bps: 0, total_bps: 800_000 },
        ] {
            let bandwidth = Arc::new(Bandwidth::new(limits));
            let toll = Toll { meter: bandwidth.meter(Used::default()), bandwidth };
            let (mut now, mut sent) = (Duration::ZERO, 0);
            while now < Duration::from_secs(100) {
                sent += 16_384_u64;
                now += toll.charge(Direction::Sent, 16_384, now);
            }
            assert!(sent.abs_diff(10_000_000) < 200_000, "{sent}");
        }
        let bandwidth = Arc::new(Bandwidth::new(BandwidthLimits::default()));
        let free = Toll { meter: bandwidth.meter(Used::default()), bandwidth };
        assert_eq!(free.charge(Direction::Received, 1 << 30, Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn without_limits_there_is_no_meter() {
        assert!(Bandwidth::new(BandwidthLimits::default()).meter(Used::default()).is_none());
    }

    #[test]
    fn the_census_forgets_who_is_silent() {
        let census = Census::default();
        let [one, two] = [Meter::default(), Meter::default()];
        let at = Duration::from_secs;
        assert_eq!((census.count(&one, at(5)), census.count(&two, at(5))), (1, 2));
        assert_eq!(census.count(&one, at(6)), 2);
        assert_eq!(census.count(&one, at(7)), 1);
        assert_eq!(census.count(&one, at(20)), 1);
    }
}
