//! Second chances: whoever is over an answer budget and asks again, as a client does whose request was lost,
//! is answered out of a budget of its own, and never with more bytes than it sent. In a table of constant
//! size. Not a proof of address; only a nonce that comes back is one. Reasons: docs/decisions/0010.

use std::hash::BuildHasher as _;

use crate::budget::{Question, Table, take_of_all};
use crate::keyed::Keyed;
use crate::limits::{SECOND_CHANCE_WAIT, SECOND_CHANCES_MAX, SECOND_CHANCES_PER_ADDRESS_S, SECOND_CHANCES_S};

/// One worker's memory of requests that were not answered, and its share of the budget for their repetitions.
pub(crate) struct SecondChances {
    keyed: Keyed,
    shelves: Vec<Shelf>,
    addresses: Table,
    all: Table,
}

impl SecondChances {
    /// Without a budget that is ever exceeded there is nothing to remember.
    pub(crate) fn new(is_needed: bool, workers: u16, keyed: Keyed) -> Self {
        let shelves = if is_needed { SHELVES } else { 0 };
        Self {
            keyed,
            shelves: vec![[Waiting::default(); SHELF_PLACES]; shelves],
            addresses: Table::new(SECOND_CHANCES_PER_ADDRESS_S, workers),
            all: Table::single(SECOND_CHANCES_S, workers),
        }
    }

    /// Whether a question over budget is answered because it was asked before. `address` is the hash of who
    /// asks. What is not answered now is remembered, if there is room: whoever is remembered already keeps
    /// its place until its repetition is overdue, so that a flood cannot drive it out.
    pub(crate) fn admits(&mut self, question: &Question<'_>, address: u64, now_ms: u32) -> bool {
        let hash = self.keyed.hash_one((question.tuple, question.id));
        let (mark, tick) = ((hash >> 32) as u32, (now_ms / TICK_MS) as u16);
        let Some(shelf) = self.shelves.get_mut(hash as usize % SHELVES) else { return false };
        let bytes = u16::try_from(question.request_bytes).unwrap_or(u16::MAX);
        let Some(waiting) = shelf.iter_mut().find(|it| it.mark == mark && it.is_kept(tick)) else {
            if let Some(free) = shelf.iter_mut().find(|it| !it.is_kept(tick)) {
                *free = Waiting { mark, bytes, seen: tick };
            }
            return false;
        };
        waiting.bytes = waiting.bytes.saturating_add(bytes);
        waiting.seen = tick;
        let is_paid_for = usize::from(waiting.bytes) >= question.answer_bytes;
        let buckets = [self.addresses.bucket(address, now_ms), self.all.bucket(0, now_ms)];
        let is_answered = is_paid_for && take_of_all(buckets);
        if is_answered {
            *waiting = Waiting::default();
        }
        is_answered
    }

    /// Places of its tables, in use or not.
    pub(crate) fn places(&self) -> usize {
        self.shelves.len() * SHELF_PLACES + self.addresses.places()
    }
}

/// Questions whose hashes lead to one place. Eight of them are a line of the processor's cache.
type Shelf = [Waiting; SHELF_PLACES];

/// A question that was not answered.
#[derive(Clone, Copy, Default)]
struct Waiting {
    /// A part of its keyed hash that does not choose the shelf.
    mark: u32,
    /// How many bytes were sent for it; 0: nothing is here.
    bytes: u16,
    /// When it was asked last, in ticks modulo 2^16. What is forgotten seems to be kept again for a moment,
    /// every quarter of an hour, and takes a place in vain.
    seen: u16,
}

impl Waiting {
    const fn is_kept(self, tick: u16) -> bool {
        self.bytes > 0 && tick.wrapping_sub(self.seen) <= KEPT_TICKS
    }
}

const SHELF_PLACES: usize = 8;
const SHELVES: usize = SECOND_CHANCES_MAX / SHELF_PLACES;

/// Milliseconds to a tick.
const TICK_MS: u32 = 16;
const KEPT_TICKS: u16 = (SECOND_CHANCE_WAIT.as_millis() as u32 / TICK_MS) as u16;

const _: () = assert!(SHELVES.is_power_of_two() && size_of::<Shelf>() == 64);
const _: () = assert!(SECOND_CHANCE_WAIT.as_millis() / (TICK_MS as u128) < u16::MAX as u128);

#[cfg(test)]
mod tests {
    use stun_wire::TransactionId;

    use super::*;
    use crate::address::{ClientAddr, FiveTuple, ListenerId, LocalIp};

