//! The TLS configuration of the `web` listeners: TLS 1.2 and 1.3, one crypto provider, one certificate.
//!
//! It reads no file; `settings` did.

use std::collections::BTreeSet;
use std::sync::Arc;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::settings::Tls;

/// A server configuration with the configured certificate, or with one made now for `names` and this machine.
///
/// # Errors
///
/// A certificate could not be made, which is so only for names that no certificate can hold.
pub(crate) fn server_config(tls: &Tls, names: &[String]) -> Result<Arc<ServerConfig>, CertificateError> {
    let provider = Arc::new(ring::default_provider());
    let certified = match tls {
        Tls::Files(certified) => Arc::clone(certified),
        Tls::SelfSigned => Arc::new(self_signed(names, &provider)?),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    // A client that offers other protocols only is refused in the handshake; one that offers none is served.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// No certificate could be made for the configured names.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a certificate for server.names: {0}; correct the names or set tls.mode = \"files\"")]
pub struct CertificateError(String);

fn self_signed(
    names: &[String],
    provider: &rustls::crypto::CryptoProvider,
) -> Result<CertifiedKey, CertificateError> {
    let local = LOCAL_NAMES.iter().map(|name| (*name).to_owned());
    let names: BTreeSet<String> = local.chain(names.iter().cloned()).collect();
    let refuse = |error: rcgen::Error| CertificateError(error.to_string());
    let mut params = CertificateParams::new(names.into_iter().collect::<Vec<_>>()).map_err(refuse)?;
    params.distinguished_name.push(DnType::CommonName, "ginnel, self-signed");
    let key = KeyPair::generate().map_err(refuse)?;
    let certificate = params.self_signed(&key).map_err(refuse)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    CertifiedKey::from_der(vec![certificate.der().clone()], key, provider)
        .map_err(|error| CertificateError(error.to_string()))
}

/// What this machine is to itself.
pub(crate) const LOCAL_NAMES: &[&str] = &["127.0.0.1", "::1", "localhost"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_holds_for_this_machine_and_the_configured_names() {
        let provider = ring::default_provider();
        let names = ["chat.example.org".to_owned(), "localhost".to_owned(), "203.0.113.5".to_owned()];
        let certified = self_signed(&names, &provider).unwrap();
        let der = certified.cert[0].as_ref();
        for name in [&b"localhost"[..], b"chat.example.org", &[127, 0, 0, 1], &[203, 0, 113, 5]] {
            assert!(der.windows(name.len()).any(|window| window == name));
        }
    }
}
