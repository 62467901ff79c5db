//! Records of places, bounded in all and by network: one network with many places has one record for those
//! beyond its bound, and keeps out nobody else's.
//!
//! What is recorded, and for how long, is the user's.

use indexmap::IndexMap;

use crate::ids::KeyedHasher;
use crate::limits::{NETWORK_RECORDS_MAX, TAG_RECORDS_MAX};
use crate::tags::{Place, Tag};

/// One kind of record.
pub(crate) struct Places<T> {
    record_by_tag: IndexMap<Tag, Record<T>, KeyedHasher>,
    count_by_network: IndexMap<Tag, usize, KeyedHasher>,
}

/// What is noted of a place.
pub(crate) struct Record<T> {
    network: Tag,
    value: T,
}

impl<T: Default> Places<T> {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        Self {
            record_by_tag: IndexMap::with_hasher(KeyedHasher(key)),
            count_by_network: IndexMap::with_hasher(KeyedHasher(key)),
        }
    }

    /// The record of a place, perhaps a new one; `None` where there are too many in all.
    pub(crate) fn entry(&mut self, place: Place) -> Option<&mut T> {
        let count = self.count_by_network.get(&place.wide).copied().unwrap_or(0);
        let is_own = count < NETWORK_RECORDS_MAX || self.record_by_tag.contains_key(&place.near);
        let tag = if is_own { place.near } else { place.wide };
        if !self.record_by_tag.contains_key(&tag) {
            if self.record_by_tag.len() >= TAG_RECORDS_MAX {
                return None;
            }
            self.count_by_network.insert(place.wide, count + 1);
        }
        let new = || Record { network: place.wide, value: T::default() };
        Some(&mut self.record_by_tag.entry(tag).or_insert_with(new).value)
    }

    /// The record that a place has of its own.
    pub(crate) fn own(&self, place: Place) -> Option<&T> {
        self.record_by_tag.get(&place.near).map(|record| &record.value)
    }

    /// Forgets all that are not to be kept.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&mut T) -> bool) {
        let counts = &mut self.count_by_network;
        self.record_by_tag.retain(|_, record| {
            let stays = keep(&mut record.value);
            if !stays && let Some(count) = counts.get_mut(&record.network) {
                *count -= 1;
            }
            stays
        });
        self.count_by_network.retain(|_, count| *count > 0);
    }

    pub(crate) fn len(&self) -> usize {
        self.record_by_tag.len()
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.record_by_tag.values().map(|record| &record.value)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use super::*;
    use crate::tags::{Origin, TagKeys};

    fn place(keys: &TagKeys, network: u16, household: u16) -> Place {
        let address = Ipv6Addr::new(0x2001, 0xdb8, network, household, 0, 0, 0, 1);
        keys.place(&keys.tags(Origin::from(IpAddr::V6(address))))
    }

    #[test]
    fn a_network_of_many_places_shares_one_record_and_leaves_room() {
        let keys = TagKeys::new([[1; 32], [2; 32]]);
        let mut places = Places::<u32>::new([0; 16]);
        for household in 0..NETWORK_RECORDS_MAX as u16 + 500 {
            *places.entry(place(&keys, 1, household)).unwrap() += 1;
        }
        assert_eq!(places.len(), NETWORK_RECORDS_MAX + 1);
        assert_eq!(places.values().max(), Some(&500), "the last ones share a record");
        assert_eq!(places.entry(place(&keys, 1, 0)).copied(), Some(1), "the first ones have their own");
        assert_eq!(places.entry(place(&keys, 2, 0)).copied(), Some(0), "and so has another network");
        places.retain(|count| *count > 1);
        assert_eq!((places.len(), places.count_by_network.len()), (1, 1));
        assert_eq!(places.entry(place(&keys, 1, 7)).copied(), Some(0), "there is room again");
    }

    #[test]
    fn the_whole_has_a_bound() {
        let keys = TagKeys::new([[1; 32], [2; 32]]);
        let mut places = Places::<u32>::new([0; 16]);
        let networks = (TAG_RECORDS_MAX / NETWORK_RECORDS_MAX) as u16;
        for (network, household) in
            (0..networks).flat_map(|network| (0..NETWORK_RECORDS_MAX as u16).map(move |i| (network, i)))
        {
            assert!(places.entry(place(&keys, network, household)).is_some());
        }
        assert!(places.entry(place(&keys, networks, 0)).is_none());
        assert!(places.entry(place(&keys, 0, 0)).is_some());
    }
}
