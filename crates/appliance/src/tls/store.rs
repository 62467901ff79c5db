//! The certificate that new handshakes get, which can be another from one moment to the next.
//!
//! A connection keeps what it began with; nothing here knows where certificates come from.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::challenges::{ACME_TLS, Challenges};

/// One certificate for all listeners and all names.
pub(crate) struct Store {
    current: RwLock<Arc<CertifiedKey>>,
    challenges: Arc<Challenges>,
}

impl Store {
    /// With its first certificate, and with proofs for who looks for those.
    pub(crate) fn new(certified: Arc<CertifiedKey>, challenges: Arc<Challenges>) -> Self {
        Self { current: RwLock::new(certified), challenges }
    }

    /// The handshakes that begin from here on get this one.
    pub(crate) fn swap(&self, certified: Arc<CertifiedKey>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = certified;
    }

    /// What handshakes get now.
    pub(crate) fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == ACME_TLS)) {
            return self.challenges.of_handshake(&hello);
        }
        Some(self.current())
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}
