//! Randomness from a seed: the same seed gives the same run. Not the operating system's.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// A cryptographic generator that was seeded once, from an argument.
pub(crate) struct Random(ChaCha12Rng);

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    pub(crate) fn u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, each as likely as any other. `bound` is not zero.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        // The part of the range that would favour small results is drawn again.
        let zone = u32::MAX - u32::MAX % bound;
        loop {
            let value = self.0.next_u32();
            if value < zone {
                return value % bound;
            }
        }
    }
}
