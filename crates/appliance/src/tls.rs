//! Certificates that look after themselves, and the TLS configurations of all listeners.
//!
//! No handshake is made here. Versions are TLS 1.2 and 1.3, without early data and without resumption, by
//! which people would be known again; a client that offers protocols (ALPN) of which we have none is refused,
//! one that offers none is served.

mod acme;
mod challenges;
mod files;
mod made;
mod pair;
mod self_signed;
mod state;
mod store;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::limits::{CERTIFICATE_LOOK_S_MAX, FILES_LOOK_S, STATE_RETRY_S};
use crate::settings::{self, Refusal, Settings};
use acme::Acme;
use challenges::{ACME_TLS, Challenges};
use files::{Files, Found};
use pair::Pair;
use self_signed::SelfSigned;
use state::State;
use store::Store;

/// The certificates of the running system, kept current by a task that ends with it.
pub struct Certificates {
    shared: Arc<Shared>,
    keeper: JoinHandle<()>,
    reloads: mpsc::Sender<oneshot::Sender<()>>,
    challenges: Arc<Challenges>,
    proves_by_tls: bool,
}

/// Numbers for the metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CertificateNumbers {
    /// When the served certificate ends, in Unix seconds.
    pub expires_unix_s: u64,
    /// Certificates that took the place of another.
    pub changes: u64,
    /// Certificates that could not be had, kept or used.
    pub failures: u64,
}

/// What is kept of certificates at this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CertificatesKept {
    /// Certificates in use, and those that are made for later.
    pub(crate) certificates: u64,
    /// The age of the oldest of them, in seconds.
    pub(crate) oldest_s: u64,
    /// How long one of them holds at most, in seconds.
    pub(crate) longest_s: u64,
    /// Files in the state directory.
    pub(crate) files: u64,
    /// The age of the oldest of them.
    pub(crate) oldest_file: Option<Duration>,
}

/// No certificate could be had to start with.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The configured names cannot stand in one.
    #[error("cannot make a certificate for server.names: {0}; correct the names or set tls.mode = \"files\"")]
    Names(String),
    /// The state directory, or a file in it, is not what it should be.
    #[error("tls.state: {0}")]
    State(String),
}

impl Certificates {
    /// The certificate that the settings ask for; call it inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// There is none to begin with.
    pub fn start(settings: &Settings) -> Result<Self, CertificateError> {
        let now_unix_s = now_unix_s();
        let state = settings.tls.state.as_deref().map(State::open).transpose();
        let state = state.map_err(CertificateError::state)?;
        let own_names = own_names(&settings.server.names);
        let self_signed = SelfSigned::new(own_names.clone(), state.clone());
        let challenges = Arc::<Challenges>::default();
        let mut proves_by_tls = false;
        let (certified, source, pair) = match &settings.tls.source {
            settings::Source::SelfSigned => {
                let pair = Pair::open(own_names, state.clone(), now_unix_s)?;
                (self_signed.open(now_unix_s)?, Source::SelfSigned(self_signed), Some(Arc::new(pair)))
            }
            settings::Source::Files(files) => {
                (Arc::clone(&files.certified), Source::Files(Files::new(files.clone())), None)
            }
            settings::Source::Acme(of) => {
                let state = state.clone().expect("the settings refuse this mode without a state directory");
                let acme = Acme::new(of.clone(), &settings.server.names, state, Arc::clone(&challenges));
                proves_by_tls = !of.http;
                let certified = match acme.kept(now_unix_s)? {
                    Some(certified) => certified,
                    None => {
                        tracing::warn!("a self-signed certificate is served until the ACME server gives one");
                        self_signed.open(now_unix_s)?
                    }
                };
                (certified, Source::Acme(Box::new(acme)), None)
            }
        };
        if let Some(state) = &state {
            state.flush().map_err(CertificateError::state)?;
        }
        let shared = Arc::new(Shared {
            store: Arc::new(Store::new(certified, Arc::clone(&challenges))),
            pair,
            state,
            has_dtls: !settings.listen.turns.is_empty() || !settings.listen.web.is_empty(),
            sums: Sums::default(),
        });
        shared.look_at_key();
        let (reloads, asked) = mpsc::channel(1);
        let keeper = tokio::spawn(keep(Arc::clone(&shared), source, asked));
        Ok(Self { shared, keeper, reloads, challenges, proves_by_tls })
    }

