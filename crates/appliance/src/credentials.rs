//! A shared-secret credential for other software, as `RTCIceServer` wants it. The relay that accepts it need
//! not run, and is not told of it.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use thiserror::Error;
use turn_core::SharedSecret;

use crate::ice::{Way, url_host};
use crate::limits::CREDENTIAL_TTL_S_MAX;
use crate::relay::offers_tls;
use crate::settings::{Server, Settings};

/// A user name, its password, and where they are good. Does not print.
pub struct SharedCredential {
    /// `expiry:name` or `expiry`.
    pub username: String,
    /// The password, in base64.
    pub password: String,
    /// `turn:` and `turns:` URLs in the order in which to try them; at least one.
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
         relay.urls, or addresses in [listen]"
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

/// All ways to the relay, in the order in which a client should try them: those configured, else UDP before
/// TCP before TLS, and DTLS last, which browsers do not speak.
fn urls(settings: &Settings) -> Vec<String> {
    if !settings.relay.urls.is_empty() {
        return settings.relay.urls.clone();
    }
    let (listen, server) = (&settings.listen, &settings.server);
    let tls: Vec<_> =
        if offers_tls(settings) { [&listen.turns[..], &listen.web].concat() } else { Vec::new() };
    let ways = [
        (Way::Udp, [&listen.turn[..], &listen.web].concat()),
        (Way::Tcp, listen.turn.clone()),
        (Way::Tls, tls.clone()),
        (Way::Dtls, tls),
    ];
    let mut urls: Vec<String> = Vec::new();
    for (way, listening) in &ways {
        for at in listening.iter().filter(|at| at.port() != 0) {
            for url in hosts(server, *at).iter().map(|host| way.url(&url_host(host), at.port())) {
                if !urls.contains(&url) {
                    urls.push(url);
                }
            }
        }
    }
    urls
}

/// By what clients reach a listening address: our name, else the addresses that we have outside, else itself.
fn hosts(server: &Server, at: SocketAddr) -> Vec<String> {
    if let Some(name) = server.names.first() {
        return vec![name.clone()];
    }
    if server.external.is_empty() {
        return if at.ip().is_unspecified() { Vec::new() } else { vec![at.ip().to_string()] };
    }
    let of_family = server.external.iter().filter(|it| it.public.is_ipv4() == at.is_ipv4());
    of_family.map(|it| it.public.to_string()).collect()
}
