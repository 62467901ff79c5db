//! `[match.jwt]`: whose signed tokens let people in, and where the keys are that verify them.
//!
//! Nothing is asked of an identity provider here; a file of keys is read and proved to be one.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::draft::Draft;
use super::keys::key as key_of;
use super::source::{Folders, Refusal, read};
use crate::admission::KeySet;
use crate::limits::{JWKS_BYTES_MAX, PEM_BYTES_MAX};

/// Which tokens are good, and by which keys.
#[derive(Clone)]
pub struct Jwt {
    /// For whom a token must be: one of these.
    pub audience: Vec<String>,
    /// Who must have issued it, if that is to be checked.
    pub issuer: Option<String>,
    /// How far the identity provider's clock may be from ours, in seconds.
    pub leeway_s: u64,
    /// Where the keys are.
    pub keys: JwtKeys,
}

/// Where the keys are that verify tokens.
#[derive(Clone)]
pub enum JwtKeys {
    /// A file with a JWK Set.
    File(PathBuf),
    /// A server that answers with one.
    Url {
        /// Where; an https URL.
        url: String,
        /// The certificate of the CA that vouches for that server, where it is not one that this machine
        /// trusts.
        root: Option<PathBuf>,
        /// How often to ask, in seconds.
        refresh_s: u64,
    },
}

impl Jwt {
    /// Reads the section; nothing if it was refused.
    pub(super) fn read(draft: &mut Draft, folders: &Folders) -> Option<Self> {
        let mode = draft.place("match.admission");
        let audience: Vec<_> = draft.texts(AUDIENCE).into_iter().map(|(text, _)| text).collect();
        if audience.is_empty() || audience.iter().any(String::is_empty) {
            let wrong = "is empty, but match.admission is \"jwt\"";
            let right =
                "name this server as its tokens do: else every token of the identity provider is good";
            draft.refuse(AUDIENCE, mode, wrong, right);
        }
        let keys = match (draft.text(KEYS_FILE), draft.text(KEYS_URL)) {
            (file, url) if file.is_empty() == url.is_empty() => {
                let (wrong, right) = if file.is_empty() {
                    ("is empty, but match.admission is \"jwt\"", "set it or match.jwt.keys_url")
                } else {
                    ("is set, and so is match.jwt.keys_url", "keep one of the two")
                };
                draft.refuse(KEYS_FILE, mode, wrong, right);
                None
            }
            (file, _) if !file.is_empty() => Some(read_file(draft, folders, &file)),
            (_, url) => Some(read_url(draft, folders, url)),
        }?;
        let issuer = Some(draft.text("match.jwt.issuer")).filter(|issuer| !issuer.is_empty());
        Some(Self { audience, issuer, leeway_s: draft.number("match.jwt.leeway_s").into(), keys })
    }

    /// Refuses what is written in the section when another mode is chosen.
    pub(super) fn refuse_unused(draft: &mut Draft) {
        for key in [AUDIENCE, "match.jwt.issuer", KEYS_FILE, KEYS_URL, KEYS_ROOT] {
            let default = key_of(key).map_or("", |key| key.default);
            if draft.item(key).to_toml() != default {
                let wrong = format!("is set, but match.admission is \"{}\"", draft.text("match.admission"));
                draft.refuse(key, draft.place(key), &wrong, "set match.admission = \"jwt\", or remove it");
            }
        }
    }
}

/// The keys in a file.
///
/// # Errors
///
/// What is wrong with it, with its name.
pub(crate) fn load_keys(path: &Path) -> Result<KeySet, Refusal> {
    let text = read(path, JWKS_BYTES_MAX as u64).map_err(|refusal| refusal.of(path))?;
    KeySet::parse(&text).map_err(|refusal| refusal.of(path))
}

/// The CA certificates in a file.
///
/// # Errors
///
/// What is wrong with it, with its name.
pub(crate) fn load_roots(path: &Path) -> Result<RootCertStore, Refusal> {
    let pem = read(path, PEM_BYTES_MAX).map_err(|refusal| refusal.of(path))?;
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok);
    if roots.add_parsable_certificates(found).0 == 0 {
        let right = "name a PEM file with BEGIN CERTIFICATE in it";
        return Err(Refusal::new("holds no certificate of a CA", right).of(path));
    }
    Ok(roots)
}

fn read_file(draft: &mut Draft, folders: &Folders, file: &str) -> JwtKeys {
    if !draft.text(KEYS_ROOT).is_empty() {
        let wrong = "is set, but there is no match.jwt.keys_url";
        draft.refuse(KEYS_ROOT, draft.place(KEYS_ROOT), wrong, "remove it");
    }
    let path = folders.resolve(file);
    if let Err(refusal) = load_keys(&path) {
        draft.refuse(KEYS_FILE, draft.place(KEYS_FILE), &refusal.wrong, &refusal.right);
    }
    JwtKeys::File(path)
}

fn read_url(draft: &mut Draft, folders: &Folders, url: String) -> JwtKeys {
    let names_a_host = url.strip_prefix("https://").is_some_and(|rest| {
        let uri = url.parse::<hyper::Uri>();
        !rest.contains('@') && uri.is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()))
    });
    if !names_a_host {
        let right = "write the jwks_uri of the identity provider";
        draft.refuse(KEYS_URL, draft.place(KEYS_URL), "is no https URL", right);
    }
    let root = Some(draft.text(KEYS_ROOT)).filter(|root| !root.is_empty());
    let root = root.map(|root| folders.resolve(&root));
    if let Some(Err(refusal)) = root.as_deref().map(load_roots) {
        draft.refuse(KEYS_ROOT, draft.place(KEYS_ROOT), &refusal.wrong, &refusal.right);
    }
    JwtKeys::Url { url, root, refresh_s: draft.number("match.jwt.refresh_s").into() }
}

const AUDIENCE: &str = "match.jwt.audience";
const KEYS_FILE: &str = "match.jwt.keys_file";
const KEYS_ROOT: &str = "match.jwt.keys_root";
const KEYS_URL: &str = "match.jwt.keys_url";