    /// Looks now, and returns when what was found is in use; what is wrong is in the log.
    pub async fn reload(&self) {
        let (done, is_done) = oneshot::channel();
        if self.reloads.send(done).await.is_ok() {
            // An error is the end of the keeper, which is the end of the system.
            let _ = is_done.await;
        }
    }

    /// For listeners on TCP that speak these protocols.
    pub fn tcp(&self, protocols: &[&[u8]]) -> Arc<ServerConfig> {
        let store: Arc<Store> = Arc::clone(&self.shared.store);
        // Who looks for a proof is let in to find it, and no further.
        let proof = if self.proves_by_tls { &[ACME_TLS][..] } else { &[] };
        config(&[&TLS13, &TLS12], store, &[protocols, proof].concat())
    }

    /// For QUIC with these protocols: TLS 1.3 only; in self-signed mode with a certificate of the pair.
    pub fn quic(&self, protocols: &[&[u8]]) -> Arc<ServerConfig> {
        let resolver: Arc<dyn ResolvesServerCert> = match &self.shared.pair {
            Some(pair) => Arc::<Pair>::clone(pair),
            None => Arc::<Store>::clone(&self.shared.store),
        };
        config(&[&TLS13], resolver, protocols)
    }

    /// For DTLS, which asks at each handshake.
    pub fn dtls(&self) -> relay_plane::dtls::Certificate {
        let store = Arc::clone(&self.shared.store);
        Arc::new(move || store.current())
    }

    /// What `listen.http` answers an ACME server.
    pub fn challenges(&self) -> signal_plane::Challenges {
        self.challenges.http.clone()
    }

    /// Gives the SHA-256 hashes that a page needs to connect by WebTransport now and after the next change:
    /// none where a CA vouches for the certificate.
    pub fn hashes(&self) -> impl Fn() -> Vec<[u8; 32]> + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.pair.as_ref().map(|pair| pair.hashes().to_vec()).unwrap_or_default()
    }

    /// What is kept at the moment of asking, in a form that can be taken along.
    pub(crate) fn kept(&self) -> impl Fn() -> CertificatesKept + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.kept(now_unix_s())
    }

    /// A snapshot of the numbers, in a form that can be taken along.
    pub fn numbers(&self) -> impl Fn() -> CertificateNumbers + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.numbers()
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl CertificateError {
    fn names(error: rcgen::Error) -> Self {
        Self::Names(error.to_string())
    }

    fn state(refusal: Refusal) -> Self {
        Self::State(format!("{}; {}", refusal.wrong, refusal.right))
    }
}

struct Shared {
    store: Arc<Store>,
    pair: Option<Arc<Pair>>,
    state: Option<State>,
    has_dtls: bool,
    sums: Sums,
}

#[derive(Default)]
struct Sums {
    changes: AtomicU64,
    failures: AtomicU64,
}

impl Shared {
    fn numbers(&self) -> CertificateNumbers {
        let validity = made::validity(&self.store.current());
        CertificateNumbers {
            expires_unix_s: validity.map_or(0, |validity| validity.until_unix_s),
            changes: self.sums.changes.load(Ordering::Relaxed),
            failures: self.sums.failures.load(Ordering::Relaxed),
        }
    }

    fn kept(&self, now_unix_s: u64) -> CertificatesKept {
        let of_pair = self.pair.iter().flat_map(|pair| pair.validities());
        let all: Vec<_> = made::validity(&self.store.current()).into_iter().chain(of_pair).collect();
        let ages = all.iter().map(|it| now_unix_s.saturating_sub(it.from_unix_s));
        let lives = all.iter().map(|it| it.until_unix_s.saturating_sub(it.from_unix_s));
        let (files, oldest_file) = self.state.as_ref().map(State::files).unwrap_or_default();
        CertificatesKept {
            certificates: all.len() as u64,
            oldest_s: ages.max().unwrap_or(0),
            longest_s: lives.max().unwrap_or(0),
            files: files as u64,
            oldest_file,
        }
    }

    fn swap(&self, certified: Arc<CertifiedKey>) {
        self.store.swap(certified);
        self.sums.changes.fetch_add(1, Ordering::Relaxed);
        tracing::info!("a new certificate is in use");
        self.look_at_key();
    }

    /// Says so if DTLS cannot use what is served.
    fn look_at_key(&self) {
        if self.has_dtls && !relay_plane::dtls::can_use(&self.store.current()) {
            tracing::warn!(
                "there is no TURN over DTLS with this certificate: its key is neither on P-256 nor on P-384; \
                 have one with an ECDSA key, or set listen.turns and listen.web to []"
            );
        }
    }

