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
