//! The TCP listeners: accept, bound, decrypt, tell HTTP from TURN, hand over.
//!
//! It reads no more of what is decrypted than the first byte; what follows is the business of whoever reads
//! the queue. A connection over a limit is closed without an answer: an answer would cost the handshake that
//! the limit spares. RFC 7443 (ALPN of STUN and TURN).

use std::io::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use redact::Sensitive;
use rustls::ServerConfig;
use socket2::{Domain, Socket, Type};
use stun_wire::limits::STREAM_FRAME_BYTES_MAX;
use stun_wire::{FirstByte, Frame};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use turn_core::AddressRange;

use crate::births::Present;
use crate::limits::{
    ACCEPT_BACK_OFF_MS, BACKLOG_CONNECTIONS_MAX, DECRYPTED_QUEUE_MAX, FIRST_BYTE_MS_MAX, HANDSHAKE_MS_MAX,
};
use crate::places::{Full, Place, Places};
use crate::proxy;
use crate::streams::Transport;

/// A group of listening addresses that share limits and one queue of decrypted streams.
///
/// [`Web::start`] binds and accepts at once; streams wait in the returned queue. Dropping it, or
/// [`Web::stop`], closes the listening sockets and the handshakes under way; streams that were handed over
/// live on.
pub struct Web {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    acceptors: Vec<JoinHandle<()>>,
}

/// What to listen on and how.
pub struct Config {
    /// Addresses to bind; port 0 asks for any free port. `[::]` is IPv6 alone.
    pub addresses: Vec<SocketAddr>,
    /// Sockets that listen already, for those of these addresses that they are bound to.
    pub inherited: Vec<std::net::TcpListener>,
    /// With it, connections start with a TLS handshake; without, they are handed over as they are.
    pub tls: Option<Arc<ServerConfig>>,
    /// What is spoken; `None`: either, told apart by ALPN or, without it, by the first byte.
    pub protocol: Option<Protocol>,
    /// Who must begin each connection with a header of the PROXY protocol, and is believed what it says of
    /// its client's address. A header of anybody else is garbage like any other.
    pub proxies: Vec<AddressRange>,
    /// How many connections at once.
    pub caps: Caps,
}

/// How many connections may exist at once; one more is closed unanswered.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Connections, until the stream that was handed over is dropped.
    pub open: usize,
    /// Connections of one /24 (IPv4) or /48 (IPv6).
    pub open_per_prefix: usize,
    /// Handshakes under way.
    pub handshakes: usize,
    /// Those of one /24 or /48. Below the number in all, or one network could keep out all others.
    pub handshakes_per_prefix: usize,
}

/// A connection that is ready for its first application byte.
pub struct Decrypted {
    /// The stream; its place among the open connections is free again when it is dropped.
    pub stream: Stream,
    /// The client's address.
    pub from: SocketAddr,
    /// The address it reached.
    pub to: SocketAddr,
    /// What it speaks.
    pub protocol: Protocol,
}

/// What is spoken on a connection, or on all of a listener's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 and what it upgrades to.
    Http,
    /// STUN and TURN.
    Turn,
}

/// Plain or decrypted TCP stream.
pub struct Stream {
    io: Io,
    /// Already read, to be read again.
    first: Option<u8>,
    _place: Place,
}

/// Sums since the start, except `open` and `handshakes`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections open now, handshakes included.
    pub open: Present,
    /// Handshakes under way, headers of proxies before them included.
    pub handshakes: Present,
    /// Streams that were handed over.
    pub handed_over: u64,
    /// Closed: too many connections in all.
    pub refused_open: u64,
    /// Closed: too many connections, or handshakes, of one prefix.
    pub refused_prefix: u64,
    /// Closed: too many handshakes under way in all.
    pub refused_handshakes: u64,
    /// Closed: the handshake failed.
    pub handshake_failed: u64,
    /// Closed: not handed over within the deadline, or silent after the handshake where the first byte tells.
    pub handshake_late: u64,
    /// Closed: HTTP was spoken after [`Web::turn_http_away`].
    pub turned_away: u64,
}

