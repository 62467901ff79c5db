//! A UDP socket that all workers share because there is but one of it: a thread reads it and hands the
//! datagrams out, each client's to one worker.
//!
//! It answers nothing: workers send by handles of their own on the same socket.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token, Waker};
use quinn_udp::RecvMeta;
use turn_core::ListenerId;

use crate::limits::{BATCHES_PER_TURN_MAX, EVENTS_PER_POLL, INLET_BATCH_BYTES_MAX};
use crate::mailbox::Mailbox;
use crate::pulse::{Ending, Pulse};
use crate::socket::{ReceiveBuffers, Socket};

/// The running thread. Dropping it stops it.
pub(crate) struct Inlet {
    pulse: Pulse,
    is_stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Inlet {
    /// Reads `socket`, which is the listener of this number, for these workers.
    pub(crate) fn start(
        mut socket: Socket,
        listener: ListenerId,
        mailboxes: Vec<Mailbox>,
        ending: Ending,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let pulse = Pulse::new(Waker::new(poll.registry(), WAKE)?);
        let is_stopped = Arc::<AtomicBool>::default();
        poll.registry().register(&mut socket.io, Token(0), Interest::READABLE)?;
        let batches = mailboxes.iter().map(|_| Arrivals::default()).collect();
        let reader = Reader {
            socket,
            listener,
            mailboxes,
            batches,
            hasher: RandomState::new(),
            pulse: pulse.clone(),
            is_stopped: Arc::clone(&is_stopped),
        };
        let thread = std::thread::Builder::new().name(format!("inlet-{}", listener.0));
        let run = move || {
            let _ending = ending;
            reader.run(poll);
        };
        Ok(Self { pulse, is_stopped, thread: Some(thread.spawn(run)?) })
    }

    /// Whether it still reads.
    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }
}

impl Drop for Inlet {
    fn drop(&mut self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        // Where it cannot be woken it has ended.
        let _ = self.pulse.wake();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("a reader of a socket had panicked");
        }
    }
}

/// Datagrams that one worker has not taken, in the order in which they came.
#[derive(Default)]
pub(crate) struct Arrivals {
    bytes: Vec<u8>,
    bursts: Vec<Burst>,
}

/// By which listener a burst came, that one's address, and what the kernel said of it.
type Burst = (ListenerId, SocketAddr, RecvMeta);

impl Arrivals {
    /// What they take, short ones and those without a byte too.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes.len() + self.bursts.len() * size_of::<Burst>()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.bursts.is_empty()
    }

    /// Datagrams, each of a burst counted.
    pub(crate) fn count(&self) -> u64 {
        self.bursts.iter().map(|(_, _, meta)| meta.len.div_ceil(meta.stride.max(1)).max(1) as u64).sum()
    }

    /// What came at once from one client: by which listener, that one's address, and the bytes.
    pub(crate) fn bursts(&self) -> impl Iterator<Item = (ListenerId, SocketAddr, RecvMeta, &[u8])> {
        let mut rest = &self.bytes[..];
        self.bursts.iter().map(move |(listener, local, meta)| {
            let (filled, behind) = rest.split_at(meta.len);
            rest = behind;
            (*listener, *local, *meta, filled)
        })
    }

    /// Takes what the other has, which is empty afterwards.
    pub(crate) fn append(&mut self, other: &mut Self) {
        self.bytes.append(&mut other.bytes);
        self.bursts.append(&mut other.bursts);
    }

    fn push(&mut self, listener: ListenerId, local: SocketAddr, meta: RecvMeta, filled: &[u8]) {
        self.bytes.extend_from_slice(filled);
        self.bursts.push((listener, local, meta));
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.bursts.clear();
    }

    /// As many of nobody.
    #[cfg(test)]
    pub(crate) fn of_empty_datagrams(count: usize) -> Self {
        let local = SocketAddr::from(([127, 0, 0, 1], 3_478));
        Self { bytes: Vec::new(), bursts: vec![(ListenerId(0), local, RecvMeta::default()); count] }
    }
}

struct Reader {
    socket: Socket,
    listener: ListenerId,
    mailboxes: Vec<Mailbox>,
    /// By worker: what is read and not handed out.
    batches: Vec<Arrivals>,
    hasher: RandomState,
    pulse: Pulse,
    is_stopped: Arc<AtomicBool>,
}

impl Reader {
    fn run(mut self, mut poll: Poll) {
        let mut events = Events::with_capacity(EVENTS_PER_POLL);
        let mut buffers = ReceiveBuffers::new();
        let mut may_be_more = false;
        loop {
            if let Err(error) = poll.poll(&mut events, may_be_more.then_some(Duration::ZERO))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "a reader of a socket cannot wait for packets and stops");
                return;
            }
            if events.iter().any(|event| event.token() == WAKE) {
                if self.is_stopped.load(Ordering::Relaxed) {
                    return;
                }
                self.pulse.answer();
            }
            may_be_more = self.read_turn(&mut buffers);
        }
    }

    /// Reads and hands out for a turn; whether there may be more.
    fn read_turn(&mut self, buffers: &mut ReceiveBuffers) -> bool {
        let mut may_be_more = true;
        for _ in 0..BATCHES_PER_TURN_MAX {
            match self.socket.receive(buffers) {
                Ok((filled, more)) => {
                    (0..filled).for_each(|index| self.sort(buffers, index));
                    may_be_more = more;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => may_be_more = false,
                // Of an earlier send, told once.
                Err(error) => tracing::debug!(kind = ?error.kind(), "a socket reports an error"),
            }
            if !may_be_more {
                break;
            }
        }
        (0..self.batches.len()).for_each(|worker| self.hand_in(worker));
        may_be_more
    }

    fn sort(&mut self, buffers: &ReceiveBuffers, index: usize) {
        let (meta, filled) = buffers.filled(index);
        let worker = self.hasher.hash_one((meta.addr, meta.dst_ip)) % self.batches.len() as u64;
        let worker = worker as usize;
        self.batches[worker].push(self.listener, self.socket.local(), meta, filled);
        if self.batches[worker].bytes() >= INLET_BATCH_BYTES_MAX {
            self.hand_in(worker);
        }
    }

    /// Hands out what one worker has not been given, if anything.
    fn hand_in(&mut self, worker: usize) {
        let batch = &mut self.batches[worker];
        if !batch.is_empty() {
            self.mailboxes[worker].hand_in(batch);
            batch.clear();
        }
    }
}

const WAKE: Token = Token(1);
