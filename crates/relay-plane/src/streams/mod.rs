//! TURN over TCP and TLS: each connection has a task on the runtime, and a worker whose `turn-core` has its
//! allocations.
//!
//! Handshakes stay off the workers, so that a flood of them delays no packet; a worker sees whole frames and
//! answers with frames. Every worker knows every connection, because a route may lead from any client to any.

mod connection;
mod link;
mod table;

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{SockRef, TcpKeepalive};
use tokio::runtime::Handle;
use turn_core::{ClientAddr, FiveTuple, ListenerId, LocalIp, WorkerId};

pub(crate) use self::link::{Link, Sums, Worth};
pub(crate) use self::table::StreamTable;

use self::connection::Connection;
use crate::clock::Clock;
use crate::limits::{
    STREAM_KEEPALIVE_IDLE, STREAM_KEEPALIVE_INTERVAL, STREAM_KEEPALIVE_PROBES, STREAM_UNACKNOWLEDGED_MAX,
    STREAM_UNSENT_BYTES,
};
use crate::mailbox::{Mailbox, StreamLetter};
use crate::web::{Decrypted, Stream};

/// Where stream clients are handed in; clones are the same.
#[derive(Clone)]
pub struct Streams {
    mailboxes: Arc<[Mailbox]>,
    /// The listening ports; a connection's place among them is in its 5-tuple.
    ports: Arc<[u16]>,
    clock: Clock,
    hasher: RandomState,
    open: OpenTuples,
    sums: Arc<Sums>,
}

/// What carries a stream's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Bare.
    Tcp,
    /// Encrypted.
    Tls,
}

impl Streams {
    pub(crate) fn new(
        mailboxes: &[Mailbox],
        listening: &[SocketAddr],
        clock: Clock,
        sums: Arc<Sums>,
    ) -> Self {
        let mut ports: Vec<u16> = listening.iter().map(SocketAddr::port).collect();
        ports.sort_unstable();
        ports.dedup();
        let (hasher, open) = (RandomState::new(), OpenTuples::default());
        Self { mailboxes: mailboxes.into(), ports: ports.into(), clock, hasher, open, sums }
    }

    /// Serves one connection until it ends; its allocations end with it. It is closed at once where its port
    /// is not one of those that the relay was told of, its 5-tuple is another's, or a worker has too much to
    /// do.
    pub async fn serve(&self, decrypted: Decrypted) {
        let Decrypted { stream, from, to, .. } = decrypted;
        if let Some(registration) = self.register(&stream, from, to) {
            tune(SockRef::from(stream.tcp()));
            Connection::new(registration, stream, self.clock).run().await;
        }
    }

    fn register(&self, stream: &Stream, from: SocketAddr, to: SocketAddr) -> Option<Registration> {
        let place = u8::try_from(self.ports.iter().position(|port| *port == to.port())?).ok()?;
        let tuple = FiveTuple {
            client: ClientAddr(from),
            local: LocalIp(to.ip()),
            listener: ListenerId::stream(place),
        };
        let workers = self.mailboxes.len() as u64;
        let owner = u16::try_from(self.hasher.hash_one(tuple) % workers).expect("at most WORKERS_MAX");
        // The kernel never has a 5-tuple twice; proxies may say what they like.
        if !self.open.lock().unwrap_or_else(PoisonError::into_inner).insert(tuple) {
            return None;
        }
        let (transport, sums) = (stream.transport(), Arc::clone(&self.sums));
        let link = Link::new(tuple, WorkerId(owner), transport, Handle::current(), sums);
        let registration = Registration {
            link: Arc::new(link),
            mailboxes: Arc::clone(&self.mailboxes),
            open: Arc::clone(&self.open),
            sums: Arc::clone(&self.sums),
        };
        let is_known = |mailbox: &Mailbox| mailbox.open_stream(Arc::clone(&registration.link));
        // Where one has no room the others are told of the end by the drop.
        self.mailboxes.iter().all(is_known).then_some(registration)
    }
}

/// A connection that the workers know of, until this is dropped.
struct Registration {
    link: Arc<Link>,
    mailboxes: Arc<[Mailbox]>,
    open: OpenTuples,
    sums: Arc<Sums>,
}

/// The 5-tuples that have a connection.
type OpenTuples = Arc<Mutex<HashSet<FiveTuple>>>;

impl Registration {
    fn give(&self, frames: &[u8]) {
        if !frames.is_empty() && self.link.give(frames) {
            self.tell_owner();
        }
    }

    fn end(&self) {
        if self.link.end() {
            self.tell_owner();
        }
    }

    fn sums(&self) -> &Sums {
        &self.sums
    }

    fn tell_owner(&self) {
        let letter = StreamLetter::Ready(Arc::clone(&self.link));
        self.mailboxes[usize::from(self.link.owner.0)].tell_of_stream(letter);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        for mailbox in self.mailboxes.iter() {
            mailbox.tell_of_stream(StreamLetter::Closed(Arc::clone(&self.link)));
        }
        // Who has it next is announced behind that.
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.link.tuple);
    }
}

/// What media on a stream needs of TCP. A socket that refuses one of these works without it.
pub(crate) fn tune(socket: SockRef<'_>) {
    // Frames wait in our queue, where old ones are dropped, and not in the kernel's, which would send them.
    let _ = socket.set_tcp_notsent_lowat(STREAM_UNSENT_BYTES);
    // A client that vanished without a word is found out by what it does not acknowledge.
    let _ = socket.set_tcp_user_timeout(Some(STREAM_UNACKNOWLEDGED_MAX));
    let keepalive = TcpKeepalive::new()
        .with_time(STREAM_KEEPALIVE_IDLE)
        .with_interval(STREAM_KEEPALIVE_INTERVAL)
        .with_retries(STREAM_KEEPALIVE_PROBES);
    let _ = socket.set_tcp_keepalive(&keepalive);
}

/// What streams counted. Sums since the start, except `open` and `waiting_bytes`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamCounters {
    /// Connections now.
    pub open: u64,
    /// Bytes that wait: for their readers, or to be taken in.
    pub waiting_bytes: u64,
    /// Frames that waited too long for a slow reader and were not sent.
    pub late_frames: u64,
    /// Frames that found a slow reader's queue full, or made others leave it.
    pub overflow_frames: u64,
    /// Connections closed because what they sent is no TURN.
    pub not_turn: u64,
    /// Connections closed because they made no allocation in time, or had none for as long.
    pub idle: u64,
    /// Connections closed because they did not read their answers, or held long unfinished frames when
    /// all together held too much.
    pub stalled: u64,
    /// Bytes that TCP allocations carried from clients to peers.
    pub tcp_to_peer_bytes: u64,
    /// The same from peers to clients.
    pub tcp_from_peer_bytes: u64,
}

impl From<&Sums> for StreamCounters {
    fn from(sums: &Sums) -> Self {
        Self {
            open: sums.births().count().count,
            waiting_bytes: (sums.queued_bytes.load(Ordering::Relaxed)
                + sums.inbound_bytes.load(Ordering::Relaxed)) as u64,
            late_frames: sums.late_frames.load(Ordering::Relaxed),
            overflow_frames: sums.overflow_frames.load(Ordering::Relaxed),
            not_turn: sums.not_turn.load(Ordering::Relaxed),
            idle: sums.idle.load(Ordering::Relaxed),
            stalled: sums.stalled.load(Ordering::Relaxed),
            tcp_to_peer_bytes: sums.tcp_to_peer_bytes.load(Ordering::Relaxed),
            tcp_from_peer_bytes: sums.tcp_from_peer_bytes.load(Ordering::Relaxed),
        }
    }
}
