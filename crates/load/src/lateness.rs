//! How late the machine is by itself: a thread that asks to be woken every millisecond, and when it was.
//!
//! It says nothing about the server. A server cannot be earlier than a thread that has nothing to do, so
//! times are worth no more than what is measured here beside them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, park_timeout, spawn};
use std::time::{Duration, Instant};

use crate::latency::Latency;

/// The thread; it ends with this.
pub(crate) struct Sleeper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Duration>>>,
}

impl Sleeper {
    /// Begins.
    pub(crate) fn start() -> Self {
        let stop = Arc::<AtomicBool>::default();
        let stopped = stop.clone();
        let thread = spawn(move || {
            let mut late = Vec::new();
            loop {
                let began = Instant::now();
                park_timeout(NAP);
                late.push(began.elapsed().saturating_sub(NAP));
                if stopped.load(Ordering::Relaxed) {
                    return late;
                }
            }
        });
        Self { stop, thread: Some(thread) }
    }

    /// Ends, and tells by how much it was woken too late.
    pub(crate) fn finish(mut self) -> Latency {
        Latency::of(self.end())
    }

    fn end(&mut self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(|thread| thread.join().expect("sleeping does not panic")).unwrap_or_default()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.end();
    }
}

const NAP: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_is_never_early() {
        let late = Sleeper::start().finish();
        assert!(late.count > 0 && late.max_ms >= late.p50_ms && late.p50_ms > 0.0);
    }
}
