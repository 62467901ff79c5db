//! Where the server is and how it is reached, from a URL: `ws` and `wss` (or `http` and `https`), `quic`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use quinn::Endpoint;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use url::Url;

use crate::LoadError;
use crate::limits::CONNECTIONS_PER_SOURCE;

/// A server to be loaded. Clones share their QUIC sockets.
#[derive(Clone)]
pub struct Target {
    pub(crate) scheme: Scheme,
    pub(crate) address: SocketAddr,
    /// Host and port, as in a `Host` header.
    pub(crate) authority: String,
    /// For TLS.
    pub(crate) name: ServerName<'static>,
    pub(crate) tls: Arc<ClientConfig>,
    endpoints: Arc<Mutex<HashMap<usize, Endpoint>>>,
}

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// WebSocket.
    Plain,
    /// WebSocket over TLS.
    Tls,
    /// QUIC without HTTP.
    Quic,
}

impl Target {
    /// Reads a URL and looks its host up. The path is not the URL's business.
    ///
    /// # Errors
    /// It is none of the schemes, or the host is not known.
    pub async fn resolve(url: &str) -> Result<Self, LoadError> {
        let bad = |why: &str| LoadError::Asked(format!("the target {why}, like ws://127.0.0.1:8080"));
        let url = Url::parse(url).map_err(|_| bad("is not a URL; write it"))?;
        let (scheme, port) = match url.scheme() {
            "ws" | "http" => (Scheme::Plain, 80),
            "wss" | "https" => (Scheme::Tls, 443),
            "quic" => (Scheme::Quic, 443),
            _ => return Err(bad("begins with ws, wss or quic")),
        };
        let host = url.host_str().ok_or_else(|| bad("has no host; write it"))?;
        let port = url.port().unwrap_or(port);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let mut found = tokio::net::lookup_host((bare, port)).await.map_err(LoadError::Connect)?;
        let address = found.next().ok_or_else(|| bad("has a host that is not known; write it"))?;
        let name = ServerName::try_from(bare.to_owned()).map_err(|_| bad("has a host that is no name"))?;
        let authority = format!("{host}:{port}");
        Ok(Self { scheme, address, authority, name, tls: tls(scheme)?, endpoints: Arc::default() })
    }

    /// Whether only this machine is loaded.
    pub fn is_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }

    /// Whether a connection has TLS, the server's memory for it included.
    pub fn is_encrypted(&self) -> bool {
        self.scheme != Scheme::Plain
    }

    /// Where the `index`th connection comes from. On loopback there are addresses enough for each to stay
    /// below what one address is granted; elsewhere the system chooses.
    pub(crate) fn source(&self, index: usize) -> Option<SocketAddr> {
        let place = index / CONNECTIONS_PER_SOURCE;
        // Each in a network of its own: 127.1.0.1, 127.1.1.1, ...
        let ip = Ipv4Addr::new(127, 1 + (place >> 8) as u8, place as u8, 1);
        (self.is_loopback() && self.address.is_ipv4()).then(|| SocketAddr::from((ip, 0)))
    }

    /// The QUIC socket of the `index`th connection.
    pub(crate) fn endpoint(&self, index: usize) -> Result<Endpoint, LoadError> {
        let any: IpAddr =
            if self.address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let source = self.source(index).unwrap_or(SocketAddr::new(any, 0));
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let place = index / CONNECTIONS_PER_SOURCE;
        if let Some(endpoint) = endpoints.get(&place) {
            return Ok(endpoint.clone());
        }
        let mut endpoint = Endpoint::client(source).map_err(LoadError::Connect)?;
        let tls =
            QuicClientConfig::try_from(self.tls.clone()).expect("TLS 1.3 has the suite that QUIC needs");
        endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(tls)));
        endpoints.insert(place, endpoint.clone());
        Ok(endpoint)
    }
}

fn tls(scheme: Scheme) -> Result<Arc<ClientConfig>, LoadError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let mut config = builder
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| LoadError::Asked(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    // Each handshake as a stranger's.
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = match scheme {
        Scheme::Quic => vec![b"ginnel.1".to_vec()],
        Scheme::Plain | Scheme::Tls => vec![b"http/1.1".to_vec()],
    };
    Ok(Arc::new(config))
}

/// Takes every certificate: a load sends nothing that is worth hiding.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn urls_say_how_and_where() {
        for (url, scheme, address, authority) in [
            ("ws://127.0.0.1:8080", Scheme::Plain, "127.0.0.1:8080", "127.0.0.1:8080"),
            ("https://127.0.0.1/x", Scheme::Tls, "127.0.0.1:443", "127.0.0.1:443"),
            ("quic://[::1]:7", Scheme::Quic, "[::1]:7", "[::1]:7"),
        ] {
            let target = Target::resolve(url).await.unwrap();
            assert_eq!((target.scheme, target.address), (scheme, address.parse().unwrap()), "{url}");
            assert_eq!((target.authority.as_str(), target.is_loopback()), (authority, true));
        }
        for url in ["", "127.0.0.1:8080", "ftp://127.0.0.1", "ws://"] {
            assert!(Target::resolve(url).await.is_err(), "{url}");
        }
        assert!(!Target::resolve("ws://192.0.2.1").await.unwrap().is_loopback());
    }

    #[tokio::test]
    async fn connections_come_from_many_networks_of_this_machine() {
        let target = Target::resolve("ws://127.0.0.1:1").await.unwrap();
        let source = |index| target.source(index).unwrap().to_string();
        assert_eq!(source(0), "127.1.0.1:0");
        assert_eq!(source(CONNECTIONS_PER_SOURCE), "127.1.1.1:0");
        assert_eq!(source(256 * CONNECTIONS_PER_SOURCE), "127.2.0.1:0");
    }
}
