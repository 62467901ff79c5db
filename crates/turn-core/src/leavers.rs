//! What the buckets of users lacked when their allocations ended: who allocates anew gets no full bucket with
//! it. In a table of constant size, in which nothing says whose a bucket was. Not the sides of sessions,
//! which have one bucket each as long as they hold anything, and after that in the directory.

use std::hash::BuildHasher as _;

use crate::address::Prefix;
use crate::bandwidth::{Meter, Used};
use crate::credentials::Identity;
use crate::keyed::Keyed;
use crate::limits::LEAVERS_MAX;

/// The users of each network who left, by hash; of two who collide the first is forgotten.
pub(crate) struct Leavers {
    keyed: Keyed,
    places: Vec<Leaver>,
}

impl Leavers {
    /// Where nothing is limited there is nothing to remember.
    pub(crate) fn new(is_needed: bool, keyed: Keyed) -> Self {
        Self { keyed, places: vec![Leaver::default(); if is_needed { LEAVERS_MAX } else { 0 }] }
    }

    /// An allocation of this user, made from this network, has ended.
    pub(crate) fn leave(&mut self, user: Identity, network: Prefix, meter: &Meter) {
        let hash = self.hash(user, network);
        let Some(place) = self.places.get_mut(hash as usize % LEAVERS_MAX) else { return };
        let before = if place.hash == hash { place.used } else { Used::default() };
        *place = Leaver { hash, used: before.max(meter.used()) };
    }

    /// What a new allocation of this user has used already: as much as the one that left with the
    /// least, and what has come back since is back.
    pub(crate) fn used(&self, user: Identity, network: Prefix) -> Used {
        let hash = self.hash(user, network);
        let place = self.places.get(hash as usize % LEAVERS_MAX).filter(|place| place.hash == hash);
        place.map(|place| place.used).unwrap_or_default()
    }

    /// Places of its table, in use or not.
    pub(crate) fn places(&self) -> usize {
        self.places.len()
    }

    fn hash(&self, user: Identity, network: Prefix) -> u64 {
        self.keyed.hash_one((user, network))
    }
}

/// A place of the table. Once all has come back it says nothing.
#[derive(Clone, Copy, Default)]
pub(crate) struct Leaver {
    hash: u64,
    used: Used,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::address::ClientAddr;
    use crate::bandwidth::{Bandwidth, BandwidthLimits, Direction};

    fn network(client: &str) -> Prefix {
        Prefix::of(ClientAddr(client.parse().unwrap()))
    }

    #[test]
    fn row_97_who_leaves_several_allocations_comes_back_with_what_the_emptiest_had() {
        let bandwidth = Bandwidth::new(BandwidthLimits { session_bps: 800_000, total_bps: 0 });
        let (user, here) = (Identity::User(7), network("198.51.100.7:1"));
        let now = Duration::from_secs(9);
        let passes = |meter: &Meter| {
            (0..60).filter(|_| bandwidth.spend(meter, Direction::Sent, 968, now).is_ok()).count()
        };
        let mut leavers = Leavers::new(true, Keyed(1, 2));
        let [spent, fresh] = [(); 2].map(|()| bandwidth.meter(Used::default()).unwrap());
        assert_eq!(passes(&spent), 50);
        for meter in [&spent, &fresh] {
            leavers.leave(user, here, meter);
        }
        let comes = |user, network| passes(&bandwidth.meter(leavers.used(user, network)).unwrap());
        assert_eq!(comes(user, here), 0);
        assert_eq!(comes(user, network("198.51.100.8:2")), 0, "the network counts");
        assert_eq!(comes(user, network("203.0.113.7:1")), 50, "others of the name are no neighbours");
        assert_eq!(comes(Identity::User(8), here), 50);
    }

    #[test]
    fn the_table_has_its_size_whoever_leaves_and_none_without_limits() {
        let mut leavers = Leavers::new(true, Keyed(1, 2));
        let size = leavers.places.capacity();
        for user in 0..u16::MAX {
            leavers.leave(Identity::User(user), network("198.51.100.7:1"), &Meter::default());
        }
        assert_eq!((size, leavers.places.capacity()), (LEAVERS_MAX, LEAVERS_MAX));
        assert_eq!(Leavers::new(false, Keyed(1, 2)).places.capacity(), 0);
    }
}
