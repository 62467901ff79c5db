//! What an ACME server will find when it looks for our proofs, for as long as an order runs.
//!
//! TLS-ALPN-01 (RFC 8737) is answered here, in the handshake; HTTP-01 (RFC 8555 §8.3) by whoever serves
//! HTTP.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;

/// The proofs of one order; its names bound their number.
#[derive(Default)]
pub(crate) struct Challenges {
    /// By token.
    pub(crate) http: signal_plane::Challenges,
    tls_by_name: Mutex<BTreeMap<String, Arc<CertifiedKey>>>,
}

impl Challenges {
    /// Lays out the answer to HTTP-01.
    pub(crate) fn answer_http(&self, token: &str, proof: &str) {
        self.http.put(token, proof);
    }

    /// Lays out the answer to TLS-ALPN-01: RFC 8737 §3, a self-signed certificate for that name alone, with
    /// the digest of the proof in a critical extension.
    ///
    /// # Errors
    ///
    /// A name that no certificate can hold.
    pub(crate) fn answer_tls(&self, name: &str, digest: &[u8]) -> Result<(), rcgen::Error> {
        let mut params = CertificateParams::new([name.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = ring::sign::any_ecdsa_type(&key).expect("we have just made it");
        // Not read back to be proved, as other certificates are: rustls knows no such critical extension.
        let certified = CertifiedKey::new(vec![certificate.der().clone()], key);
        self.tls().insert(name.to_owned(), Arc::new(certified));
        Ok(())
    }

    /// Takes all of it away.
    pub(crate) fn clear(&self) {
        self.http.clear();
        self.tls().clear();
    }

    /// The answer to a handshake of an ACME server, if it is one and there is an answer.
    pub(crate) fn of_handshake(&self, hello: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?;
        self.tls().get(name).cloned()
    }

    fn tls(&self) -> MutexGuard<'_, BTreeMap<String, Arc<CertifiedKey>>> {
        self.tls_by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// RFC 8737 §6.2: the protocol that only validators offer.
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";
