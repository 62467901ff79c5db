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

use super::acme::Acme;
use super::draft::Draft;
use super::listen::Listen;
use super::server::Server;
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
    /// Obtained from an ACME server; there is a state directory then.
    Acme(Acme),
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
    pub(super) fn read(draft: &mut Draft, folders: &Folders, listen: &Listen, server: &Server) -> Self {
        let state = folders.state(&draft.text("tls.state"));
        let source = if draft.text("tls.mode") == "acme" {
            Source::refuse_files(draft);
            Source::Acme(Acme::read(draft, folders, listen, server, state.is_some()))
        } else {
            Acme::refuse_unused(draft);
            Source::read(draft, folders)
        };
        Self { source, state }
    }
}

impl Source {
    fn read(draft: &mut Draft, folders: &Folders) -> Self {
        if draft.text("tls.mode") != "files" {
            Self::refuse_files(draft);
            return Self::SelfSigned;
        }
        let missing = FILE_KEYS.map(|key| (key, draft.text(key).is_empty()));
        for (key, _) in missing.iter().filter(|(_, is_missing)| *is_missing) {
            let right = format!("set {key} to the path of a PEM file");
            draft.refuse(key, draft.place("tls.mode"), "is empty, but tls.mode is \"files\"", &right);
        }
        if missing.iter().any(|(_, is_missing)| *is_missing) {
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

    fn refuse_files(draft: &mut Draft) {
        for key in FILE_KEYS {
            if !draft.text(key).is_empty() {
                let wrong = format!("is set, but tls.mode is \"{}\"", draft.text("tls.mode"));
                draft.refuse(key, draft.place(key), &wrong, "set mode = \"files\", or remove it");
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

const FILE_KEYS: [&str; 2] = ["tls.certificate", "tls.key"];
