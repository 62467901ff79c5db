//! The handle: starts the matcher, serves streams, stops.
//!
//! What happens on a stream is in `http` and `socket`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use match_core::{IceServer, Kept, Matcher, Now, SessionId, Side};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot, watch};

use crate::actor::{self, Command, Outside};
use crate::admission::Admission;
use crate::challenges::Challenges;
use crate::counters::{Counters, Refusal, Shared};
use crate::forwarded::Proxies;
use crate::limits::{COMMANDS_MAX, Limits};
use crate::pool::Pool;
use crate::quic::{Quic, StartError as QuicError};
use crate::socket::Socket;
use crate::stream::linger;
use crate::transports::Transports;
use crate::{exchange, http, kept, quic};

/// Serves connections. Clones are handles to the same matcher.
#[derive(Clone)]
pub struct Signal(Arc<Inner>);

/// What every connection needs.
pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) stopping: watch::Sender<bool>,
    pub(crate) clock: Clock,
    pub(crate) transports: Transports,
    pub(crate) admission: Arc<Admission>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) quic: Quic,
}

/// What the operator says.
#[derive(Clone, Default)]
pub struct Config {
    /// The matcher's part.
    pub matcher: match_core::Config,
    /// Web origins that may open the signaling; empty: the same origin.
    pub origins: Vec<String>,
    /// Host names that are ours, without port; empty: any.
    pub names: Vec<String>,
    /// Who is let in by a token, where the matcher requires one.
    pub doorkeeper: Doorkeeper,
    /// Answers for an ACME server, given where a stream's listener only sends people to HTTPS.
    pub challenges: Challenges,
    /// Whose word on a client's address counts.
    pub proxies: Proxies,
    /// The bounds.
    pub limits: Limits,
}

impl Config {
    /// Whether a host name, without port, is ours.
    pub(crate) fn is_own_name(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Whoever judges tokens of admission; nobody's are good by default.
#[derive(Clone, Default)]
pub struct Doorkeeper(Option<Arc<dyn Admits>>);

/// The judgement of a token.
pub trait Admits: Send + Sync + 'static {
    /// Whether a token lets somebody in now. It is not used up by that. Must not block.
    fn admits(&self, token: &str, unix_s: u64) -> bool;

    /// Somebody is let in by a token that was good a moment ago, so that one that is good once is used up.
    /// Whether it still was. Must not block.
    fn uses_up(&self, token: &str) -> bool;
}

/// Where a stream comes from. It does not print.
#[derive(Clone, Copy)]
pub struct Peer {
    /// The address, for the cap per prefix; it is kept nowhere else. `None`: it does not tell one person from
    /// another, as behind a proxy on this machine, and only the cap on all holds.
    pub address: Option<IpAddr>,
    /// Whether the stream is encrypted, for the scheme of its own origin.
    pub secure: bool,
    /// Whether a trusted proxy passes requests on, which tells whose they are; then there is no `address`.
    pub proxied: bool,
    /// The port of HTTPS, where this stream's listener only sends people there.
    pub redirect: Option<u16>,
}

/// What the matcher asks of the relay.
pub trait Relay: Send + Sync + 'static {
    /// The ICE servers for one side of a session, with credentials that end at `ends_unix_s`. `host`: by
    /// which the client reached the signaling (the Host header without port), for URLs when no name is
    /// configured.
    fn ice_servers(&self, session: SessionId, side: Side, host: &str, ends_unix_s: u64) -> Vec<IceServer>;

    /// Whether anything of that side was relayed in the last 30 s. Must not block.
    fn is_relaying(&self, session: SessionId, side: Side) -> bool;

    /// The session is over; its credentials must stop working. Must not block.
    fn session_ended(&self, session: SessionId);
}

impl Signal {
    /// Starts the matcher's task; to be called inside a tokio runtime. The seed must be secret and fresh.
    pub fn start(config: Config, relay: Arc<dyn Relay>, seed: [u8; 32]) -> Self {
        let (commands, queue) = mpsc::channel(COMMANDS_MAX);
        let (stopping, is_stopping) = watch::channel(false);
        let clock = Clock(Instant::now());
        let shared = Arc::<Shared>::default();
        let matcher = Matcher::new(config.matcher.clone(), seed);
        let outside = Outside { relay, doorkeeper: config.doorkeeper.clone() };
        tokio::spawn(actor::run(matcher, outside, queue, is_stopping, clock, shared.clone()));
        let admission =
            Admission::new(config.limits.connections_max, config.limits.connections_per_prefix_max);
        let pool = Pool::new(config.limits.outbound_total_bytes_max);
        Self(Arc::new(Inner {
            config,
            commands,
            shared,
            transports: Transports::default(),
            stopping,
            clock,
            admission,
            pool,
            quic: Quic::new(),
        }))
    }

