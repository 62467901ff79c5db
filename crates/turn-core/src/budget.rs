//! How many answers may go to those who have not proved that they can hear them, and how many wrong passwords
//! may be tried. In tables of constant size: a million sources cost no more memory than one. Not who is
//! answered for asking again, which is in `second`. Design: relay.md §3.

use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::time::Duration;

use stun_wire::TransactionId;

use crate::address::FiveTuple;
use crate::keyed::Keyed;
use crate::limits::{
    ANSWER_BURST_S, ANSWER_SLOTS, FAILURE_CHANCES_PER_ADDRESS_S, FAILURE_CHANCES_PER_PREFIX_S,
    FAILURE_CHANCES_S, FAILURES_PER_ADDRESS_S, FAILURES_PER_PREFIX_S, FAILURES_S,
};
use crate::second::SecondChances;

/// Answers a second to unproved senders, as configured for all workers together; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AnswerLimits {
    /// To one IPv4 address or IPv6 /64.
    pub per_address_s: u32,
    /// To one IPv4 /24 or IPv6 /48.
    pub per_prefix_s: u32,
    /// To all.
    pub total_s: u32,
}

impl AnswerLimits {
    const fn is_limited(self) -> bool {
        self.per_address_s > 0 || self.per_prefix_s > 0 || self.total_s > 0
    }
}

/// What somebody unproved asks, and what the answer would cost.
pub(crate) struct Question<'a> {
    pub(crate) tuple: &'a FiveTuple,
    pub(crate) id: TransactionId,
    /// Of the STUN message.
    pub(crate) request_bytes: usize,
    /// The most that the answer could have.
    pub(crate) answer_bytes: usize,
}

/// Why a question is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is within all budgets.
    Within,
    /// It is over one, and was asked again.
    SecondChance,
}

/// One worker's share of the budgets. The port is never part of a key: a forger can choose it freely.
pub(crate) struct AnswerBudget {
    keyed: Keyed,
    addresses: Table,
    prefixes: Table,
    all: Table,
    second: SecondChances,
}

impl AnswerBudget {
    pub(crate) fn new(limits: AnswerLimits, workers: u16, keyed: Keyed) -> Self {
        Self {
            keyed,
            addresses: Table::new(limits.per_address_s, workers),
            prefixes: Table::new(limits.per_prefix_s, workers),
            all: Table::single(limits.total_s, workers),
            second: SecondChances::new(limits.is_limited(), workers, keyed),
        }
    }

    /// Whether an answer may leave, and why. What one of the budgets refuses costs the others nothing, so
    /// that a flood of one address leaves its network's budget to the neighbours, and one of a network leaves
    /// the whole's to everybody else.
    pub(crate) fn admits(&mut self, question: &Question<'_>, now: Duration) -> Option<Admission> {
        let (address, prefix) = keys(question.tuple.client.0.ip());
        let address = self.keyed.hash_one((0_u8, address));
        let prefix = self.keyed.hash_one((1_u8, prefix));
        let now_ms = milliseconds(now);
        let buckets = [
            self.addresses.bucket(address, now_ms),
            self.prefixes.bucket(prefix, now_ms),
            self.all.bucket(0, now_ms),
        ];
        if take_of_all(buckets) {
            return Some(Admission::Within);
        }
        self.second.admits(question, address, now_ms).then_some(Admission::SecondChance)
    }

    /// Places of its tables, in use or not.
    pub(crate) fn places(&self) -> usize {
        self.addresses.places() + self.prefixes.places() + self.second.places()
    }
}

/// One worker's share of the wrong passwords that may be tried. Who tries one has echoed a nonce, so that
/// nobody can use up the budget of another's network.
pub(crate) struct FailureBudget {
    keyed: Keyed,
    addresses: Table,
    prefixes: Table,
    all: Table,
    /// Full where no password of the network was wrong of late.
    recent: Table,
    /// What is looked at besides, by address, by network and in all.
    chances: [Table; 3],
}

