//! What is told to a worker from outside its thread. Not packets: those of datagram clients never change
//! threads, but for the few of one that has moved and is still heard where it was, and those of stream
//! clients lie in their [`Link`].

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use mio::Waker;
use turn_core::{FiveTuple, Handover, Notice, SessionId};

use crate::limits::{ENDINGS_MAX, NOTICES_MAX, PASSED_ON_BYTES_MAX, STREAMS_WAITING_MAX};
use crate::socket::Socket;
use crate::streams::Link;

/// The sending end; clones reach the same worker.
#[derive(Clone)]
pub(crate) struct Mailbox {
    inner: Arc<Inner>,
}

impl Mailbox {
    /// A mailbox whose worker sleeps on `waker`.
    pub(crate) fn new(waker: Waker) -> Self {
        Self { inner: Arc::new(Inner { letters: Mutex::default(), waker }) }
    }

    /// Leaves a notice; `false` where too many wait. One that must not be lost is always taken.
    pub(crate) fn notify(&self, notice: Notice) -> bool {
        let mut letters = self.lock();
        if letters.from_workers.len() >= NOTICES_MAX && notice.may_be_lost() {
            return false;
        }
        letters.from_workers.push_back(Letter::Notice(notice));
        drop(letters);
        self.wake();
        true
    }

    /// Leaves the allocations of a client that moved, with their relay sockets. Always taken: there are never
    /// more than there are allocations.
    pub(crate) fn hand_over(&self, handover: Handover, sockets: Vec<(u16, Socket)>) {
        self.lock().from_workers.push_back(Letter::Handover(handover, sockets));
        self.wake();
    }

    /// Leaves a datagram of a client that has moved; `false` where too many bytes wait.
    pub(crate) fn pass_on(&self, tuple: FiveTuple, datagram: Vec<u8>) -> bool {
        let mut letters = self.lock();
        if letters.passed_on_bytes + datagram.len() > PASSED_ON_BYTES_MAX {
            return false;
        }
        letters.passed_on_bytes += datagram.len();
        letters.from_workers.push_back(Letter::Datagram(tuple, datagram));
        drop(letters);
        self.wake();
        true
    }

    /// Leaves word that a session ended; `false` where too many wait.
    pub(crate) fn end_session(&self, session: SessionId, until_unix_s: u64) -> bool {
        let mut letters = self.lock();
        if letters.endings.len() >= ENDINGS_MAX {
            return false;
        }
        letters.endings.push_back((session, until_unix_s));
        drop(letters);
        self.wake();
        true
    }

    /// Leaves word of a new stream; `false` where too many wait.
    pub(crate) fn open_stream(&self, link: Arc<Link>) -> bool {
        let mut letters = self.lock();
        if letters.opened >= STREAMS_WAITING_MAX {
            return false;
        }
        letters.opened += 1;
        letters.streams.push_back(StreamLetter::Opened(link));
        drop(letters);
        self.wake();
        true
    }

    /// Leaves word of a stream that is known: at most one letter of each kind waits for each.
    pub(crate) fn tell_of_stream(&self, letter: StreamLetter) {
        let mut letters = self.lock();
        // Who left the first has woken the worker, and it has not come yet.
        let is_first = letters.streams.is_empty();
        letters.streams.push_back(letter);
        drop(letters);
        if is_first {
            self.wake();
        }
    }

    /// Leaves word that newcomers go to these servers.
    pub(crate) fn drain(&self, alternates: &[SocketAddr]) {
        self.lock().drain = Some(alternates.to_vec());
        self.wake();
    }

    /// Asks the worker to return from its loop.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.wake();
    }

    /// Takes everything.
    pub(crate) fn take(&self) -> Letters {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.inner.letters.lock().expect("nobody panics while holding a mailbox")
    }

    fn wake(&self) {
        if let Err(error) = self.inner.waker.wake() {
            tracing::error!(%error, "a worker cannot be woken");
        }
    }
}

/// What had been left since the last time.
#[derive(Default)]
pub(crate) struct Letters {
    /// In the order in which each worker left them.
    pub(crate) from_workers: VecDeque<Letter>,
    passed_on_bytes: usize,
    pub(crate) endings: VecDeque<(SessionId, u64)>,
    /// In the order in which they were left.
    pub(crate) streams: VecDeque<StreamLetter>,
    opened: usize,
    pub(crate) drain: Option<Vec<SocketAddr>>,
    pub(crate) stop: bool,
}

/// What happens to a stream.
pub(crate) enum StreamLetter {
    /// It is there.
    Opened(Arc<Link>),
    /// Its owner has something to take.
    Ready(Arc<Link>),
    /// It is gone.
    Closed(Arc<Link>),
}

/// What one worker leaves for another.
pub(crate) enum Letter {
    Notice(Notice),
    Handover(Handover, Vec<(u16, Socket)>),
    Datagram(FiveTuple, Vec<u8>),
}

struct Inner {
    letters: Mutex<Letters>,
    waker: Waker,
}
