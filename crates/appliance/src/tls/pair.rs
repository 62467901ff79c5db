//! Two P-256 certificates, back to back, whose hashes a page can give a browser in place of a CA's word.
//!
//! W3C WebTransport, "serverCertificateHashes": such a certificate is of P-256 and holds for two weeks at
//! most. One is served while the page already knows the next, so a page that was loaded before a change
//! connects after it. It is not for people: `self_signed` is.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::CertificateError;
use super::made::{self, Validity};
use super::state::State;
use crate::limits::{CLOCK_SKEW_S_MAX, PAIR_MEMBER_S};
use crate::settings::Refusal;

/// The pair: one is served, the other is known.
///
/// [`Pair::open`], then [`Pair::turn`] whenever it says, or more often.
pub(crate) struct Pair {
    names: BTreeSet<String>,
    state: Option<State>,
    held: RwLock<[Member; 2]>,
}

#[derive(Clone)]
struct Member {
    certified: Arc<CertifiedKey>,
    validity: Validity,
    pem: made::Pem,
}

impl Pair {
    /// The kept pair, turned to now, or a new one.
    ///
    /// # Errors
    ///
    /// The kept one is not to be read, or the names are none for a certificate.
    pub(crate) fn open(
        names: BTreeSet<String>,
        state: Option<State>,
        now_unix_s: u64,
    ) -> Result<Self, CertificateError> {
        let kept = match &state {
            Some(state) => kept(state)?,
            None => None,
        };
        let is_new = kept.is_none();
        let held = kept.map_or_else(|| fresh(&names, now_unix_s), Ok)?;
        let pair = Self { names, state, held: RwLock::new(held) };
        if is_new {
            pair.keep(&pair.members());
        }
        pair.turn(now_unix_s)?;
        Ok(pair)
    }

    /// Serves the second when the first has had its time, and makes the one after it; tells in how many
    /// seconds the next turn is due.
    ///
    /// # Errors
    ///
    /// The names are none for a certificate.
    pub(crate) fn turn(&self, now_unix_s: u64) -> Result<u64, CertificateError> {
        let [mut first, mut second] = self.members();
        if !first.is_served(now_unix_s) {
            [first, second] = if second.is_served(now_unix_s) {
                let third = Member::new(&self.names, second.validity.until_unix_s - 2 * CLOCK_SKEW_S_MAX)?;
                [second, third]
            } else {
                fresh(&self.names, now_unix_s)?
            };
            let held = [first.clone(), second];
            self.keep(&held);
            *self.held.write().unwrap_or_else(PoisonError::into_inner) = held;
        }
        Ok(first.served_until().saturating_sub(now_unix_s))
    }

    /// The SHA-256 hashes of both certificates, the served one's first.
    pub(crate) fn hashes(&self) -> [[u8; 32]; 2] {
        self.members().map(|member| Sha256::digest(&member.certified.cert[0]).into())
    }

    /// From when to when each of them holds.
    pub(crate) fn validities(&self) -> [Validity; 2] {
        self.members().map(|member| member.validity)
    }

    fn members(&self) -> [Member; 2] {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, held: &[Member; 2]) {
        let Some(state) = &self.state else { return };
        let pem = Zeroizing::new(format!("{}{}", *held[0].pem, *held[1].pem));
        state.write(FILE, pem.as_bytes());
    }
}

impl ResolvesServerCert for Pair {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let [first, _] = &*self.held.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&first.certified))
    }
}

impl fmt::Debug for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pair")
    }
}

impl Member {
    fn new(names: &BTreeSet<String>, from_unix_s: u64) -> Result<Self, CertificateError> {
        let validity = Validity { from_unix_s, until_unix_s: from_unix_s + PAIR_MEMBER_S };
        let pem = made::make(names, validity).map_err(CertificateError::names)?;
        let certified = Arc::new(made::certified(pem.as_bytes()).expect("we have just made it"));
        Ok(Self { certified, validity, pem })
    }

    /// Whether it holds now for clients whose clocks are a little wrong.
    fn is_served(&self, now_unix_s: u64) -> bool {
        (self.validity.from_unix_s..self.served_until()).contains(&now_unix_s)
    }

    fn served_until(&self) -> u64 {
        self.validity.until_unix_s - CLOCK_SKEW_S_MAX
    }
}

