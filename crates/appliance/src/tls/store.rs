//! The certificate that new handshakes get, which can be another from one moment to the next.
//!
//! A connection keeps what it began with; nothing here knows where certificates come from.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// One certificate for all listeners and all names.
pub(crate) struct Store {
    current: RwLock<Arc<CertifiedKey>>,
}

impl Store {
    /// With its first certificate.
    pub(crate) fn new(certified: Arc<CertifiedKey>) -> Self {
        Self { current: RwLock::new(certified) }
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
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}
