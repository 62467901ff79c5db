//! Keys from an https URL: asked for once, within bounds of time and size.
//!
//! What is in the answer is not looked at here. Redirects are not followed: whoever configures a URL knows
//! where it leads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode, header};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

use crate::limits::{JWKS_BYTES_MAX, JWKS_FETCH_MS_MAX};
use crate::reach::{self, Cause};
use crate::settings::{Refusal, load_roots};

/// Where the keys are, and who vouches for the server there.
pub(super) struct Url {
    url: String,
    /// The CA's certificate, where it is not one that this machine trusts.
    root: Option<PathBuf>,
}

impl Url {
    /// An https URL.
    pub(super) fn new(url: String, root: Option<PathBuf>) -> Self {
        Self { url, root }
    }

    /// What is there.
    ///
    /// # Errors
    ///
    /// What is wrong, as a predicate to the URL's key.
    pub(super) async fn fetch(&self) -> Result<Bytes, Refusal> {
        let patience = Duration::from_millis(JWKS_FETCH_MS_MAX);
        let late = |_| Refusal::new(format!("gave no answer within {JWKS_FETCH_MS_MAX} ms"), REACH);
        tokio::time::timeout(patience, self.exchange()).await.map_err(late)?
    }

    async fn exchange(&self) -> Result<Bytes, Refusal> {
        let client = Client::builder(TokioExecutor::new())
            // The next question is minutes away.
            .pool_max_idle_per_host(0)
            .build::<_, Empty<Bytes>>(self.connector()?);
        let request = Request::get(&self.url)
            .header(header::ACCEPT, "application/jwk-set+json, application/json")
            .body(Empty::new())
            .map_err(|_| Refusal::new("is no URL", "correct it"))?;
        let response = client.request(request).await.map_err(|error| unreachable(&error))?;
        if response.status() != StatusCode::OK {
            let wrong = format!("answered with {}", response.status());
            return Err(Refusal::new(wrong, "write the address that answers with the keys (jwks_uri)"));
        }
        match Limited::new(response.into_body(), JWKS_BYTES_MAX).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(_) => {
                let wrong = format!("broke off, or gave more than {JWKS_BYTES_MAX} bytes");
                Err(Refusal::new(wrong, "write the address that answers with the keys (jwks_uri)"))
            }
        }
    }

    /// Made anew each time, so that a renewed CA certificate is taken.
    fn connector(
        &self,
    ) -> Result<hyper_rustls::HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>, Refusal>
    {
        let builder = HttpsConnectorBuilder::new();
        let builder = match &self.root {
            Some(path) => builder.with_tls_config(trusting(load_roots(path)?)),
            None => builder
                .with_provider_and_platform_verifier(ring::default_provider())
                .map_err(|_| Refusal::new("cannot be asked: no CA is trusted on this machine", TRUST))?,
        };
        Ok(builder.https_only().enable_http1().build())
    }
}

fn trusting(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for both versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

fn unreachable(error: &(dyn std::error::Error + 'static)) -> Refusal {
    match reach::cause(error) {
        Cause::Untrusted => Refusal::new("has a certificate that is not trusted here", TRUST),
        Cause::Io(kind) => Refusal::new(format!("cannot be reached: {kind}"), REACH),
        Cause::Other => Refusal::new("cannot be reached or does not speak HTTP", REACH),
    }
}

const REACH: &str = "check it, and that this machine may connect there";
const TRUST: &str = "set match.jwt.keys_root to the certificate of its CA if it is a private one";