    fn chances() -> SecondChances {
        SecondChances::new(true, 1, Keyed(1, 2))
    }

    /// Whether a request of 28 bytes is answered with one of 60.
    fn asks(chances: &mut SecondChances, port: u16, id: u32, at_ms: u32) -> bool {
        asks_for(chances, port, id, at_ms, 60)
    }

    fn asks_for(chances: &mut SecondChances, port: u16, id: u32, at_ms: u32, answer_bytes: usize) -> bool {
        asks_of(chances, 7, port, id, at_ms, answer_bytes)
    }

    /// The same of somebody whose address has this hash.
    fn asks_of(
        chances: &mut SecondChances,
        address: u64,
        port: u16,
        id: u32,
        at_ms: u32,
        answer_bytes: usize,
    ) -> bool {
        let tuple = FiveTuple {
            client: ClientAddr(([198, 51, 100, 7], port).into()),
            local: LocalIp([192, 0, 2, 1].into()),
            listener: ListenerId(0),
        };
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&id.to_be_bytes());
        let id = TransactionId(bytes);
        let question = Question { tuple: &tuple, id, request_bytes: 28, answer_bytes };
        chances.admits(&question, address, at_ms)
    }

    #[test]
    fn row_67_a_request_is_answered_when_as_many_bytes_were_sent_for_it() {
        let mut chances = chances();
        assert_eq!([0, 500, 1500, 1600].map(|at| asks(&mut chances, 1, 1, at)), [false, false, true, false]);
        assert_eq!(
            [0, 9].map(|at| asks_for(&mut chances, 2, 1, at, 28)),
            [false, true],
            "never the first time"
        );
        let equal = [0, 9].map(|at| asks_for(&mut chances, 4, 1, at, 56));
        assert_eq!(equal, [false, true]);
        let long = [0, 1, 2, 3, 4, 5, 6].map(|at| asks_for(&mut chances, 3, 1, at, 182));
        assert_eq!(long, [false, false, false, false, false, false, true]);
    }

    #[test]
    fn row_67_only_the_same_request_of_the_same_client_counts_and_only_in_time() {
        let mut chances = chances();
        assert!(!asks(&mut chances, 1, 1, 0) && !asks(&mut chances, 1, 1, 100));
        assert!(!asks(&mut chances, 2, 1, 200) && !asks(&mut chances, 1, 2, 200));
        assert!(!asks(&mut chances, 1, 1, 2_400), "it is forgotten and begins anew");
        assert!(!asks(&mut chances, 1, 1, 4_500) && asks(&mut chances, 1, 1, 6_500));
    }

    #[test]
    fn row_67_second_chances_of_an_address_have_a_budget() {
        let mut chances = chances();
        let mut answered = 0;
        for id in 0..1000 {
            answered += (0..3).filter(|at| asks(&mut chances, 1, id, id + at)).count();
        }
        // Two seconds' worth at once, and a second's during it.
        assert!((28..=30).contains(&answered), "{answered}");
    }

    #[test]
    fn row_67_second_chances_of_all_have_a_budget() {
        let mut chances = chances();
        let mut answered = 0;
        for id in 0..4 * SECOND_CHANCES_S {
            // Each address asks for three.
            let address = u64::from(id / 3);
            answered += (0..2).filter(|_| asks_of(&mut chances, address, 1, id, 1_000, 32)).count();
        }
        // Two seconds' worth at once.
        assert_eq!(answered, 2 * SECOND_CHANCES_S as usize);
    }

    #[test]
    fn row_67_who_is_remembered_is_not_driven_out() {
        let mut chances = chances();
        assert!(!asks(&mut chances, 1, 1, 0) && !asks(&mut chances, 1, 1, 500));
        // Four times as many as have room.
        for id in 0..4 * SECOND_CHANCES_MAX as u32 {
            asks(&mut chances, 2, id, 500 + id / 256);
        }
        assert!(asks(&mut chances, 1, 1, 1_500));
    }

    #[test]
    fn without_budgets_nothing_is_remembered() {
        let mut chances = SecondChances::new(false, 1, Keyed(1, 2));
        assert!((0..5).all(|at| !asks(&mut chances, 1, 1, at)));
        assert_eq!(chances.shelves.capacity(), 0);
    }

    #[test]
    fn all_its_places_are_told() {
        let chances = chances();
        assert_eq!(chances.shelves.len() * SHELF_PLACES, SECOND_CHANCES_MAX);
        assert_eq!(chances.places(), SECOND_CHANCES_MAX + chances.addresses.places());
    }
}
