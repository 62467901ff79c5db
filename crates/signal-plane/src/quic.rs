//! QUIC connections: who is let in, and which of the two protocols each speaks (RFC 9000, RFC 9001).
//!
//! HTTP/3 and WebTransport are in `web_transport`; what a connection says is `exchange`'s.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quinn::crypto::rustls::{HandshakeData, NoInitialCipherSuite, QuicServerConfig};
use quinn::{
    AsyncUdpSocket, Connection, Endpoint, EndpointConfig, IdleTimeout, Incoming, ServerConfig, TokioRuntime,
    TransportConfig, VarInt, rustls,
};

use crate::admission::{Admission, Place};
use crate::counters::Refusal;
use crate::lengths::{Farewell, Stream};
use crate::limits::{
    QUIC_BIDI_STREAMS_MAX, QUIC_CRYPTO_BYTES_MAX, QUIC_DATAGRAM_BYTES_MAX, QUIC_HANDSHAKES_MAX,
    QUIC_HANDSHAKES_PER_PREFIX_MAX, QUIC_HANDSHAKES_UNPROVED_MAX, QUIC_HANDSHAKES_UNPROVED_PER_PREFIX_MAX,
    QUIC_INCOMING_BYTES_MAX, QUIC_INCOMING_MAX, QUIC_RECEIVE_BYTES_MAX, QUIC_SEND_BYTES_MAX,
    QUIC_STREAM_RECEIVE_BYTES_MAX, QUIC_UNI_STREAMS_MAX,
};
use crate::signal::Inner;
use crate::{exchange, web_transport};

/// Starts answering QUIC on a socket; ends after the signaling stops, when the last connection is gone.
pub(crate) fn serve(
    inner: &Arc<Inner>,
    socket: Arc<dyn AsyncUdpSocket>,
    tls: &rustls::ServerConfig,
) -> Result<(), StartError> {
    let config = server_config(tls.clone(), inner.config.limits.ping_ms)?;
    let endpoint =
        Endpoint::new_with_abstract_socket(endpoint_config(), Some(config), socket, Arc::new(TokioRuntime))?;
    tokio::spawn(accept(Arc::clone(inner), endpoint));
    Ok(())
}

/// Who is there over QUIC.
pub(crate) struct Quic {
    /// Those whose handshake is over.
    pub(crate) connections: Arc<Admission>,
    /// Handshakes under way, by listening address.
    handshakes: Mutex<Vec<Arc<Admission>>>,
}

impl Quic {
    pub(crate) fn new() -> Self {
        // Each has a place among all connections, which are what is bounded.
        Self { connections: Admission::new(usize::MAX, 0), handshakes: Mutex::default() }
    }

    /// How many handshakes are under way, and for how long the first has been.
    pub(crate) fn handshakes(&self) -> (usize, Option<Duration>) {
        let all = self.lock();
        (all.iter().map(|of| of.total()).sum(), all.iter().filter_map(|of| of.oldest()).max())
    }

