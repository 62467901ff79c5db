//! Answers to an ACME server's HTTP-01 challenges, by token (RFC 8555 §8.3).
//!
//! It does not know what is proved by them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The answers of now. Clones are handles to the same.
#[derive(Clone, Default)]
pub struct Challenges(Arc<Mutex<BTreeMap<String, String>>>);

impl Challenges {
    /// Answers requests for that token; whoever puts bounds the number.
    pub fn put(&self, token: &str, answer: &str) {
        self.lock().insert(token.to_owned(), answer.to_owned());
    }

    /// Answers none.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// The answer to a request for that path, if it asks for one of ours.
    pub(crate) fn answer(&self, path: &str) -> Option<String> {
        self.lock().get(path.strip_prefix(FOLDER)?).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PartialEq for Challenges {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Challenges {}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenges")
    }
}

const FOLDER: &str = "/.well-known/acme-challenge/";
