//! Tokens of admission: some for everybody who has one, some good once.
//!
//! It keeps hashes only. What was used up is remembered until the process ends, so a file with single-use
//! tokens should be replaced by and by.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};
use signal_plane::Admits;

use crate::settings::AdmissionToken;

/// The tokens of the configuration.
pub(crate) struct Tokens(Mutex<BTreeMap<[u8; 32], Good>>);

/// For whom a token is good.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Good {
    ForAll,
    Once,
    /// Nobody any more, since then.
    UsedUp(Instant),
}

impl Tokens {
    pub(crate) fn new(tokens: &[AdmissionToken]) -> Self {
        let known = tokens.iter().map(|token| {
            let good = if token.is_single_use { Good::Once } else { Good::ForAll };
            (Sha256::digest(token.secret.expose()).into(), good)
        });
        Self(Mutex::new(known.collect()))
    }

    /// How many tokens are known that have not been used up.
    pub(crate) fn unused(&self) -> usize {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.values().filter(|good| matches!(good, Good::ForAll | Good::Once)).count()
    }

    /// How many single-use tokens have been used up, and how long ago the first was.
    pub(crate) fn used_up(&self) -> (usize, Option<Duration>) {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times =
            tokens.values().filter_map(|good| if let Good::UsedUp(at) = good { Some(*at) } else { None });
        (times.clone().count(), times.min().map(|at| at.elapsed()))
    }
}

impl Admits for Tokens {
    fn admits(&self, token: &str, _unix_s: u64) -> bool {
        // A hash is compared, not the token: how long that takes tells nothing of one.
        let hash: [u8; 32] = Sha256::digest(token).into();
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(tokens.get(&hash), Some(Good::ForAll | Good::Once))
    }

    fn uses_up(&self, token: &str) -> bool {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match tokens.get_mut(&hash) {
            Some(Good::ForAll) => true,
            Some(good @ Good::Once) => {
                *good = Good::UsedUp(Instant::now());
                true
            }
            Some(Good::UsedUp(_)) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Secret;

    #[test]
    fn a_shared_token_is_good_for_all_and_a_single_one_once() {
        let token = |secret: &str, is_single_use| AdmissionToken {
            secret: Secret::new(secret.as_bytes().to_vec()),
            is_single_use,
        };
        let tokens = Tokens::new(&[token("shared-4711-4711", false), token("single-4711-4711", true)]);
        let admits = |token| tokens.admits(token, 0);
        assert!(
            admits("shared-4711-4711") && tokens.uses_up("shared-4711-4711") && admits("shared-4711-4711")
        );
        assert!(admits("single-4711-4711") && admits("single-4711-4711"), "to be asked is not to be used");
        assert!(tokens.uses_up("single-4711-4711") && !tokens.uses_up("single-4711-4711"));
        assert!(!admits("single-4711-4711"));
        assert!(!admits("") && !admits("other"));
        assert_eq!(tokens.unused(), 1);
        assert!(matches!(tokens.used_up(), (1, Some(age)) if age < Duration::from_secs(60)));
    }
}
