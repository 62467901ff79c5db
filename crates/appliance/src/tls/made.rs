//! Certificates that we make ourselves: what is in them, how they are kept, and how they are read back.
//!
//! When one is due for another is the business of those who hold it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use zeroize::Zeroizing;

/// From when to when a certificate holds, in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    /// The first second.
    pub(crate) from_unix_s: u64,
    /// The last second.
    pub(crate) until_unix_s: u64,
}

/// A certificate and its key, as PEM in one text: the key first.
pub(crate) type Pem = Zeroizing<String>;

impl Validity {
    /// Whether it holds now.
    pub(crate) fn covers(self, now_unix_s: u64) -> bool {
        (self.from_unix_s..=self.until_unix_s).contains(&now_unix_s)
    }
}

/// A new self-signed P-256 certificate.
///
/// # Errors
///
/// A name that no certificate can hold.
pub(crate) fn make(names: &BTreeSet<String>, validity: Validity) -> Result<Pem, rcgen::Error> {
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    params.distinguished_name.push(DnType::CommonName, "ginnel, self-signed");
    params.not_before = moment(validity.from_unix_s);
    params.not_after = moment(validity.until_unix_s);
    let key = KeyPair::generate()?;
    debug_assert_eq!(key.algorithm(), &rcgen::PKCS_ECDSA_P256_SHA256, "browsers take no other by its hash");
    let certificate = params.self_signed(&key)?;
    Ok(Zeroizing::new(Zeroizing::new(key.serialize_pem()).to_string() + &certificate.pem()))
}

/// A chain and its key from one PEM text, proved to belong together; nothing if they do not.
pub(crate) fn certified(pem: &[u8]) -> Option<CertifiedKey> {
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().ok()?;
    if chain.is_empty() {
        return None;
    }
    let key = PrivateKeyDer::from_pem_slice(pem).ok()?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).ok()
}

/// From when to when the first certificate of a chain holds.
pub(crate) fn validity(certified: &CertifiedKey) -> Option<Validity> {
    let (_, certificate) = X509Certificate::from_der(certified.cert.first()?).ok()?;
    let unix_s = |moment: x509_parser::time::ASN1Time| u64::try_from(moment.timestamp()).unwrap_or(0);
    let validity = certificate.validity();
    Some(Validity { from_unix_s: unix_s(validity.not_before), until_unix_s: unix_s(validity.not_after) })
}

/// The names and addresses that the first certificate of a chain is for.
pub(crate) fn names(certified: &CertifiedKey) -> BTreeSet<String> {
    let first = certified.cert.first().and_then(|der| X509Certificate::from_der(der).ok());
    let Some((_, certificate)) = first else { return BTreeSet::new() };
    let extension = certificate.subject_alternative_name().ok().flatten();
    let names = extension.iter().flat_map(|extension| &extension.value.general_names);
    names.filter_map(name).collect()
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let v6 = <[u8; 16]>::try_from(*bytes).map(IpAddr::from);
            v4.or(v6).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn moment(unix_s: u64) -> OffsetDateTime {
    i64::try_from(unix_s)
        .ok()
        .and_then(|unix_s| OffsetDateTime::from_unix_timestamp(unix_s).ok())
        .expect("clocks and validities are far from the year 9999")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_read_back_the_same() {
        let names: BTreeSet<String> =
            ["chat.example.org", "localhost", "203.0.113.5", "2001:db8::1"].map(str::to_owned).into();
        let validity = Validity { from_unix_s: 1_800_000_000, until_unix_s: 1_800_086_400 };
        let pem = make(&names, validity).unwrap();
        let read = certified(pem.as_bytes()).unwrap();
        assert_eq!(super::names(&read), names);
        assert_eq!(super::validity(&read), Some(validity));
        let other = make(&names, validity).unwrap();
        let key = &pem[..pem.find("-----BEGIN CERTIFICATE").unwrap()];
        let certificate = &other[other.find("-----BEGIN CERTIFICATE").unwrap()..];
        assert!(certified((key.to_owned() + certificate).as_bytes()).is_none());
        assert!(certified(b"").is_none());
    }
}
