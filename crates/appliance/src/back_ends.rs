//! The services that this system itself asks something: the ACME server, and who has the keys of admission.
//! It knows where they are, so that nobody is relayed to them.
//!
//! Not our own listeners, which the relay knows by itself, and not who asks them.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hyper::Uri;
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::limits::{BACK_END_ADDRESSES_MAX, BACK_END_LOOK_MS_MAX};
use crate::settings::{Admission, JwtKeys, Settings, Source};

/// A service, and where it was found last.
pub(crate) struct BackEnd {
    host: String,
    port: u16,
    found: Vec<SocketAddr>,
}

impl BackEnd {
    /// Those that the settings name. Where one is named by its address, that is found at once.
    pub(crate) fn all(settings: &Settings) -> Vec<Self> {
        let acme = match &settings.tls.source {
            Source::Acme(acme) => Some(acme.directory.as_str()),
            Source::SelfSigned | Source::Files(_) => None,
        };
        let keys = match &settings.matching.admission {
            Admission::Jwt(jwt) => match &jwt.keys {
                JwtKeys::Url { url, .. } => Some(url.as_str()),
                JwtKeys::File(_) => None,
            },
            Admission::Open | Admission::Tokens(_) => None,
        };
        acme.into_iter().chain(keys).filter_map(Self::of).collect()
    }

    fn of(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(HTTPS_PORT);
        let found = host.parse().map(|ip: IpAddr| SocketAddr::new(ip, port));
        Some(Self { found: found.into_iter().collect(), host, port })
    }

    /// Whether it has to be asked for where it is.
    pub(crate) fn has_name(&self) -> bool {
        self.host.parse::<IpAddr>().is_err()
    }

    /// Asks for it. Where nobody knows, what was found last stays.
    pub(crate) async fn look(&mut self) {
        let patience = Duration::from_millis(BACK_END_LOOK_MS_MAX);
        match timeout(patience, lookup_host((self.host.as_str(), self.port))).await {
            Ok(Ok(found)) => self.found = found.take(BACK_END_ADDRESSES_MAX).collect(),
            Ok(Err(_)) | Err(_) => tracing::debug!("the name of a service that is asked has no address now"),
        }
    }
}

/// Where they are.
pub(crate) fn sockets(back_ends: &[BackEnd]) -> Vec<SocketAddr> {
    back_ends.iter().flat_map(|it| &it.found).copied().collect()
}

const HTTPS_PORT: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_tells_host_and_port() {
        for (url, host, port, found) in [
            ("https://idp.example/keys", "idp.example", 443, ""),
            ("https://idp.example:8443/keys", "idp.example", 8443, ""),
            ("https://192.0.2.7/keys", "192.0.2.7", 443, "192.0.2.7:443"),
            ("https://[2001:db8::7]:8443/keys", "2001:db8::7", 8443, "[2001:db8::7]:8443"),
        ] {
            let it = BackEnd::of(url).unwrap();
            assert_eq!((it.host.as_str(), it.port, it.has_name()), (host, port, found.is_empty()), "{url}");
            assert_eq!(it.found, found.parse().into_iter().collect::<Vec<SocketAddr>>());
        }
    }
}
