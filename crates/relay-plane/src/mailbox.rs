//! What is told to a worker from outside its thread. Not packets: those never change threads.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use mio::Waker;
use turn_core::{Notice, SessionId};

use crate::limits::{ENDINGS_MAX, NOTICES_MAX};

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

    /// Leaves a notice; `false` where too many wait.
    pub(crate) fn notify(&self, notice: Notice) -> bool {
        let mut letters = self.lock();
        if letters.notices.len() >= NOTICES_MAX {
            return false;
        }
        letters.notices.push_back(notice);
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
    pub(crate) notices: VecDeque<Notice>,
    pub(crate) endings: VecDeque<(SessionId, u64)>,
    pub(crate) stop: bool,
}

struct Inner {
    letters: Mutex<Letters>,
    waker: Waker,
}
