//! The self-signed certificate: made once, kept where there is a state directory, renewed before it ends.
//!
//! People who open the page accept it by hand, so it lives long; the pair for WebTransport is another thing.

use std::collections::BTreeSet;
use std::sync::Arc;

use rustls::sign::CertifiedKey;

use super::CertificateError;
use super::made::{self, Validity};
use super::state::State;
use crate::limits::{CLOCK_SKEW_S_MAX, SELF_SIGNED_RENEW_S, SELF_SIGNED_S};
use crate::settings::Refusal;

/// Makes and keeps it.
pub(crate) struct SelfSigned {
    names: BTreeSet<String>,
    state: Option<State>,
}

impl SelfSigned {
    /// For these names, kept there.
    pub(crate) fn new(names: BTreeSet<String>, state: Option<State>) -> Self {
        Self { names, state }
    }

    /// The kept certificate if it is for our names and not about to end, else a new one.
    ///
    /// # Errors
    ///
    /// The kept one is not to be read, or the names are none for a certificate.
    pub(crate) fn open(&self, now_unix_s: u64) -> Result<Arc<CertifiedKey>, CertificateError> {
        if let Some(kept) = self.kept()?
            && made::names(&kept) == self.names
            && !Self::is_due(&kept, now_unix_s)
        {
            return Ok(Arc::new(kept));
        }
        self.renew(now_unix_s)
    }

    /// A new one, kept in the place of the old once the state directory takes it.
    ///
    /// # Errors
    ///
    /// The names are none for a certificate.
    pub(crate) fn renew(&self, now_unix_s: u64) -> Result<Arc<CertifiedKey>, CertificateError> {
        let validity = Validity {
            from_unix_s: now_unix_s.saturating_sub(CLOCK_SKEW_S_MAX),
            until_unix_s: now_unix_s + SELF_SIGNED_S,
        };
        let pem = made::make(&self.names, validity).map_err(CertificateError::names)?;
        if let Some(state) = &self.state {
            state.write(FILE, pem.as_bytes());
        }
        Ok(Arc::new(made::certified(pem.as_bytes()).expect("we have just made it")))
    }

    /// Whether it is time for another one.
    pub(crate) fn is_due(certified: &CertifiedKey, now_unix_s: u64) -> bool {
        made::validity(certified).is_none_or(|validity| {
            !validity.covers(now_unix_s) || now_unix_s + SELF_SIGNED_RENEW_S > validity.until_unix_s
        })
    }

    fn kept(&self) -> Result<Option<CertifiedKey>, CertificateError> {
        let Some(state) = &self.state else { return Ok(None) };
        let Some(pem) = state.read(FILE).map_err(CertificateError::state)? else { return Ok(None) };
        let certified = made::certified(pem.expose()).ok_or_else(|| {
            let right = "remove it, and another one is made";
            let refusal = Refusal::new("does not hold a certificate and its key", right);
            CertificateError::state(refusal.of(&state.path(FILE)))
        })?;
        Ok(Some(certified))
    }
}

const FILE: &str = "self-signed.pem";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_kept_until_it_is_due_or_for_other_names() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state")).unwrap();
        let of = |name: &str| SelfSigned::new([name.to_owned()].into(), Some(state.clone()));
        let first = of("a.example").open(NOW).unwrap();
        let again = |name, now| of(name).open(now).unwrap().cert == first.cert;
        assert!(again("a.example", NOW) && again("a.example", NOW + SELF_SIGNED_S - SELF_SIGNED_RENEW_S));
        assert!(!again("a.example", NOW + SELF_SIGNED_S - SELF_SIGNED_RENEW_S + 1));
        of("a.example").renew(NOW).unwrap();
        assert!(!again("b.example", NOW));
    }

    #[test]
    fn a_disk_that_takes_nothing_does_not_stop_a_renewal() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state")).unwrap();
        let made = SelfSigned::new(["a.example".to_owned()].into(), Some(state.clone()));
        let first = made.open(NOW).unwrap();
        std::fs::remove_dir_all(folder.path().join("state")).unwrap();
        let second = made.renew(NOW + SELF_SIGNED_S).unwrap();
        assert!(second.cert != first.cert && !SelfSigned::is_due(&second, NOW + SELF_SIGNED_S));
        assert!(state.flush().is_err());
        assert_eq!(made.open(NOW + SELF_SIGNED_S).unwrap().cert, second.cert);
    }

    #[test]
    fn a_kept_file_that_is_none_of_ours_is_told_with_path_and_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("state")).unwrap();
        state.write(FILE, b"not ours");
        let error = SelfSigned::new(["a.example".to_owned()].into(), Some(state)).open(NOW).unwrap_err();
        let told = error.to_string();
        assert!(told.starts_with("tls.state: ") && told.contains("self-signed.pem does not hold"), "{told}");
        assert!(told.ends_with("remove it, and another one is made"), "{told}");
    }

    const NOW: u64 = 1_800_000_000;
}
