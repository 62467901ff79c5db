//! Tokens that an identity provider signed (RFC 7519): judged, and forgotten.
//!
//! Nothing of a token is kept, so one is good for whoever has it until it expires. RFC 8725.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, AlgorithmFamily, Validation, decode, decode_header};
use match_core::TOKEN_BYTES_MAX;
use serde::de::IgnoredAny;
use signal_plane::Admits;
use tokio::sync::Notify;

use super::keys::KeySet;
use super::provider;
use crate::limits::JWT_KEYS_TRIED_MAX;
use crate::metrics::AdmissionNumbers;
use crate::settings::Jwt;

/// Says who may come in, with the keys of now.
pub(crate) struct Judge {
    audience: Vec<String>,
    issuer: Option<String>,
    leeway_s: u64,
    keys: Mutex<Option<Held>>,
    failures: AtomicU64,
    /// Told when a token names a key that is not there.
    missed: Notify,
}

/// Keys, and when they were had.
#[derive(Clone)]
struct Held {
    keys: Arc<KeySet>,
    since: Instant,
}

impl Judge {
    /// One without keys, who lets in nobody.
    pub(super) fn new(settings: &Jwt) -> Self {
        provider::install();
        Self {
            audience: settings.audience.clone(),
            issuer: settings.issuer.clone(),
            leeway_s: settings.leeway_s,
            keys: Mutex::new(None),
            failures: AtomicU64::new(0),
            missed: Notify::new(),
        }
    }

    /// Judges by these keys from now on. Says whether they are others than before.
    pub(super) fn replace(&self, keys: KeySet) -> bool {
        let mut held = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = held.as_ref().is_none_or(|held| *held.keys != keys);
        *held = Some(Held { keys: Arc::new(keys), since: Instant::now() });
        is_new
    }

    /// Counts that keys could not be had.
    pub(super) fn fail(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns when a token has named a key that is not there.
    pub(super) async fn missed(&self) {
        self.missed.notified().await;
    }

    /// Whether there are keys at all.
    pub(super) fn has_keys(&self) -> bool {
        self.held().is_some()
    }

    /// The numbers of now.
    pub(super) fn numbers(&self) -> AdmissionNumbers {
        let held = self.held();
        AdmissionNumbers {
            keys: held.as_ref().map_or(0, |held| held.keys.count() as u64),
            age_s: held.map(|held| held.since.elapsed().as_secs()),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    fn held(&self) -> Option<Held> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nothing, or why not, in words that tell nothing of the token.
    pub(super) fn judge(&self, token: &str) -> Result<(), &'static str> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err("it is too long");
        }
        // An algorithm that the library does not know, `none` among them, ends here.
        let header = decode_header(token).map_err(|_| "its header is not one of a signed token")?;
        if header.alg.family() == AlgorithmFamily::Hmac {
            return Err("it is not signed with a private key");
        }
        //= RFC 7515 §4.1.11: "If any of the listed extension Header Parameters are not understood and
        //= supported by the recipient, then the JWS is invalid."
        if header.crit.is_some() {
            return Err("it has extensions that must be understood");
        }
        let Some(held) = self.held() else { return Err("there are no keys yet") };
        let validation = self.validation(header.alg);
        let mut found = Err("it names a key that is not there");
        let fitting = held.keys.fitting(header.kid.as_deref(), header.alg);
        // One key as a rule; several where a token names none, or where two go by the same name.
        for key in fitting.take(JWT_KEYS_TRIED_MAX) {
            found = match decode::<IgnoredAny>(token, key, &validation) {
                Ok(_) => return Ok(()),
                Err(error) => Err(reason(&error)),
            };
            if found != Err(FORGED) {
                return found;
            }
        }
        if found != Err(FORGED) {
            self.missed.notify_one();
        }
        found
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.leeway_s;
        validation.validate_nbf = true;
        validation.set_audience(&self.audience);
        let mut required = vec!["exp", "aud"];
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        validation
    }
}

impl Admits for Judge {
    fn admits(&self, token: &str, _unix_s: u64) -> bool {
        let judged = self.judge(token);
        if let Err(reason) = judged {
            tracing::debug!(reason, "a token of admission is refused");
        }
        judged.is_ok()
    }

    /// It is good for as long as it says.
    fn uses_up(&self, _token: &str) -> bool {
        true
    }
}

fn reason(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::InvalidSignature => FORGED,
        ErrorKind::ExpiredSignature => "it has expired",
        ErrorKind::ImmatureSignature => "it is not good yet",
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::InvalidIssuer => "it is of another issuer",
        ErrorKind::MissingRequiredClaim(_) => "it lacks exp, aud or iss, or has them in another form",
        _ => "it is malformed",
    }
}

const FORGED: &str = "its signature is wrong";
