//! `/transports.json`: the other way in that a page may try, and by what it knows the certificate there
//! (W3C WebTransport, `serverCertificateHashes`).
//!
//! It is told to whoever asks: it says no more than a handshake would.

use std::fmt::Write as _;
use std::sync::OnceLock;

use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::uri::Authority;
use hyper::{Response, StatusCode};

use crate::http::{Page, check_origin, secure};
use crate::signal::{Inner, Peer};

/// Whether WebTransport is to be had, and by which certificates.
#[derive(Default)]
pub(crate) struct Transports(OnceLock<Hashes>);

/// Gives the SHA-256 hashes of the certificates that are served now and next; none where a CA vouches.
pub(crate) type Hashes = Box<dyn Fn() -> Vec<[u8; 32]> + Send + Sync>;

impl Transports {
    /// It is to be had from now on.
    pub(crate) fn offer(&self, hashes: Hashes) {
        // Once said, it stays so.
        let _ = self.0.set(hashes);
    }

    fn to_json(&self) -> String {
        let Some(hashes) = self.0.get() else { return "{}".to_owned() };
        let list: Vec<_> = hashes().iter().map(|hash| format!("\"{}\"", hex(hash))).collect();
        format!("{{\"webtransport\":{{\"sha256\":[{}]}}}}", list.join(","))
    }
}

/// The answer to a request for [`PATH`]. Without TLS there is no WebTransport beside: it has the same port.
pub(crate) fn answer(inner: &Inner, peer: Peer, headers: &HeaderMap, host: &Authority) -> Page {
    let json = if peer.secure { inner.transports.to_json() } else { "{}".to_owned() };
    let mut response = Response::new(Full::new(json.into()));
    *response.status_mut() = StatusCode::OK;
    let own = response.headers_mut();
    own.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    own.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    own.insert(header::VARY, HeaderValue::from_static("origin"));
    // A page of another origin that may use the signaling has to know too.
    if let Some(origin) = headers.get(header::ORIGIN)
        && check_origin(inner, headers, peer.secure, host).is_ok()
    {
        own.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    }
    secure(own);
    response
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes everything");
        text
    })
}

/// Where it is told.
pub(crate) const PATH: &str = "/transports.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_json_with_and_without_hashes() {
        let transports = Transports::default();
        assert_eq!(transports.to_json(), "{}");
        transports.offer(Box::new(Vec::new));
        assert_eq!(transports.to_json(), r#"{"webtransport":{"sha256":[]}}"#);
        let transports = Transports::default();
        transports.offer(Box::new(|| vec![[0; 32], [0xaf; 32]]));
        let (zeros, others) = ("00".repeat(32), "af".repeat(32));
        let expected = format!(r#"{{"webtransport":{{"sha256":["{zeros}","{others}"]}}}}"#);
        assert_eq!(transports.to_json(), expected);
    }
}