fn fresh(names: &BTreeSet<String>, now_unix_s: u64) -> Result<[Member; 2], CertificateError> {
    let first = Member::new(names, now_unix_s.saturating_sub(CLOCK_SKEW_S_MAX))?;
    let second = Member::new(names, first.validity.until_unix_s - 2 * CLOCK_SKEW_S_MAX)?;
    Ok([first, second])
}

fn kept(state: &State) -> Result<Option<[Member; 2]>, CertificateError> {
    let Some(text) = state.read(FILE).map_err(CertificateError::state)? else { return Ok(None) };
    members(text.expose()).map(Some).ok_or_else(|| {
        let right = "remove it, and another pair is made";
        let refusal = Refusal::new("does not hold two certificates and their keys", right);
        CertificateError::state(refusal.of(&state.path(FILE)))
    })
}

fn members(text: &[u8]) -> Option<[Member; 2]> {
    let text = std::str::from_utf8(text).ok()?;
    let second = text.rfind(KEY_BEGINS)?;
    let member = |pem: &str| {
        let keys = PrivatePkcs8KeyDer::pem_slice_iter(pem.as_bytes()).count();
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).count();
        let certified = made::certified(pem.as_bytes()).filter(|_| (keys, certificates) == (1, 1))?;
        let validity = made::validity(&certified)?;
        Some(Member { certified: Arc::new(certified), validity, pem: Zeroizing::new(pem.to_owned()) })
    };
    Some([member(&text[..second])?, member(&text[second..])?])
}

const FILE: &str = "webtransport.pem";
const KEY_BEGINS: &str = "-----BEGIN PRIVATE KEY-----";

const _: () = assert!(PAIR_MEMBER_S <= 13 * 86_400, "browsers refuse what holds for more than 14 days");
const _: () = assert!(PAIR_MEMBER_S > 4 * CLOCK_SKEW_S_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_knows_both_hashes_connects_across_a_change() {
        let pair = Pair::open(names(), None, NOW).unwrap();
        let known = pair.hashes();
        let due = pair.turn(NOW).unwrap();
        pair.turn(NOW + due - 1).unwrap();
        assert_eq!(pair.hashes(), known);
        pair.turn(NOW + due).unwrap();
        let after = pair.hashes();
        assert_eq!(after[0], known[1]);
        assert!(!known.contains(&after[1]));
    }

    #[test]
    fn what_is_served_holds_at_any_time_within_thirteen_days_and_for_skewed_clocks() {
        let pair = Pair::open(names(), None, NOW).unwrap();
        let mut now = NOW;
        for _ in 0..200 {
            pair.turn(now).unwrap();
            let [first, second] = pair.members();
            for moment in [now - CLOCK_SKEW_S_MAX, now, now + CLOCK_SKEW_S_MAX] {
                assert!(first.validity.covers(moment));
            }
            assert!(second.validity.covers(first.served_until()));
            for member in [first, second] {
                let validity = made::validity(&member.certified).unwrap();
                assert_eq!(validity, member.validity);
                assert!(validity.until_unix_s - validity.from_unix_s <= 13 * 86_400);
            }
            now += 7 * 3_600;
        }
        assert_eq!(pair.turn(now + 400 * 86_400).unwrap(), 11 * 86_400);
        assert_eq!(pair.turn(NOW).unwrap(), 11 * 86_400, "a clock that was set back makes a new pair");
    }

    #[test]
    fn a_restart_keeps_the_pair_and_what_is_not_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state")).unwrap();
        let open = |now| Pair::open(names(), Some(state.clone()), now);
        let hashes = open(NOW).unwrap().hashes();
        assert_eq!(open(NOW + 86_400).unwrap().hashes(), hashes);
        assert_eq!(open(NOW + 11 * 86_400).unwrap().hashes()[0], hashes[1]);
        assert_ne!(open(NOW + 11 * 86_400).unwrap().hashes()[1], hashes[0]);
        state.write(FILE, b"-----BEGIN PRIVATE KEY-----");
        assert!(open(NOW).map(drop).unwrap_err().to_string().contains("webtransport.pem does not hold two"));
    }

    fn names() -> BTreeSet<String> {
        ["localhost".to_owned()].into()
    }

    const NOW: u64 = 1_800_000_000;
}