impl FailureBudget {
    pub(crate) fn new(workers: u16, keyed: Keyed) -> Self {
        Self {
            keyed,
            addresses: Table::new(FAILURES_PER_ADDRESS_S, workers),
            prefixes: Table::new(FAILURES_PER_PREFIX_S, workers),
            all: Table::single(FAILURES_S, workers),
            recent: Table::new(1, workers),
            chances: [
                Table::new(FAILURE_CHANCES_PER_ADDRESS_S, workers),
                Table::new(FAILURE_CHANCES_PER_PREFIX_S, workers),
                Table::single(FAILURE_CHANCES_S, workers),
            ],
        }
    }

    /// Whether a password is looked at, before it is known to be right. Where too many were wrong, a few
    /// still are, however many come: whoever shares the address of a modest guesser gets in within its
    /// retransmissions, and whoever shares that of a flood by a stream. Where they come from everywhere,
    /// networks of which none came of late are not held to it.
    pub(crate) fn admits(&mut self, tuple: &FiveTuple, now: Duration) -> bool {
        let (address, prefix, now_ms) = self.hashes(tuple, now);
        let within = self.addresses.bucket(address, now_ms).has()
            && self.prefixes.bucket(prefix, now_ms).has()
            && (self.all.bucket(0, now_ms).has() || self.recent.bucket(prefix, now_ms).is_full());
        let [of_address, of_prefix, of_all] = &mut self.chances;
        within
            || of_address.bucket(address, now_ms).take()
                && of_prefix.bucket(prefix, now_ms).take()
                && of_all.bucket(0, now_ms).take()
    }

    /// A password was wrong.
    pub(crate) fn spend(&mut self, tuple: &FiveTuple, now: Duration) {
        let (address, prefix, now_ms) = self.hashes(tuple, now);
        self.addresses.bucket(address, now_ms).take();
        self.prefixes.bucket(prefix, now_ms).take();
        self.all.bucket(0, now_ms).take();
        self.recent.bucket(prefix, now_ms).take();
    }

    /// Places of its tables, in use or not.
    pub(crate) fn places(&self) -> usize {
        self.addresses.places() + self.prefixes.places()
    }

    /// Streams count for themselves: who guesses over UDP leaves them to the others of its network.
    fn hashes(&self, tuple: &FiveTuple, now: Duration) -> (u64, u64, u32) {
        let (address, prefix) = keys(tuple.client.0.ip());
        let stream = u8::from(tuple.listener.is_stream()) << 1;
        (self.keyed.hash_one((stream, address)), self.keyed.hash_one((stream | 1, prefix)), milliseconds(now))
    }
}

/// Token buckets by hash; those whose keys collide share one.
pub(crate) struct Table {
    /// Parts of an answer that come back in a millisecond; 0: no limit.
    parts_per_ms: u32,
    /// How many are an answer: whole parts come back each millisecond, however many workers share the budget.
    answer_parts: u32,
    /// What a source may have at most.
    parts_max: u32,
    slots: Vec<Slot>,
}

impl Table {
    /// As many buckets as a worker has for sources of one kind.
    pub(crate) fn new(per_s: u32, workers: u16) -> Self {
        Self::of(ANSWER_SLOTS, per_s, workers)
    }

    /// One bucket for everybody.
    pub(crate) fn single(per_s: u32, workers: u16) -> Self {
        Self::of(1, per_s, workers)
    }

    /// `slots` is a power of two.
    fn of(slots: usize, per_s: u32, workers: u16) -> Self {
        // The kernel deals a source's ports out to all workers, so each has its share of the budget.
        let answer_parts = u32::from(workers.max(1)) * 1000;
        // However many share it, an answer fits.
        let parts_max = per_s.saturating_mul(1000).saturating_mul(ANSWER_BURST_S).max(answer_parts);
        let full = Slot { parts: parts_max, seen_ms: 0 };
        let slots = if per_s == 0 { Vec::new() } else { vec![full; slots] };
        Self { parts_per_ms: per_s, answer_parts, parts_max, slots }
    }