/// An address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on a {address} address: {source}")]
pub struct StartError {
    /// The configured address.
    pub address: Sensitive<SocketAddr>,
    /// What the operating system said.
    pub source: io::Error,
}

impl Web {
    /// Binds all addresses and starts accepting; call it inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// The first address that could not be bound; nothing is left listening then.
    pub fn start(mut config: Config) -> Result<(Self, mpsc::Receiver<Decrypted>), StartError> {
        let mut listeners = Vec::with_capacity(config.addresses.len());
        let mut addresses = Vec::with_capacity(config.addresses.len());
        for address in config.addresses {
            let bound = open(address, &mut config.inherited);
            let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
            let (bound, listener) =
                bound.map_err(|source| StartError { address: Sensitive::new(address), source })?;
            addresses.push(bound);
            listeners.push(listener);
        }
        let (queue, decrypted) = mpsc::channel(DECRYPTED_QUEUE_MAX);
        let shared = Arc::new(Shared {
            tls: config.tls.map(TlsAcceptor::from),
            protocol: config.protocol,
            is_for_turn_alone: AtomicBool::new(false),
            open: Places::new(config.caps.open, config.caps.open_per_prefix),
            handshaking: Places::new(config.caps.handshakes, config.caps.handshakes_per_prefix),
            proxies: config.proxies,
            sums: Sums::default(),
        });
        let acceptors = listeners
            .into_iter()
            .map(|listener| tokio::spawn(accept(listener, Arc::clone(&shared), queue.clone())))
            .collect();
        Ok((Self { addresses, shared, acceptors }, decrypted))
    }

    /// Closes the listening sockets and the handshakes under way. The queue ends after the streams in it.
    pub async fn stop(mut self) {
        for acceptor in std::mem::take(&mut self.acceptors) {
            acceptor.abort();
            // Cancelled is what we asked for; a panic was reported when it happened.
            let _ = acceptor.await;
        }
    }

    /// From here on only TURN is handed over: who comes with HTTP is closed without an answer. A call that
    /// lost its connection is still let in.
    pub fn turn_http_away(&self) {
        self.shared.is_for_turn_alone.store(true, Ordering::Relaxed);
    }

    /// The addresses in the order of the configuration, with the ports that were really bound.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// A snapshot of the counters, in a form that can be taken along.
    pub fn counters(&self) -> impl Fn() -> Counters + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.counters()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        for acceptor in &self.acceptors {
            acceptor.abort();
        }
    }
}