    /// Serves one HTTP/1.1 connection, and the WebSocket it may become, to its end.
    pub async fn serve<S>(&self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let place = match self.0.admission.enter(peer.address) {
            Ok(place) => place,
            Err(reason) => return Box::pin(self.turn_away(stream, reason)).await,
        };
        // Boxed, as is the way out: a WebSocket keeps no place for either during its long life.
        let upgraded = Box::pin(http::serve(&self.0, stream, peer)).await;
        if let Some(upgraded) = upgraded {
            let socket = Socket::new(upgraded.stream).await;
            exchange::run(&self.0, socket, upgraded.host, upgraded.address).await;
            drop(upgraded.place);
        }
        drop(place);
    }

    /// What is kept of people at this moment; nothing once the matcher has stopped.
    pub async fn inventory(&self) -> Vec<Kept> {
        let (reply, inventory) = oneshot::channel();
        if self.0.commands.send(Command::Inventory(reply)).await.is_err() {
            return Vec::new();
        }
        let mut inventory = inventory.await.unwrap_or_default();
        inventory.extend(kept::of_connections(&self.0));
        inventory
    }

    /// Brings nobody together any more, and tells every client that the server goes away; those who talk go
    /// on. Returns when that is so.
    pub async fn drain(&self) {
        let (reply, done) = oneshot::channel();
        if self.0.commands.send(Command::Drain(reply)).await.is_ok() {
            // It fails only where the matcher has stopped, which brings nobody together either.
            let _ = done.await;
        }
    }

    /// Answers QUIC on a socket, until [`Signal::stop`]: WebTransport, and the signaling without HTTP. `tls`
    /// must have [`crate::QUIC_PROTOCOLS`]. To be called inside a tokio runtime.
    ///
    /// # Errors
    /// The TLS configuration or the socket is not fit for QUIC.
    pub fn serve_quic(
        &self,
        socket: Arc<dyn quinn::AsyncUdpSocket>,
        tls: &quinn::rustls::ServerConfig,
    ) -> Result<(), QuicError> {
        quic::serve(&self.0, socket, tls)
    }

    /// Tells pages that come over TLS that WebTransport is to be had at their host and port. `hashes`:
    /// SHA-256 of the certificates served there now and next; none where the browser trusts them anyway.
    pub fn offer_web_transport(&self, hashes: impl Fn() -> Vec<[u8; 32]> + Send + Sync + 'static) {
        self.0.transports.offer(Box::new(hashes));
    }

    /// The numbers of now.
    pub fn counters(&self) -> Counters {
        let [all, of_quic] = [&self.0.admission, &self.0.quic.connections].map(|of| of.total() as u64);
        self.0.shared.snapshot(all, of_quic, self.0.pool.bytes() as u64)
    }

    /// Tells every client that the server goes away, closes all connections and returns when they are gone,
    /// at most twice the closing handshake's time later.
    pub async fn stop(&self) {
        self.0.stopping.send_replace(true);
        let patience = Duration::from_millis(2 * self.0.config.limits.close_ms_max);
        if tokio::time::timeout(patience, self.0.admission.empty()).await.is_err() {
            tracing::warn!(connections = self.0.admission.total(), "connections outlived the stop");
        }
    }

    async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S, reason: Refusal) {
        self.0.shared.count_refusal(reason);
        let answer = async {
            if stream.write_all(FULL_RESPONSE).await.is_ok() {
                linger(&mut stream).await;
            }
        };
        let patience = Duration::from_millis(self.0.config.limits.close_ms_max);
        // A peer that is turned away and does not listen misses nothing that matters.
        let _ = tokio::time::timeout(patience, answer).await;
    }
}

impl Doorkeeper {
    /// One who judges as told.
    pub fn new(admits: Arc<dyn Admits>) -> Self {
        Self(Some(admits))
    }

    pub(crate) fn admits(&self, token: &str, unix_s: u64) -> bool {
        self.0.as_ref().is_some_and(|judge| judge.admits(token, unix_s))
    }

    pub(crate) fn uses_up(&self, token: &str) -> bool {
        self.0.as_ref().is_some_and(|judge| judge.uses_up(token))
    }
}

/// Where `Now` comes from.
#[derive(Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn now(self) -> Now {
        let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Now { mono: self.mono(), unix_s }
    }

    /// The part of it that never goes back.
    pub(crate) fn mono(self) -> Duration {
        self.0.elapsed()
    }

    /// The instant of a deadline.
    pub(crate) fn instant(self, mono: Duration) -> tokio::time::Instant {
        (self.0 + mono).into()
    }
}

const FULL_RESPONSE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 10\r\ncontent-length: 0\r\n\r\n";
