//! A shared-secret credential for other software, as `RTCIceServer` wants it. The relay that accepts it need
//! not run, and is not told of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;
use turn_core::SharedSecret;

use crate::ice::url_host;
use crate::limits::CREDENTIAL_TTL_S_MAX;
use crate::settings::Settings;

/// A user name, its password, and where they are good. Does not print.
pub struct SharedCredential {
    /// `expiry:name` or `expiry`.
    pub username: String,
    /// The password, in base64.
    pub password: String,
    /// `turn:` URLs; at least one.
    pub urls: Vec<String>,
    /// When it ends, in Unix seconds.
    pub expires_unix_s: u64,
}

/// Why there is no credential; each says what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CannotMint {
    /// `relay.secret_file` is not set.
    #[error(
        "relay.secret_file is not set, so there is no secret to mint from; make one with \
         (umask 077; openssl rand -hex 32 > ginnel.secret) and set secret_file = \"ginnel.secret\" in [relay]"
    )]
    NoSecret,
    /// Nothing in the settings says by what name or address clients reach the relay.
    #[error(
        "the relay's name is not known, so there is no URL to give; set server.names, or server.external, or \
         addresses in listen.turn"
    )]
    NoAddress,
    /// The name has control characters, is too long, or could be a session's.
    #[error("the name can't be part of a user name; use fewer than 490 letters, digits and signs")]
    Name,
    /// The time is 0 or more than 30 days.
    #[error("the time is not between one second and 30 days; choose the length of the longest call")]
    Time,
}

/// Mints a credential with the first of the shared secrets; `name` tells it from others of the same second.
///
/// # Errors
/// [`CannotMint`], for the operator.
pub fn mint(settings: &Settings, name: Option<&str>, ttl: Duration) -> Result<SharedCredential, CannotMint> {
    let secret = settings.relay.shared_secrets.first().ok_or(CannotMint::NoSecret)?;
    if !(1..=CREDENTIAL_TTL_S_MAX).contains(&ttl.as_secs()) {
        return Err(CannotMint::Time);
    }
    let urls = urls(settings);
    if urls.is_empty() {
        return Err(CannotMint::NoAddress);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let expires_unix_s = now + ttl.as_secs();
    let credential = SharedSecret::new(secret.expose()).mint(name, expires_unix_s).ok_or(CannotMint::Name)?;
    Ok(SharedCredential {
        username: credential.username,
        password: credential.password,
        urls,
        expires_unix_s,
    })
}

/// Where clients reach the relay: by our name, else by the address we have outside, else by those we listen
/// on.
fn urls(settings: &Settings) -> Vec<String> {
    let listening = settings.listen.turn.iter().filter(|at| at.port() != 0);
    let external = &settings.server.external;
    let mut hosts: Vec<(String, u16)> = if let Some(name) = settings.server.names.first() {
        listening.map(|at| (name.clone(), at.port())).collect()
    } else if external.is_empty() {
        listening.filter(|at| !at.ip().is_unspecified()).map(|at| (at.ip().to_string(), at.port())).collect()
    } else {
        let reached = |at: &std::net::SocketAddr| {
            let (family, port) = (at.is_ipv4(), at.port());
            let of_family = external.iter().filter(move |it| it.public.is_ipv4() == family);
            of_family.map(move |it| (it.public.to_string(), port)).collect::<Vec<_>>()
        };
        listening.flat_map(reached).collect()
    };
    hosts.sort_unstable();
    hosts.dedup();
    hosts.iter().map(|(host, port)| format!("turn:{}:{port}?transport=udp", url_host(host))).collect()
}