    /// A source's bucket, with what came back.
    pub(crate) fn bucket(&mut self, hash: u64, now_ms: u32) -> Bucket<'_> {
        let place = hash as usize & self.slots.len().wrapping_sub(1);
        let (answer_parts, parts_max) = (self.answer_parts, self.parts_max);
        let slot = self.slots.get_mut(place);
        let slot = slot.map(|slot| slot.filled(self.parts_per_ms, parts_max, now_ms));
        Bucket { slot, answer_parts, parts_max }
    }

    /// How many buckets there are.
    pub(crate) fn places(&self) -> usize {
        self.slots.len()
    }
}

/// A bucket that was looked up.
pub(crate) struct Bucket<'t> {
    /// `None`: there is no limit.
    slot: Option<&'t mut Slot>,
    answer_parts: u32,
    parts_max: u32,
}

impl Bucket<'_> {
    /// Takes an answer, if there is one.
    fn take(&mut self) -> bool {
        let has = self.has();
        if let Some(slot) = self.slot.as_mut().filter(|_| has) {
            slot.parts -= self.answer_parts;
        }
        has
    }

    /// Whether [`Bucket::take`] would.
    fn has(&self) -> bool {
        self.slot.as_ref().is_none_or(|slot| slot.parts >= self.answer_parts)
    }

    /// Whether nothing was taken that has not come back.
    fn is_full(&self) -> bool {
        self.slot.as_ref().is_none_or(|slot| slot.parts == self.parts_max)
    }
}

