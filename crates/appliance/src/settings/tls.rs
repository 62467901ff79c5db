//! `[tls]`: where the certificate comes from, with the files read and proved to belong together.
//!
//! Making a certificate and a TLS configuration of it is `crate::tls`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::draft::Draft;
use super::source::{Folders, Refusal, read, read_secret};
use crate::limits::PEM_BYTES_MAX;

/// `[tls]`: the certificate and where what we make is kept.
#[derive(Clone)]
pub struct Tls {
    /// Where the certificate comes from.
    pub source: Source,
    /// The state directory, if there is one.
    pub state: Option<PathBuf>,
}

/// The source of the certificate.
#[derive(Clone)]
pub enum Source {
    /// Made by us, and kept where there is a state directory.
    SelfSigned,
    /// Read from files.
    Files(CertificateFiles),
}

/// A certificate, its key, and the files they were read from.
#[derive(Clone)]
pub struct CertificateFiles {
    /// Where the certificate chain is.
    pub certificate: PathBuf,
    /// Where the key is.
    pub key: PathBuf,
    /// What was read.
    pub certified: Arc<CertifiedKey>,
}

impl Tls {
    pub(super) fn read(draft: &mut Draft, folders: &Folders) -> Self {
        let state = folders.state(&draft.text("tls.state"));
        Self { source: Source::read(draft, folders), state }
    }
}

impl Source {
    fn read(draft: &mut Draft, folders: &Folders) -> Self {
        let files = draft.text("tls.mode") == "files";
        let mut whole = files;
        for key in ["tls.certificate", "tls.key"] {
            let set = !draft.text(key).is_empty();
            if set && !files {
                let right = "set mode = \"files\", or remove it";
                draft.refuse(key, draft.place(key), "is set, but tls.mode is \"self-signed\"", right);
            } else if files && !set {
                let right = format!("set {key} to the path of a PEM file");
                draft.refuse(key, draft.place("tls.mode"), "is empty, but tls.mode is \"files\"", &right);
                whole = false;
            }
        }
        if !whole {
            return Self::SelfSigned;
        }
        let certificate = folders.resolve(&draft.text("tls.certificate"));
        let key = folders.resolve(&draft.text("tls.key"));
        match load_certificate(&certificate, &key) {
            Ok(certified) => {
                Self::Files(CertificateFiles { certificate, key, certified: Arc::new(certified) })
            }
            Err((key, refusal)) => {
                draft.refuse(key, draft.place(key), &refusal.wrong, &refusal.right);
                Self::SelfSigned
            }
        }
    }
}

/// A certificate chain and its key from two PEM files, proved to belong together.
///
/// # Errors
///
/// The key of the configuration whose file is at fault, and what is wrong with it.
pub(crate) fn load_certificate(
    certificate: &Path,
    key: &Path,
) -> Result<CertifiedKey, (&'static str, Refusal)> {
    let refuse_certificate = |refusal: Refusal| ("tls.certificate", refusal.of(certificate));
    let pem = read(certificate, PEM_BYTES_MAX).map_err(refuse_certificate)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    if chain.is_empty() {
        let right = "name a PEM file with BEGIN CERTIFICATE in it";
        return Err(refuse_certificate(Refusal::new("holds no certificate", right)));
    }

    let refuse_key = |refusal: Refusal| ("tls.key", refusal.of(key));
    let pem = read_secret(key, PEM_BYTES_MAX).map_err(refuse_key)?;
    let key = PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|_| {
        let right = "name a PEM file with BEGIN PRIVATE KEY in it, without a passphrase";
        refuse_key(Refusal::new("holds no private key", right))
    })?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => refuse_key(Refusal::new(
            format!("is not the key of the certificate in {}", certificate.display()),
            "name the key that the certificate was made for; our own certificate comes first in its file",
        )),
        Error::InvalidCertificate(_) => refuse_certificate(Refusal::new(
            "holds a certificate that cannot be read",
            "name a PEM file with an X.509 version 3 certificate",
        )),
        _ => refuse_key(Refusal::new(
            "holds a key of an unsupported kind",
            "use a key for ECDSA (P-256, P-384), Ed25519 or RSA (2048 to 8192 bits)",
        )),
    })
}
