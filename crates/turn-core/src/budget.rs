//! How many answers may go to those who have not proved that they can hear them. In tables of constant size:
//! a million forged sources cost no more memory than one. Design: relay.md §3.

use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::time::Duration;

use crate::address::ClientAddr;
use crate::keyed::Keyed;
use crate::limits::{ANSWER_BURST_S, ANSWER_SLOTS};
use crate::random::Random;

/// Answers a second to unproved senders, as configured for all workers together; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerLimits {
    /// To one IPv4 address or IPv6 /64.
    pub per_address_s: u32,
    /// To one IPv4 /24 or IPv6 /48.
    pub per_prefix_s: u32,
}

/// One worker's share of the budgets. The port is never part of a key: a forger can choose it freely.
pub(crate) struct AnswerBudget {
    keyed: Keyed,
    addresses: Table,
    prefixes: Table,
}

impl AnswerBudget {
    pub(crate) fn new(limits: AnswerLimits, workers: u16, keyed: Keyed) -> Self {
        Self {
            keyed,
            addresses: Table::new(limits.per_address_s, workers),
            prefixes: Table::new(limits.per_prefix_s, workers),
        }
    }

    /// Whether an answer may leave. Over budget one in eight still does, at random: a real client in a
    /// flooded network gets through within its retransmissions.
    pub(crate) fn admits(&mut self, client: ClientAddr, now: Duration, random: &mut Random) -> bool {
        let (address, prefix) = keys(client.0.ip());
        let now_ms = u32::try_from(now.as_millis() & u128::from(u32::MAX)).expect("32 bits");
        let within = self.addresses.take(self.keyed.hash_one((0_u8, address)), now_ms)
            & self.prefixes.take(self.keyed.hash_one((1_u8, prefix)), now_ms);
        within || random.below(8) == 0
    }
}

/// Token buckets by hash; those whose keys collide share one.
struct Table {
    /// Thousandths of an answer that come back in a second; 0: no limit.
    per_s_milli: u32,
    /// What a source may have at most.
    milli_max: u32,
    slots: Vec<Slot>,
}

impl Table {
    fn new(per_s: u32, workers: u16) -> Self {
        // The kernel deals a source's ports out to all workers, so each has its share of the budget.
        let per_s_milli = per_s.saturating_mul(1000).div_ceil(u32::from(workers.max(1)));
        // However many share it, an answer fits.
        let milli_max = per_s_milli.saturating_mul(ANSWER_BURST_S).max(ANSWER_MILLI);
        let full = Slot { milli: milli_max, seen_ms: 0 };
        let slots = if per_s_milli == 0 { Vec::new() } else { vec![full; ANSWER_SLOTS] };
        Self { per_s_milli, milli_max, slots }
    }

    fn take(&mut self, hash: u64, now_ms: u32) -> bool {
        let Some(slot) = self.slots.get_mut(hash as usize % ANSWER_SLOTS) else { return true };
        let passed_ms = u64::from(now_ms.wrapping_sub(slot.seen_ms));
        let back = passed_ms * u64::from(self.per_s_milli) / 1000;
        // Time too short to give anything back is not forgotten: it counts at the next call.
        if back > 0 {
            slot.milli = (u64::from(slot.milli) + back).min(u64::from(self.milli_max)) as u32;
            slot.seen_ms = now_ms;
        }
        match slot.milli.checked_sub(ANSWER_MILLI) {
            Some(left) => {
                slot.milli = left;
                true
            }
            None => false,
        }
    }
}

/// One token bucket: thousandths of an answer, and when it was last filled, modulo 2^32 milliseconds.
#[derive(Clone, Copy)]
struct Slot {
    milli: u32,
    seen_ms: u32,
}

/// What the two tables count by: /32 and /24, or /64 and /48. The highest bits keep the families apart.
const fn keys(ip: IpAddr) -> (u64, u64) {
    match ip {
        IpAddr::V4(ip) => {
            let bits = ip.to_bits() as u64;
            (bits, bits >> 8)
        }
        IpAddr::V6(ip) => {
            let bits = ip.to_bits();
            ((bits >> 64) as u64, (bits >> 80) as u64 | 1 << 63)
        }
    }
}

