//! Whether a thread with an event loop still turns it: it is woken and asked, and answers when it comes
//! round.
//!
//! What follows from silence is decided elsewhere.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mio::Waker;
use tokio::sync::Notify;

/// The pulse of one thread; clones are the same.
#[derive(Clone)]
pub(crate) struct Pulse(Arc<Inner>);

/// Tells when it is dropped: a thread that holds it has ended, by a return or by a panic.
pub(crate) struct Ending(pub(crate) Arc<Notify>);

impl Pulse {
    /// Of the thread that sleeps on `waker`.
    pub(crate) fn new(waker: Waker) -> Self {
        Self(Arc::new(Inner { waker, is_asked: AtomicBool::new(false) }))
    }

    /// Wakes the thread.
    pub(crate) fn wake(&self) -> io::Result<()> {
        self.0.waker.wake()
    }

    /// Asks for an answer.
    pub(crate) fn ask(&self) {
        self.0.is_asked.store(true, Ordering::Relaxed);
        // A thread that cannot be woken does not answer, which is what is asked.
        let _ = self.wake();
    }

    /// The thread's own: it has come round.
    pub(crate) fn answer(&self) {
        self.0.is_asked.store(false, Ordering::Relaxed);
    }

    /// Whether nothing is unanswered.
    pub(crate) fn has_answered(&self) -> bool {
        !self.0.is_asked.load(Ordering::Relaxed)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

struct Inner {
    waker: Waker,
    is_asked: AtomicBool,
}