impl Stream {
    /// The TCP connection below.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match &self.io {
            Io::Plain(stream) => stream,
            Io::Tls(stream) => stream.get_ref().0,
        }
    }

    pub(crate) const fn transport(&self) -> Transport {
        match &self.io {
            Io::Plain(_) => Transport::Tcp,
            Io::Tls(_) => Transport::Tls,
        }
    }

    /// Takes the frames of [`Stream::poll_write_frames`] whole, however many: their number has a bound.
    pub(crate) fn expect_frames(&mut self) {
        if let Io::Tls(stream) = &mut self.io {
            stream.get_mut().1.set_buffer_limit(None);
        }
    }

    /// Writes TURN frames, several at once, each in a TLS record of its own: some clients take what a record
    /// holds for one message. They are on their way after a flush.
    pub(crate) fn poll_write_frames(
        &mut self,
        cx: &mut Context<'_>,
        frames: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.io {
            Io::Plain(stream) => Pin::new(stream).poll_write(cx, frames),
            Io::Tls(stream) => {
                let mut rest = frames;
                while let Ok(Frame::Whole { taken, .. }) = Frame::first(rest, STREAM_FRAME_BYTES_MAX) {
                    stream.get_mut().1.writer().write_all(&rest[..taken])?;
                    rest = &rest[taken..];
                }
                Poll::Ready(Ok(frames.len() - rest.len()))
            }
        }
    }

    /// What the client speaks: by the protocol it agreed to, or by its first byte, which is awaited.
    async fn tell_protocol(&mut self) -> io::Result<Protocol> {
        if let Io::Tls(stream) = &self.io
            && let Some(agreed) = stream.get_ref().1.alpn_protocol()
        {
            return Ok(if TURN_ALPN.contains(&agreed) { Protocol::Turn } else { Protocol::Http });
        }
        let first = self.read_u8().await?;
        self.first = Some(first);
        // A TURN client starts with a STUN message; ChannelData, whose first byte may be that of a GET, comes
        // after an allocation only.
        Ok(if FirstByte::of(&[first]) == FirstByte::Stun { Protocol::Turn } else { Protocol::Http })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0
            && let Some(first) = self.first.take()
        {
            buffer.put_slice(&[first]);
            return Poll::Ready(Ok(()));
        }
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Io::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Io::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Io::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().io {
            Io::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Io::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

struct Shared {
    tls: Option<TlsAcceptor>,
    protocol: Option<Protocol>,
    is_for_turn_alone: AtomicBool,
    open: Arc<Places>,
    handshaking: Arc<Places>,
    proxies: Vec<AddressRange>,
    sums: Sums,
}

#[derive(Default)]
struct Sums {
    handed_over: AtomicU64,
    refused_open: AtomicU64,
    refused_prefix: AtomicU64,
    refused_handshakes: AtomicU64,
    handshake_failed: AtomicU64,
    handshake_late: AtomicU64,
    turned_away: AtomicU64,
}

/// What a connection holds until its handshake is over: one place among the open, one among these.
struct Admitted {
    open: Place,
    handshaking: Place,
}

impl Shared {
    /// Places for a connection and for its handshake, or nothing and the reason counted.
    fn admit(&self, from: IpAddr) -> Option<Admitted> {
        // Who comes by a proxy is known by what that says of it.
        let client = (!self.is_proxy(from)).then_some(from);
        let open = self.open.take(client).map_err(|full| self.refuse(full, &self.sums.refused_open)).ok()?;
        let handshaking = self.handshaking.take(client);
        let handshaking =
            handshaking.map_err(|full| self.refuse(full, &self.sums.refused_handshakes)).ok()?;
        Some(Admitted { open, handshaking })
    }

    /// Counts one that is turned away; `all`: the sum of those for whom there was no place at all.
    fn refuse(&self, full: Full, all: &AtomicU64) {
        count(match full {
            Full::All => all,
            Full::Prefix => &self.sums.refused_prefix,
        });
    }

    fn is_proxy(&self, from: IpAddr) -> bool {
        self.proxies.iter().any(|range| range.contains(from.to_canonical()))
    }

    /// From an accepted connection to one whose protocol is known, each step in its time.
    async fn make_ready(
        &self,
        mut stream: TcpStream,
        from: SocketAddr,
        Admitted { mut open, mut handshaking }: Admitted,
    ) -> io::Result<Decrypted> {
        let to = stream.local_addr()?;
        let begun = async {
            let mut client = from;
            if self.is_proxy(from.ip()) {
                client = proxy::read_header(&mut stream).await?.unwrap_or(from);
                if let Err(full) = open.settle(client.ip()).and_then(|()| handshaking.settle(client.ip())) {
                    self.refuse(full, &self.sums.refused_open);
                    return Err(io::Error::from(io::ErrorKind::QuotaExceeded));
                }
            }
            Ok((client, self.decrypt(stream).await?))
        };
        let (from, io) = timeout(Duration::from_millis(HANDSHAKE_MS_MAX), begun).await??;
        drop(handshaking);
        let mut stream = Stream { io, first: None, _place: open };
        let protocol = match self.protocol {
            Some(protocol) => protocol,
            None => timeout(Duration::from_millis(FIRST_BYTE_MS_MAX), stream.tell_protocol()).await??,
        };
        Ok(Decrypted { stream, from, to, protocol })
    }

    async fn decrypt(&self, stream: TcpStream) -> io::Result<Io> {
        // Signaling frames are small and awaited; without it they would wait for acknowledgements.
        stream.set_nodelay(true)?;
        match &self.tls {
            Some(acceptor) => {
                let stream = acceptor.accept(stream).await?;
                // RFC 8737 §3: who validates a name has seen in the handshake what it came for.
                if stream.get_ref().1.alpn_protocol() == Some(b"acme-tls/1") {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                Ok(Io::Tls(Box::new(stream)))
            }
            None => Ok(Io::Plain(stream)),
        }
    }

    fn counters(&self) -> Counters {
        let sum = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            open: self.open.taken(),
            handshakes: self.handshaking.taken(),
            handed_over: sum(&self.sums.handed_over),
            refused_open: sum(&self.sums.refused_open),
            refused_prefix: sum(&self.sums.refused_prefix),
            refused_handshakes: sum(&self.sums.refused_handshakes),
            handshake_failed: sum(&self.sums.handshake_failed),
            handshake_late: sum(&self.sums.handshake_late),
            turned_away: sum(&self.sums.turned_away),
        }
    }
}

/// The inherited socket of an address, or a new one.
fn open(address: SocketAddr, inherited: &mut Vec<std::net::TcpListener>) -> io::Result<TcpListener> {
    let is_there = |socket: &std::net::TcpListener| socket.local_addr().is_ok_and(|it| it == address);
    match inherited.iter().position(is_there) {
        Some(place) => TcpListener::from_std(inherited.swap_remove(place)),
        None => listen(address),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
    if address.is_ipv6() {
        // Otherwise [::] would take the IPv4 port too, and 0.0.0.0 beside it would fail.
        socket.set_only_v6(true)?;
    }
    // A restart must not wait for the last run's connections to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG_CONNECTIONS_MAX)?;
    TcpListener::from_std(socket.into())
}

/// Accepts until it is aborted; the handshakes it started end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>, queue: mpsc::Sender<Decrypted>) {
    let mut handshakes = JoinSet::new();
    let mut starved = false;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = handshakes.join_next() => continue,
        };
        match accepted {
            Ok((stream, from)) => {
                starved = false;
                if let Some(admitted) = shared.admit(from.ip()) {
                    handshakes.spawn(hand_over(Arc::clone(&shared), stream, from, admitted, queue.clone()));
                }
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if !starved {
                    tracing::warn!(%error, "cannot accept connections; trying again until it works");
                }
                starved = true;
                tokio::time::sleep(Duration::from_millis(ACCEPT_BACK_OFF_MS)).await;
            }
        }
    }
}

async fn hand_over(
    shared: Arc<Shared>,
    stream: TcpStream,
    from: SocketAddr,
    admitted: Admitted,
    queue: mpsc::Sender<Decrypted>,
) {
    let handed_over = async {
        let decrypted = shared.make_ready(stream, from, admitted).await?;
        if decrypted.protocol == Protocol::Http && shared.is_for_turn_alone.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
        }
        let sent = timeout(Duration::from_millis(HANDSHAKE_MS_MAX), queue.send(decrypted)).await?;
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    };
    count(match handed_over.await {
        Ok(()) => &shared.sums.handed_over,
        Err(error) if error.kind() == io::ErrorKind::TimedOut => &shared.sums.handshake_late,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => &shared.sums.turned_away,
        // Counted where it was found.
        Err(error) if error.kind() == io::ErrorKind::QuotaExceeded => return,
        Err(_) => &shared.sums.handshake_failed,
    });
}

/// The client went away while it waited to be accepted: the next accept tells of another connection.
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// What a TURN or STUN client may ask for in its handshake, RFC 7443.
pub const TURN_ALPN: [&[u8]; 2] = [b"stun.turn", b"stun.nat-discovery"];