/// One answer, as slots count it.
const ANSWER_MILLI: u32 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(per_address_s: u32, per_prefix_s: u32, workers: u16) -> AnswerBudget {
        AnswerBudget::new(AnswerLimits { per_address_s, per_prefix_s }, workers, Keyed(1, 2))
    }

    fn client(text: &str) -> ClientAddr {
        ClientAddr(text.parse().unwrap())
    }

    /// How many of `count` questions at one moment are answered.
    fn answered(
        budget: &mut AnswerBudget,
        count: u16,
        at_ms: u64,
        from: impl Fn(u16) -> ClientAddr,
    ) -> usize {
        let mut random = Random::new([9; 32]);
        (0..count).filter(|&n| budget.admits(from(n), Duration::from_millis(at_ms), &mut random)).count()
    }

    /// Within the burst, and one in eight of the rest, give or take what chance allows.
    fn about(answered: usize, burst: usize, asked: usize) -> bool {
        answered.abs_diff(burst + (asked - burst) / 8) < asked / 40
    }

    #[test]
    fn row_65_many_ports_of_one_address_share_its_budget() {
        let mut budget = budget(10, 0, 1);
        let flood = |port| client(&format!("198.51.100.7:{}", port + 1024));
        let burst = 10 * ANSWER_BURST_S as usize;
        assert!(about(answered(&mut budget, 4000, 0, flood), burst, 4000));
        // A second later ten more.
        assert!(about(answered(&mut budget, 4000, 1000, flood), 10, 4000));
    }

    #[test]
    fn many_addresses_of_one_network_share_its_budget() {
        let mut budget = budget(0, 100, 1);
        let flood = |n: u16| client(&format!("198.51.100.{}:5000", n % 256));
        let burst = 100 * ANSWER_BURST_S as usize;
        assert!(about(answered(&mut budget, 8000, 0, flood), burst, 8000));
        let flood = |n: u16| client(&format!("[2001:db8:7:{:x}::1]:5000", n));
        assert!(about(answered(&mut budget, 8000, 0, flood), burst, 8000));
    }

    #[test]
    fn zero_lifts_a_budget_and_workers_share_one() {
        let flood = |port| client(&format!("198.51.100.7:{}", port + 1024));
        assert_eq!(answered(&mut budget(0, 0, 4), 4000, 0, flood), 4000);
        let burst = 10 * ANSWER_BURST_S as usize / 4;
        assert!(about(answered(&mut budget(10, 0, 4), 4000, 0, flood), burst, 4000));
    }

    #[test]
    fn an_answer_comes_back_to_the_millisecond() {
        let mut table = Table::new(4, 1);
        let mut takes = |count: usize, at_ms| (0..count).filter(|_| table.take(0, at_ms)).count();
        assert_eq!(takes(20, 0), 8);
        assert_eq!(takes(1, 249), 0);
        assert_eq!(takes(2, 250), 1);
        assert_eq!(takes(2, 500), 1);
        assert_eq!(takes(20, 60_000), 8);
    }

    #[test]
    fn a_share_of_less_than_an_answer_is_saved_up() {
        let mut table = Table::new(1, 4);
        let answered: Vec<u32> = (0..9000).filter(|&at_ms| table.take(0, at_ms)).collect();
        assert_eq!(answered, [0, 4000, 8000]);
    }

    #[test]
    fn sources_are_counted_by_address_and_by_network() {
        assert_eq!(keys("198.51.100.7".parse().unwrap()), (0xC633_6407, 0x00C6_3364));
        let of_ipv6 = keys("2001:db8:1:2:3:4:5:6".parse().unwrap());
        assert_eq!(of_ipv6, (0x2001_0DB8_0001_0002, 0x8000_2001_0DB8_0001));
    }

    #[test]
    fn row_102_the_clock_may_wrap() {
        let mut budget = budget(10, 0, 1);
        let flood = |port| client(&format!("198.51.100.7:{}", port + 1024));
        let wrap = u64::from(u32::MAX);
        answered(&mut budget, 4000, wrap - 500, flood);
        assert!(about(answered(&mut budget, 4000, wrap + 501, flood), 10, 4000));
    }
}