    /// The handshakes of one more listening address.
    fn listen(&self) -> Arc<Admission> {
        let handshakes = Admission::new(QUIC_HANDSHAKES_MAX, QUIC_HANDSHAKES_PER_PREFIX_MAX);
        self.lock().push(Arc::clone(&handshakes));
        handshakes
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Admission>>> {
        // Nothing in between could be half done.
        self.handshakes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// QUIC could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The crypto provider lacks what QUIC's first packets need.
    #[error("QUIC needs TLS 1.3 with AES-128-GCM: {0}")]
    Tls(#[from] NoInitialCipherSuite),
    /// The socket cannot be used.
    #[error("QUIC cannot be started: {0}")]
    Socket(#[from] io::Error),
}

async fn accept(inner: Arc<Inner>, endpoint: Endpoint) {
    let handshakes = inner.quic.listen();
    let mut stopping = inner.stopping.subscribe();
    loop {
        let incoming = tokio::select! {
            incoming = endpoint.accept() => incoming,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        let Some(incoming) = incoming else { break };
        if let Some((incoming, place, handshake)) = admit(&inner, &handshakes, incoming) {
            tokio::spawn(run(Arc::clone(&inner), incoming, place, handshake));
        }
    }
    // The handle keeps the socket, by which the last connections say goodbye.
    endpoint.wait_idle().await;
}

/// Who may begin a handshake, with the places of the connection and of the handshake. Nothing is kept of the
/// others.
fn admit(
    inner: &Arc<Inner>,
    handshakes: &Arc<Admission>,
    incoming: Incoming,
) -> Option<(Incoming, Place, Place)> {
    let address = incoming.remote_address().ip();
    let is_pressed = handshakes.total() >= QUIC_HANDSHAKES_UNPROVED_MAX
        || handshakes.of_network(address) >= QUIC_HANDSHAKES_UNPROVED_PER_PREFIX_MAX;
    if is_pressed && !incoming.remote_address_validated() {
        //= RFC 9000 §8.1.2: "Upon receiving the client's Initial packet, the server can request address
        //= validation by sending a Retry packet"
        count(&inner.shared.quic.retried);
        // It fails only for who has been validated.
        let _ = incoming.retry();
        return None;
    }
    let handshake = handshakes.enter(Some(address));
    match handshake.and_then(|handshake| Ok((inner.admission.enter(Some(address))?, handshake))) {
        Ok((place, handshake)) => Some((incoming, place, handshake)),
        Err(reason) => {
            count(&inner.shared.quic.refused);
            inner.shared.count_refusal(reason);
            incoming.refuse();
            None
        }
    }
}

async fn run(inner: Arc<Inner>, incoming: Incoming, place: Place, handshaking: Place) {
    let patience = Duration::from_millis(inner.config.limits.request_ms_max);
    let handshake = async { incoming.accept()?.await };
    let handshake = tokio::time::timeout(patience, handshake).await;
    drop(handshaking);
    let quic = &inner.shared.quic;
    // How a handshake fails is no news: most are scans.
    if let Ok(Ok(connection)) = handshake {
        count(&quic.accepted);
        let there = inner.quic.connections.enter(None);
        match Greeting::of(&connection) {
            Greeting { protocol: Some(protocol), .. } if protocol == web_transport::ALPN => {
                web_transport::run(&inner, connection).await;
            }
            // There is no third: a handshake without one of the two protocols fails.
            Greeting { name, .. } => raw(&inner, connection, name).await,
        }
        drop(there);
    } else {
        count(&quic.failed);
    }
    drop(place);
}

/// Signaling without HTTP, on the first stream that the client opens.
async fn raw(inner: &Arc<Inner>, connection: Connection, name: Option<String>) {
    if let Some(name) = &name
        && !inner.config.is_own_name(name)
    {
        inner.shared.count_refusal(Refusal::UnknownHost);
        return connection.close(VarInt::from_u32(MISDIRECTED), b"unknown-host");
    }
    let patience = Duration::from_millis(inner.config.limits.request_ms_max);
    match tokio::time::timeout(patience, connection.accept_bi()).await {
        Ok(Ok(stream)) => {
            let host = name.or_else(|| connection.local_ip().map(in_url)).unwrap_or_default();
            let transport = Stream::new(stream, connection.clone(), CloseFrame);
            let address = Some(connection.remote_address().ip());
            exchange::run(inner, transport, host.into(), address).await;
        }
        Ok(Err(_gone)) => {}
        Err(_late) => {
            inner.shared.count_refusal(Refusal::Request);
            connection.close(VarInt::from_u32(0), b"");
        }
    }
}

/// What a client said in its handshake.
struct Greeting {
    protocol: Option<Vec<u8>>,
    /// The name it asked for (SNI).
    name: Option<String>,
}

impl Greeting {
    fn of(connection: &Connection) -> Self {
        let data = connection.handshake_data().and_then(|data| data.downcast::<HandshakeData>().ok());
        let (protocol, name) = data.map_or((None, None), |data| (data.protocol, data.server_name));
        Self { protocol, name }
    }
}

/// The connection's own close carries the code.
struct CloseFrame;

impl Farewell for CloseFrame {
    const NOTHING: VarInt = VarInt::from_u32(0);

    async fn say(&mut self, code: u16, _reason: &str) -> VarInt {
        code.into()
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn in_url(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

fn endpoint_config() -> EndpointConfig {
    let mut config = EndpointConfig::default();
    //= RFC 9443 §3: "endpoints that are colocated ... SHOULD NOT" use RFC 9287: datagrams are told apart by
    //= the bit that it greases
    config.grease_quic_bit(false);
    config
}

fn server_config(mut tls: rustls::ServerConfig, ping_ms: u64) -> Result<ServerConfig, StartError> {
    // 0-RTT: what a client said once would be said again by whoever recorded it.
    tls.max_early_data_size = 0;
    // A ticket would tell who comes back.
    tls.send_tls13_tickets = 0;
    let mut config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?));
    config
        .transport_config(Arc::new(transport_config(ping_ms)))
        // Whoever sends under somebody else's address has a long challenge sent there, and again each time
        // that he comes from his own in between. A client that moves resumes on a new connection.
        .migration(false)
        .max_incoming(QUIC_INCOMING_MAX)
        .incoming_buffer_size(QUIC_INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(QUIC_INCOMING_BYTES_MAX * QUIC_INCOMING_MAX as u64);
    Ok(config)
}

fn transport_config(ping_ms: u64) -> TransportConfig {
    let idle = IdleTimeout::try_from(Duration::from_millis(2 * ping_ms));
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(QUIC_BIDI_STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(QUIC_UNI_STREAMS_MAX))
        .stream_receive_window(VarInt::from_u32(QUIC_STREAM_RECEIVE_BYTES_MAX))
        .receive_window(VarInt::from_u32(QUIC_RECEIVE_BYTES_MAX))
        .send_window(QUIC_SEND_BYTES_MAX)
        .crypto_buffer_size(QUIC_CRYPTO_BYTES_MAX)
        // HTTP/3 says that it takes datagrams, or browsers open no session (RFC 9297 §2.1.1).
        .datagram_receive_buffer_size(Some(QUIC_DATAGRAM_BYTES_MAX))
        .datagram_send_buffer_size(QUIC_DATAGRAM_BYTES_MAX)
        .keep_alive_interval(Some(Duration::from_millis(ping_ms)))
        .max_idle_timeout(idle.ok());
    config
}

/// The protocols for the TLS configuration: WebTransport over HTTP/3, and the signaling without HTTP.
pub const PROTOCOLS: [&[u8]; 2] = [web_transport::ALPN, b"ginnel.1"];

/// HTTP has a status for it; here it is the code of the connection's close.
const MISDIRECTED: u32 = 421;
