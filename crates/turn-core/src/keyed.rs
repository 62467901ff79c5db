//! Hashing with a key from the seed, so that nobody outside can choose colliding addresses.

use std::hash::BuildHasher;

use siphasher::sip::SipHasher13;

/// A map whose hash depends on the seed: collisions can't be prepared, and runs with one seed are alike.
pub(crate) type KeyedMap<K, V> = indexmap::IndexMap<K, V, Keyed>;

/// SipHash-1-3 under a key.
#[derive(Clone, Copy)]
pub(crate) struct Keyed(pub(crate) u64, pub(crate) u64);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::{Ipv4Addr, SocketAddr};

    use super::*;
    use crate::address::{ClientAddr, FiveTuple, ListenerId, LocalIp};

    /// Slots of a map of a few thousand entries.
    const SLOTS: u64 = 4_096;
    const COLLIDING: usize = 100;
    const KNOWN: Keyed = Keyed(1, 2);

    /// A client of one network, at whatever port it chooses.
    fn tuple(number: u32) -> FiveTuple {
        let [host, high, low] = [16, 8, 0].map(|shift| (number >> shift) as u8);
        let client = SocketAddr::from(([198, 18, 0, host], u16::from_be_bytes([high, low])));
        let local = LocalIp(Ipv4Addr::new(192, 0, 2, 1).into());
        FiveTuple { client: ClientAddr(client), local, listener: ListenerId(0) }
    }

    /// How many of these land in the fullest slot.
    fn fullest(keyed: Keyed, tuples: &[FiveTuple]) -> usize {
        let mut slots = BTreeMap::new();
        for tuple in tuples {
            *slots.entry(keyed.hash_one(tuple) % SLOTS).or_insert(0) += 1;
        }
        slots.into_values().max().unwrap_or(0)
    }

    #[test]
    fn row_103_what_collides_under_a_known_key_spreads_under_others() {
        let all = (0..).map(tuple);
        let hostile: Vec<_> = all.filter(|it| KNOWN.hash_one(it) % SLOTS == 0).take(COLLIDING).collect();
        assert_eq!(fullest(KNOWN, &hostile), COLLIDING, "who knows the key fills one slot");
        for seed in 3..103 {
            // Of a hundred in 4,096 slots, six in one is less likely than one in a billion.
            assert!(fullest(Keyed(seed, !seed), &hostile) < 6, "{seed}");
        }
    }

    #[test]
    fn row_103_ports_of_one_client_spread_as_chance_does() {
        let tuples: Vec<_> = (0..SLOTS as u32).map(tuple).collect();
        for seed in 3..103 {
            // One in a slot on average; the fullest of them has six or seven.
            assert!(fullest(Keyed(seed, !seed), &tuples) < 14, "{seed}");
        }
    }
}