    /// Tells in how many seconds the pair is due for its next turn.
    fn turn_pair(&self, now_unix_s: u64) -> u64 {
        match self.pair.as_ref().map(|pair| pair.turn(now_unix_s)) {
            Some(Ok(due_s)) => due_s,
            Some(Err(error)) => {
                self.fail(&error);
                CERTIFICATE_LOOK_S_MAX
            }
            None => CERTIFICATE_LOOK_S_MAX,
        }
    }

    /// Writes what has not been written; tells in how many seconds to try again at the latest.
    fn flush(&self) -> u64 {
        let Some(state) = self.state.as_ref().filter(|state| !state.is_flushed()) else {
            return CERTIFICATE_LOOK_S_MAX;
        };
        let Err(refusal) = state.flush() else { return CERTIFICATE_LOOK_S_MAX };
        self.sums.failures.fetch_add(1, Ordering::Relaxed);
        let error = CertificateError::state(refusal);
        tracing::warn!(%error, "the certificate in use would be lost by a restart");
        STATE_RETRY_S
    }

    fn fail(&self, error: &dyn std::fmt::Display) {
        self.sums.failures.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(%error, "the certificate in use stays");
    }
}

/// Where the next certificate comes from.
enum Source {
    SelfSigned(SelfSigned),
    Files(Files),
    Acme(Box<Acme>),
}

impl Source {
    /// Does what is due, more talkative if somebody `asked`; tells in how many seconds to look again at the
    /// latest.
    async fn look(&mut self, shared: &Shared, now_unix_s: u64, asked: bool) -> u64 {
        let current = shared.store.current();
        match self {
            Self::SelfSigned(made) => {
                if SelfSigned::is_due(&current, now_unix_s) {
                    match made.renew(now_unix_s) {
                        Ok(certified) => shared.swap(certified),
                        Err(error) => shared.fail(&error),
                    }
                }
                shared.turn_pair(now_unix_s)
            }
            Self::Files(files) => {
                match files.look(&current, now_unix_s, asked) {
                    Found::Nothing if asked => tracing::info!("the certificate has not changed"),
                    Found::Nothing => {}
                    Found::New(certified) => shared.swap(certified),
                    Found::Wrong(wrong) => shared.fail(&wrong),
                }
                FILES_LOOK_S
            }
            Self::Acme(acme) => {
                if now_unix_s >= acme.next_unix_s(&current, asked) {
                    match acme.obtain(now_unix_s).await {
                        Ok(certified) => shared.swap(certified),
                        Err(error) => shared.fail(&error),
                    }
                }
                acme.next_unix_s(&shared.store.current(), false).saturating_sub(now_unix_s)
            }
        }
    }
}

/// Looks again and again until it is aborted, and whenever it is asked to. The wall clock may jump and
/// machines sleep, so no pause is long.
async fn keep(shared: Arc<Shared>, mut source: Source, mut reloads: mpsc::Receiver<oneshot::Sender<()>>) {
    let mut asked: Option<oneshot::Sender<()>> = None;
    loop {
        let due_s = source.look(&shared, now_unix_s(), asked.is_some()).await;
        let due_s = due_s.min(shared.flush());
        if let Some(done) = asked.take() {
            // Who asked may not have waited.
            let _ = done.send(());
        }
        let pause = tokio::time::sleep(Duration::from_secs(due_s.min(CERTIFICATE_LOOK_S_MAX)));
        tokio::select! {
            () = pause => {}
            Some(done) = reloads.recv() => asked = Some(done),
        }
    }
}

fn config(
    versions: &[&'static rustls::SupportedProtocolVersion],
    resolver: Arc<dyn ResolvesServerCert>,
    protocols: &[&[u8]],
) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("the provider has suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    // A ticket or a session that is kept would tell who comes back.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Arc::new(config)
}

/// The configured names and what this machine is to itself, each written in the one way.
fn own_names(configured: &[String]) -> BTreeSet<String> {
    let names = LOCAL_NAMES.iter().copied().chain(configured.iter().map(String::as_str));
    let canonical = |name: &str| name.parse().map_or_else(|_| name.to_owned(), |ip: IpAddr| ip.to_string());
    names.map(canonical).collect()
}

fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// What this machine is to itself.
pub(crate) const LOCAL_NAMES: &[&str] = &["127.0.0.1", "::1", "localhost"];
