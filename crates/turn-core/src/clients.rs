//! The clients of a server by their 5-tuples, each in a record of two cache lines that is all most of its
//! packets need. Not their allocations.
//!
//! A packet costs one hash and waits for memory twice: for the place in the table, then for the record. What
//! comes next can be announced ([`Clients::foresee`]): then the memory of a whole batch is waited for at
//! once, because no packet's record depends on another's.

use std::hash::BuildHasher as _;
use std::hint::black_box;
use std::ops::Index;
use std::time::Duration;

use indexmap::IndexMap;
use indexmap::map::RawEntryApiV1 as _;
use stun_wire::ChannelNumber;

use crate::address::FiveTuple;
use crate::allocation::Allocation;
use crate::keyed::{Keyed, KeyedMap};
use crate::packed::Packed;
use crate::peerings::Channel;
use crate::policy::PeerVerdict;
use crate::slots::Slots;
use crate::verdict::{Framing, Hop};

/// All clients that have allocations. Who has moved and was not heard there yet has two 5-tuples.
pub(crate) struct Clients {
    records: KeyedMap<Packed, Record>,
    /// Where the records of the batch that was announced are, or were; and how many have come.
    foreseen: Vec<usize>,
    come: usize,
    hashes: Vec<u64>,
}

impl Clients {
    pub(crate) fn new(keyed: Keyed) -> Self {
        Self { records: IndexMap::with_hasher(keyed), foreseen: Vec::new(), come: 0, hashes: Vec::new() }
    }

    /// Touches the records of those whose packets come next, in this order; the same one may come repeatedly.
    pub(crate) fn foresee(&mut self, tuples: impl Iterator<Item = FiveTuple>) {
        let Self { records, foreseen, come, hashes } = self;
        *come = 0;
        foreseen.clear();
        hashes.clear();
        if records.is_empty() {
            return;
        }
        // One step for all of them, then the next: the processor waits for the memory of many at a time.
        // Whose the record really is is looked at when it is there.
        let mut last = Packed::default();
        for packed in tuples.map(|tuple| Packed::from(&tuple)) {
            if packed != last {
                hashes.push(records.hasher().hash_one(packed));
            }
            last = packed;
        }
        let likely = |hash: &u64| records.raw_entry_v1().index_from_hash(*hash, |_| true);
        foreseen.extend(hashes.iter().filter_map(likely));
        let touched = foreseen.iter().filter_map(|place| records.get_index(*place));
        black_box(touched.fold(0, |all, (packed, record)| all ^ packed.first_word() ^ record.way.until_ns));
    }

    /// The record of a client whose packet came.
    pub(crate) fn find(&mut self, tuple: &FiveTuple) -> Option<&mut Record> {
        let packed = Packed::from(tuple);
        // It is the one that came last, or the next; unless others came that have no record, or not by this.
        let is_it = |place: &usize| self.records.get_index(*place).is_some_and(|(found, _)| *found == packed);
        let Some(at) = self.foreseen[self.come..].iter().position(is_it) else {
            return self.records.get_mut(&packed);
        };
        self.come += at;
        self.records.get_index_mut(self.foreseen[self.come]).map(|(_, record)| record)
    }

    /// Enters a client, or changes which allocations it has.
    pub(crate) fn insert(&mut self, tuple: FiveTuple, slots: Slots) {
        self.records.insert(Packed::from(&tuple), Record { slots, way: Way::default() });
    }

    pub(crate) fn swap_remove(&mut self, tuple: &FiveTuple) {
        self.records.swap_remove(&Packed::from(tuple));
    }

    /// Something changed about how packets of a client go on.
    pub(crate) fn forget_way(&mut self, tuple: &FiveTuple) {
        if let Some(record) = self.records.get_mut(&Packed::from(tuple)) {
            record.way = Way::default();
        }
    }

    pub(crate) fn get(&self, tuple: &FiveTuple) -> Option<&Slots> {
        self.records.get(&Packed::from(tuple)).map(|record| &record.slots)
    }

    pub(crate) fn contains_key(&self, tuple: &FiveTuple) -> bool {
        self.records.contains_key(&Packed::from(tuple))
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    #[cfg(debug_assertions)]
    pub(crate) fn values(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }
}

impl Index<&FiveTuple> for Clients {
    type Output = Slots;

    fn index(&self, tuple: &FiveTuple) -> &Slots {
        self.get(tuple).expect("a 5-tuple with allocations has a record")
    }
}

/// What is kept of one client; with its 5-tuple and the hash of it, two cache lines.
#[repr(align(64))]
pub(crate) struct Record {
    pub(crate) slots: Slots,
    pub(crate) way: Way,
}

/// The way that a client's last packet took, if the next may take it without another look at the allocation:
/// on one channel, to another client, which has a channel too. Whatever may change it but time makes it
/// forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Way {
    /// Good for packets before this time since start. Never beyond a second's end, so that in each second an
    /// allocation learns that its client was heard.
    until_ns: u64,
    channel: u16,
    /// The receiver's channel.
    to_channel: u16,
    to: Packed,
}