/// Takes an answer of each, if all have one, and otherwise of none.
pub(crate) fn take_of_all<const N: usize>(mut buckets: [Bucket<'_>; N]) -> bool {
    let have = buckets.iter().all(Bucket::has);
    have && buckets.iter_mut().all(Bucket::take)
}

/// One token bucket: parts of an answer, and when it was last filled, modulo 2^32 milliseconds.
#[derive(Clone, Copy)]
struct Slot {
    parts: u32,
    seen_ms: u32,
}

impl Slot {
    fn filled(&mut self, parts_per_ms: u32, parts_max: u32, now_ms: u32) -> &mut Self {
        let back = u64::from(now_ms.wrapping_sub(self.seen_ms)) * u64::from(parts_per_ms);
        self.parts = (u64::from(self.parts) + back).min(u64::from(parts_max)) as u32;
        self.seen_ms = now_ms;
        self
    }
}

/// Milliseconds, modulo 2^32.
fn milliseconds(now: Duration) -> u32 {
    u32::try_from(now.as_millis() & u128::from(u32::MAX)).expect("32 bits")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{ClientAddr, ListenerId, LocalIp};

    fn budget(per_address_s: u32, per_prefix_s: u32, total_s: u32, workers: u16) -> AnswerBudget {
        AnswerBudget::new(AnswerLimits { per_address_s, per_prefix_s, total_s }, workers, Keyed(1, 2))
    }

    fn client(text: &str) -> ClientAddr {
        ClientAddr(text.parse().unwrap())
    }

    /// How many of `count` questions at one moment are answered, each of which is asked once.
    fn answered(budget: &mut AnswerBudget, count: u32, at_ms: u64, from: impl Fn(u32) -> ClientAddr) -> u32 {
        let one = |n: &u32| {
            let tuple = FiveTuple { client: from(*n), local: LocalIp([192, 0, 2, 1].into()), listener: UDP };
            let mut id = [0; 12];
            id[..4].copy_from_slice(&n.to_be_bytes());
            id[4..].copy_from_slice(&at_ms.to_be_bytes());
            let id = TransactionId(id);
            let question = Question { tuple: &tuple, id, request_bytes: 28, answer_bytes: 60 };
            budget.admits(&question, Duration::from_millis(at_ms)).is_some()
        };
        (0..count).filter(one).count() as u32
    }

    fn ports_of_one(n: u32) -> ClientAddr {
        client(&format!("198.51.100.7:{}", n + 1024))
    }

    #[test]
    fn what_is_over_a_budget_is_remembered_if_there_is_one() {
        let remembered = |per_address_s, per_prefix_s, total_s| {
            budget(per_address_s, per_prefix_s, total_s, 1).second.places() > ANSWER_SLOTS
        };
        assert!(remembered(1, 0, 0) && remembered(0, 1, 0) && remembered(0, 0, 1));
        assert!(!remembered(0, 0, 0));
    }

    #[test]
    fn places_are_those_of_all_tables() {
        let second = budget(1, 1, 0, 1).second.places();
        assert_eq!(budget(1, 1, 0, 1).places(), 2 * ANSWER_SLOTS + second);
        assert_eq!(budget(0, 1, 0, 1).places(), ANSWER_SLOTS + second);
        assert_eq!(FailureBudget::new(1, Keyed(1, 2)).places(), 2 * ANSWER_SLOTS);
    }

    #[test]
    fn row_65_many_ports_of_one_address_share_its_budget() {
        let mut budget = budget(10, 0, 0, 1);
        assert_eq!(answered(&mut budget, 4000, 0, ports_of_one), 10 * ANSWER_BURST_S);
        // A second later ten more.
        assert_eq!(answered(&mut budget, 4000, 1000, ports_of_one), 10);
    }

    #[test]
    fn many_addresses_of_one_network_share_its_budget() {
        let mut budget = budget(0, 100, 0, 1);
        let flood = |n: u32| client(&format!("198.51.100.{}:5000", n % 256));
        assert_eq!(answered(&mut budget, 8000, 0, flood), 100 * ANSWER_BURST_S);
        let flood = |n: u32| client(&format!("[2001:db8:7:{n:x}::1]:5000"));
        assert_eq!(answered(&mut budget, 8000, 0, flood), 100 * ANSWER_BURST_S);
    }

    #[test]
    fn row_65_everybody_shares_the_budget_of_the_whole() {
        let mut budget = budget(10, 100, 1000, 1);
        let flood =
            |n: u32| client(&format!("{}:5000", std::net::Ipv4Addr::from_bits(0x1400_0000 + (n << 8))));
        assert_eq!(answered(&mut budget, 8000, 0, flood), 1000 * ANSWER_BURST_S);
        assert_eq!(answered(&mut budget, 8000, 500, flood), 500);
    }

    #[test]
    fn a_flood_that_is_refused_costs_its_neighbours_nothing() {
        let mut budget = budget(10, 100, 1000, 1);
        assert_eq!(answered(&mut budget, 50_000, 0, ports_of_one), 10 * ANSWER_BURST_S);
        let neighbours = |n: u32| client(&format!("198.51.100.{}:5000", 8 + n % 200));
        let of_network = (100 - 10) * ANSWER_BURST_S;
        assert_eq!(answered(&mut budget, 8000, 0, neighbours), of_network);
        let elsewhere = |n: u32| client(&format!("203.0.{}.7:5000", n % 100));
        assert_eq!(answered(&mut budget, 1000, 0, elsewhere), 1000);
    }

    #[test]
    fn an_answer_to_who_asks_again_over_budget_is_told_from_one_within() {
        let mut budget = budget(1, 0, 0, 1);
        let tuple = guesser("198.51.100.7:5000", UDP);
        let question =
            Question { tuple: &tuple, id: TransactionId([7; 12]), request_bytes: 60, answer_bytes: 60 };
        let admitted = [0; 4].map(|_| budget.admits(&question, Duration::ZERO));
        let within = Some(Admission::Within);
        assert_eq!(admitted, [within, within, None, Some(Admission::SecondChance)]);
    }

    #[test]
    fn zero_lifts_a_budget_and_workers_share_one() {
        assert_eq!(answered(&mut budget(0, 0, 0, 4), 4000, 0, ports_of_one), 4000);
        assert_eq!(answered(&mut budget(10, 0, 0, 4), 4000, 0, ports_of_one), 10 * ANSWER_BURST_S / 4);
        assert_eq!(answered(&mut budget(0, 0, 10, 4), 4000, 0, ports_of_one), 10 * ANSWER_BURST_S / 4);
    }

    #[test]
    fn an_answer_comes_back_to_the_millisecond() {
        let mut table = Table::new(4, 1);
        let mut takes = |count: usize, at_ms| (0..count).filter(|_| table.bucket(0, at_ms).take()).count();
        assert_eq!(takes(20, 0), 8);
        assert_eq!(takes(1, 249), 0);
        assert_eq!(takes(2, 250), 1);
        assert_eq!(takes(2, 500), 1);
        assert_eq!(takes(20, 60_000), 8);
    }

    #[test]
    fn a_share_of_less_than_an_answer_is_saved_up() {
        let mut table = Table::new(1, 4);
        let answered: Vec<u32> = (0..9000).filter(|&at_ms| table.bucket(0, at_ms).take()).collect();
        assert_eq!(answered, [0, 4000, 8000]);
    }

    #[test]
    fn a_share_is_saved_up_whole_however_often_it_is_asked_for() {
        // Ten a second of sixteen workers: five in eight seconds, asked for every third millisecond.
        let mut table = Table::new(10, 16);
        let mut takes = |from_ms, to_ms| {
            (from_ms..to_ms).step_by(3).filter(|&at_ms| table.bucket(0, at_ms).take()).count()
        };
        takes(0, 8_000);
        assert_eq!(takes(8_001, 24_000), 10);
    }

    #[test]
    fn sources_are_counted_by_address_and_by_network() {
        assert_eq!(keys("198.51.100.7".parse().unwrap()), (0xC633_6407, 0x00C6_3364));
        let of_ipv6 = keys("2001:db8:1:2:3:4:5:6".parse().unwrap());
        assert_eq!(of_ipv6, (0x2001_0DB8_0001_0002, 0x8000_2001_0DB8_0001));
    }

    #[test]
    fn row_102_the_clock_may_wrap() {
        let mut budget = budget(10, 0, 0, 1);
        let wrap = u64::from(u32::MAX);
        answered(&mut budget, 4000, wrap - 500, ports_of_one);
        assert_eq!(answered(&mut budget, 4000, wrap + 501, ports_of_one), 10);
    }

    fn guesser(text: &str, listener: ListenerId) -> FiveTuple {
        FiveTuple { client: client(text), local: LocalIp([192, 0, 2, 1].into()), listener }
    }

    const UDP: ListenerId = ListenerId(0);
    const TCP: ListenerId = ListenerId::stream(0);

    /// Of 1,000 passwords, how many are looked at, none of which is wrong.
    fn looked_at(budget: &mut FailureBudget, now: Duration, from: &FiveTuple) -> usize {
        (0..1000).filter(|_| budget.admits(from, now)).count()
    }

    /// All of them, or what is looked at in any case.
    fn is_held(looked_at: usize) -> bool {
        match looked_at as u32 {
            1000 => false,
            held if held <= FAILURE_CHANCES_PER_ADDRESS_S * ANSWER_BURST_S => true,
            other => panic!("{other} of 1000"),
        }
    }

    #[test]
    fn row_32_wrong_passwords_hold_their_address_and_then_their_network() {
        let mut budget = FailureBudget::new(1, Keyed(1, 2));
        let second = Duration::from_secs(1);
        let (guessing, neighbour) = (guesser("198.51.100.7:5000", UDP), guesser("198.51.100.8:5000", UDP));
        let elsewhere = guesser("203.0.113.7:5000", UDP);
        for wrong in 0..FAILURES_PER_ADDRESS_S * ANSWER_BURST_S {
            assert!(!is_held(looked_at(&mut budget, second, &guessing)), "after {wrong}");
            budget.spend(&guessing, second);
        }
        assert!(is_held(looked_at(&mut budget, second, &guessing)));
        assert!(
            is_held(looked_at(&mut budget, second, &guesser("198.51.100.7:1", UDP))),
            "ports are not counted"
        );
        assert!(!is_held(looked_at(&mut budget, second, &guesser("198.51.100.7:5000", TCP))));
        assert!(!is_held(looked_at(&mut budget, second, &neighbour)));
        for other in 0..FAILURES_PER_PREFIX_S * ANSWER_BURST_S {
            budget.spend(&guesser(&format!("198.51.100.{}:5000", 100 + other % 100), UDP), second);
        }
        assert!(is_held(looked_at(&mut budget, second, &neighbour)));
        assert!(!is_held(looked_at(&mut budget, second, &guesser("198.51.100.8:5000", TCP))));
        assert!(!is_held(looked_at(&mut budget, second, &elsewhere)));
        // What has come back after a second is for one in ten.
        let later = 2 * second;
        assert!(!is_held(looked_at(&mut budget, later, &neighbour)));
    }

    #[test]
    fn rows_32_and_104_a_larger_flood_is_looked_at_no_oftener() {
        let looked_at = |addresses: u32, step: usize, a_second_each: u32| {
            let mut budget = FailureBudget::new(1, Keyed(1, 2));
            let mut looked_at = 0;
            for round in 0..10 * a_second_each {
                let now = Duration::from_secs(100) + Duration::from_secs(1) * round / a_second_each;
                for n in (0..addresses).step_by(step) {
                    let client = ClientAddr((std::net::Ipv4Addr::from_bits(0x0B00_0000 + n), 5000).into());
                    let from = FiveTuple { client, ..guesser("11.0.0.0:0", UDP) };
                    if budget.admits(&from, now) {
                        budget.spend(&from, now);
                        looked_at += 1;
                    }
                }
            }
            looked_at
        };
        let within = |per_s: u32| per_s * (10 + ANSWER_BURST_S);
        for flood in [100, 1_000, 10_000] {
            let count = looked_at(1, 1, flood);
            assert!(
                count <= within(FAILURES_PER_ADDRESS_S + FAILURE_CHANCES_PER_ADDRESS_S),
                "{count} of {flood}"
            );
        }
        for flood in [10, 100] {
            let count = looked_at(256, 1, flood);
            assert!(
                count <= within(FAILURES_PER_PREFIX_S + FAILURE_CHANCES_PER_PREFIX_S),
                "{count} of {flood}"
            );
        }
        // Of a thousand networks, each of which is heard once when it was silent.
        for flood in [10, 40] {
            let count = looked_at(256_000, 256, flood);
            assert!(count <= within(FAILURES_S + FAILURE_CHANCES_S + 1_000), "{count} of {flood}");
        }
    }

    #[test]
    fn row_32_guesses_from_everywhere_hold_the_networks_they_come_from() {
        let mut budget = FailureBudget::new(1, Keyed(1, 2));
        let second = Duration::from_secs(1);
        // Two of each network, far within what one may have.
        for n in 0..FAILURES_S * ANSWER_BURST_S / 2 {
            let [_, _, high, low] = n.to_be_bytes();
            for host in [1, 2] {
                budget.spend(&guesser(&format!("11.{high}.{low}.{host}:5000"), UDP), second);
            }
        }
        assert!(is_held(looked_at(&mut budget, second, &guesser("11.0.7.9:5000", UDP))));
        assert!(!is_held(looked_at(&mut budget, second, &guesser("198.51.100.7:5000", UDP))));
    }
}
