//! TURN over TCP and TLS: each connection has a task on the runtime, and a worker whose `turn-core` has its
//! allocations.
//!
//! Handshakes stay off the workers, so that a flood of them delays no packet; a worker sees whole frames and
//! answers with frames. Every worker knows every connection, because a route may lead from any client to any.

mod connection;
mod link;
mod table;

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use socket2::{SockRef, TcpKeepalive};
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
        Self { mailboxes: mailboxes.into(), ports: ports.into(), clock, hasher: RandomState::new(), sums }
    }

    /// Serves one connection until it ends; its allocations end with it. It is closed at once where its port
    /// is not one of those that the relay was told of, or a worker has too much to do.
    pub async fn serve(&self, decrypted: Decrypted) {
        let Decrypted { stream, from, to, .. } = decrypted;
        if let Some(registration) = self.register(&stream, from, to) {
            tune(&stream);
            Connection::new(registration, stream, self.clock).await;
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
        let link = Link::new(tuple, WorkerId(owner), stream.transport(), Arc::clone(&self.sums));
        let registration = Registration {
            link: Arc::new(link),
            mailboxes: Arc::clone(&self.mailboxes),
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
    sums: Arc<Sums>,
}

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
    }
}

/// What media on a stream needs of TCP. A socket that refuses one of these works without it.
fn tune(stream: &Stream) {
    let socket = SockRef::from(stream.tcp());
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

/// What streams counted. Sums since the start, except `open`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamCounters {
    /// Connections now.
    pub open: u64,
    /// Frames that waited too long for a slow reader and were not sent.
    pub late_frames: u64,
    /// Frames that found a slow reader's queue full, or made others leave it.
    pub overflow_frames: u64,
    /// Connections closed because what they sent is no TURN.
    pub not_turn: u64,
    /// Connections closed because they made no allocation in time, or had none for as long.
    pub idle: u64,
    /// Connections closed because they did not read their answers.
    pub stalled: u64,
}

impl From<&Sums> for StreamCounters {
    fn from(sums: &Sums) -> Self {
        Self {
            open: sums.open.load(Ordering::Relaxed),
            late_frames: sums.late_frames.load(Ordering::Relaxed),
            overflow_frames: sums.overflow_frames.load(Ordering::Relaxed),
            not_turn: sums.not_turn.load(Ordering::Relaxed),
            idle: sums.idle.load(Ordering::Relaxed),
            stalled: sums.stalled.load(Ordering::Relaxed),
        }
    }
}