impl Way {
    /// The way of packets on a channel as things stand; none if more has to be looked at for each.
    pub(crate) fn of(allocation: &Allocation, at: usize, now: Duration) -> Option<Self> {
        let peering = allocation.at(at);
        let Channel { number, expires } = peering.channel?;
        let route = peering.route.as_ref().filter(|_| peering.via != PeerVerdict::Outside)?;
        let (to_number, to_expires) = route.channel?;
        let second = Duration::from_secs(now.as_secs() + 1);
        let until = [expires, to_expires, route.deadline, second].into_iter().min()?;
        let is_free = allocation.meter.is_none();
        (is_free && now < until).then(|| Self {
            until_ns: nanoseconds(until),
            channel: number.number(),
            to_channel: to_number.number(),
            to: Packed::from(&route.to),
        })
    }

    /// The channel, while the way is good.
    #[cfg(debug_assertions)]
    pub(crate) fn channel(&self, now: Duration) -> Option<ChannelNumber> {
        ChannelNumber::new(self.channel).filter(|_| nanoseconds(now) < self.until_ns)
    }

    /// Whether the other is the same, and good for as long at least.
    #[cfg(debug_assertions)]
    pub(crate) fn is_part_of(&self, other: &Self) -> bool {
        self.until_ns <= other.until_ns && *self == Self { until_ns: self.until_ns, ..*other }
    }

    /// Where a packet on this channel goes; nothing if that is not known here.
    pub(crate) fn hop(&self, number: ChannelNumber, now: Duration) -> Option<Hop> {
        let is_known = number.number() == self.channel && nanoseconds(now) < self.until_ns;
        let framing = Framing::Channel(ChannelNumber::new(self.to_channel).filter(|_| is_known)?);
        Some(Hop::Client { to: self.to.unpack(), framing })
    }
}

fn nanoseconds(since_start: Duration) -> u64 {
    u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX)
}

/// The map keeps a hash with each.
const _: () = assert!(size_of::<(u64, Packed, Record)>() == 128 && align_of::<Record>() == 64);

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;
    use crate::address::{ClientAddr, ListenerId, LocalIp};

    fn tuple(port: u16) -> FiveTuple {
        FiveTuple {
            client: ClientAddr(SocketAddr::from(([198, 51, 100, 7], port))),
            local: LocalIp([192, 0, 2, 1].into()),
            listener: ListenerId(0),
        }
    }

    fn clients() -> Clients {
        let mut clients = Clients::new(Keyed(1, 2));
        for port in 1..=100 {
            clients.insert(tuple(port), Slots::one(port.into()));
        }
        clients
    }

    fn found(clients: &mut Clients, port: u16) -> Option<usize> {
        clients.find(&tuple(port)).map(|record| record.slots.first())
    }

    #[test]
    fn everybody_is_found_foreseen_or_not_and_in_any_order() {
        let mut clients = clients();
        for batch in [&[][..], &[1, 2, 3], &[3, 3, 2, 2, 1], &[200, 5, 201, 6], &[7; 32]] {
            clients.foresee(batch.iter().map(|port| tuple(*port)));
            for port in [batch, &[50], batch, &[0, 100, 101]].concat() {
                let there = (1..=100).contains(&port).then_some(port.into());
                assert_eq!(found(&mut clients, port), there, "{port} after {batch:?}");
            }
        }
    }

    #[test]
    fn what_was_foreseen_may_change_before_it_comes() {
        let mut clients = clients();
        clients.foresee([1, 2, 100, 101, 3].map(tuple).into_iter());
        // The last takes the place of the first.
        clients.swap_remove(&tuple(1));
        clients.insert(tuple(101), Slots::one(101));
        clients.insert(tuple(2), Slots::one(7));
        for (port, slot) in [(1, None), (2, Some(7)), (100, Some(100)), (101, Some(101)), (3, Some(3))] {
            assert_eq!(found(&mut clients, port), slot, "{port}");
        }
        (1..=101).for_each(|port| clients.swap_remove(&tuple(port)));
        assert_eq!(found(&mut clients, 3), None);
    }

    #[test]
    fn a_way_is_good_for_its_channel_and_until_its_moment() {
        let number = |number| ChannelNumber::new(number).unwrap();
        let way = Way { until_ns: 1_000, channel: 0x4001, to_channel: 0x4002, to: (&tuple(9)).into() };
        let at = Duration::from_nanos;
        let hop = Hop::Client { to: tuple(9), framing: Framing::Channel(number(0x4002)) };
        assert_eq!(way.hop(number(0x4001), at(999)), Some(hop));
        assert_eq!(way.hop(number(0x4001), at(1_000)), None);
        assert_eq!(way.hop(number(0x4002), at(999)), None);
        assert_eq!(Way::default().hop(number(0x4000), Duration::ZERO), None);
    }
}
