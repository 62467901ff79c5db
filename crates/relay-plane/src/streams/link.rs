//! What a stream's task and the workers share: two bounded queues and one waker.
//!
//! Its owner (the worker whose `turn-core` has the client's allocations) takes what came in; any worker may
//! send. The lock is held for copies only, and packets between datagram clients never meet it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use turn_core::{FiveTuple, WorkerId};

use super::Transport;
use crate::limits::{
    STREAM_ANSWERS_BYTES_MAX, STREAM_BATCH_BYTES, STREAM_QUEUE_AGE_MAX, STREAM_QUEUE_BYTES_MAX,
    STREAM_QUEUES_BYTES_MAX,
};

/// One stream client's connection, as the workers see it.
pub(crate) struct Link {
    pub(crate) tuple: FiveTuple,
    pub(crate) owner: WorkerId,
    pub(crate) transport: Transport,
    holds_allocation: AtomicBool,
    state: Mutex<State>,
    sums: Arc<Sums>,
}

/// What all streams of a relay count together. Sums since the start, except `open` and `queued_bytes`.
#[derive(Default)]
pub(crate) struct Sums {
    pub(crate) open: AtomicU64,
    pub(crate) queued_bytes: AtomicUsize,
    pub(crate) late_frames: AtomicU64,
    pub(crate) overflow_frames: AtomicU64,
    pub(crate) not_turn: AtomicU64,
    pub(crate) idle: AtomicU64,
    pub(crate) stalled: AtomicU64,
}

/// What a frame is worth when its receiver is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worth {
    /// An answer: nobody asks twice on a stream, so it waits as long as the connection lives.
    Answer,
    /// A peer's data, which is worthless when it is late.
    Data,
}

/// What the task of a connection learns when it is woken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Goes on.
    #[default]
    Open,
    /// The owner has seen the end: send what is left and close.
    Finished,
    /// The client asks and does not read the answers: close now.
    Stalled,
}

impl Link {
    pub(crate) fn new(tuple: FiveTuple, owner: WorkerId, transport: Transport, sums: Arc<Sums>) -> Self {
        sums.open.fetch_add(1, Ordering::Relaxed);
        Self {
            tuple,
            owner,
            transport,
            holds_allocation: AtomicBool::new(false),
            state: Mutex::default(),
            sums,
        }
    }

    // The task's side.

    /// Hands whole frames, as they stood on the stream, to the owner. `true`: the owner does not know yet
    /// that something is there and has to be told.
    pub(crate) fn give(&self, frames: &[u8]) -> bool {
        let mut state = self.lock();
        state.inbound.extend_from_slice(frames);
        !std::mem::replace(&mut state.is_announced, true)
    }

    /// Nothing more will be given. Returns what [`Link::give`] returns.
    pub(crate) fn end(&self) -> bool {
        let mut state = self.lock();
        state.is_at_end = true;
        !std::mem::replace(&mut state.is_announced, true)
    }

    /// Bytes that the owner has not taken yet. Under the same lock `waker` is kept for the next change.
    pub(crate) fn watch(&self, waker: &Waker) -> (usize, Fate) {
        let mut state = self.lock();
        match &mut state.waker {
            Some(kept) => kept.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        (state.inbound.len(), state.fate)
    }

    /// Moves what may be written now to `batch`, up to about [`STREAM_BATCH_BYTES`]: answers first, then data
    /// that is young enough.
    pub(crate) fn take_outbound(&self, now: Duration, batch: &mut Vec<u8>) {
        let mut state = self.lock();
        batch.append(&mut state.answers);
        let before = state.data.len();
        let mut late = 0;
        while let Some(frame) = state.frames.front().copied()
            && batch.len() < STREAM_BATCH_BYTES
        {
            state.frames.pop_front();
            if now.saturating_sub(frame.since) > STREAM_QUEUE_AGE_MAX {
                state.data.drain(..frame.bytes);
                late += 1;
            } else {
                batch.extend(state.data.drain(..frame.bytes));
            }
        }
        let taken = before - state.data.len();
        if state.data.is_empty() {
            // An idle connection keeps no memory.
            state.data = VecDeque::new();
        }
        drop(state);
        self.sums.queued_bytes.fetch_sub(taken, Ordering::Relaxed);
        self.sums.late_frames.fetch_add(late, Ordering::Relaxed);
    }

    /// Whether the client has an allocation, so that it has proved who it is.
    pub(crate) fn holds_allocation(&self) -> bool {
        self.holds_allocation.load(Ordering::Relaxed)
    }

    // The workers' side.

    /// Takes what came in; the flag says whether nothing more will.
    pub(crate) fn take_inbound(&self) -> (Vec<u8>, bool) {
        let mut state = self.lock();
        state.is_announced = false;
        let taken = (std::mem::take(&mut state.inbound), state.is_at_end);
        state.wake();
        taken
    }

    /// Queues frames that were made at `now`; `lengths` cuts `bytes` into them. What is too much is dropped,
    /// the oldest first.
    pub(crate) fn send(&self, now: Duration, worth: Worth, bytes: &[u8], lengths: &[usize]) {
        let mut state = self.lock();
        match worth {
            Worth::Answer if state.answers.len() + bytes.len() > STREAM_ANSWERS_BYTES_MAX => {
                state.fate = Fate::Stalled;
            }
            Worth::Answer => state.answers.extend_from_slice(bytes),
            Worth::Data => self.queue(&mut state, now, bytes, lengths),
        }
        state.wake();
    }

    /// Says whether the client has an allocation.
    pub(crate) fn set_holds_allocation(&self, holds: bool) {
        if self.holds_allocation.swap(holds, Ordering::Relaxed) != holds {
            self.lock().wake();
        }
    }

    /// The owner expects nothing more of this connection.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        state.fate = Fate::Finished;
        state.wake();
    }

    fn queue(&self, state: &mut State, now: Duration, bytes: &[u8], lengths: &[usize]) {
        let (mut freed, mut dropped) = (0, 0);
        while state.data.len() + bytes.len() > STREAM_QUEUE_BYTES_MAX
            && let Some(oldest) = state.frames.pop_front()
        {
            state.data.drain(..oldest.bytes);
            freed += oldest.bytes;
            dropped += 1;
        }
        let queued = &self.sums.queued_bytes;
        queued.fetch_sub(freed, Ordering::Relaxed);
        if queued.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len() > STREAM_QUEUES_BYTES_MAX {
            queued.fetch_sub(bytes.len(), Ordering::Relaxed);
            dropped += lengths.len() as u64;
        } else {
            state.data.extend(bytes);
            state.frames.extend(lengths.iter().map(|&bytes| Queued { since: now, bytes }));
        }
        self.sums.overflow_frames.fetch_add(dropped, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding a link")
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let left = self.lock().data.len();
        self.sums.queued_bytes.fetch_sub(left, Ordering::Relaxed);
        self.sums.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Default)]
struct State {
    waker: Option<Waker>,
    /// Whole frames for the owner.
    inbound: Vec<u8>,
    /// Whether the owner was told of `inbound` and has not come for it.
    is_announced: bool,
    is_at_end: bool,
    answers: Vec<u8>,
    /// Data for the client, cut by `frames`.
    data: VecDeque<u8>,
    frames: VecDeque<Queued>,
    fate: Fate,
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A frame in the queue.
#[derive(Clone, Copy)]
struct Queued {
    since: Duration,
    bytes: usize,
}

#[cfg(test)]
mod tests {
    use turn_core::{ClientAddr, ListenerId, LocalIp};

    use super::*;

    fn link() -> Link {
        let tuple = FiveTuple {
            client: ClientAddr(([127, 0, 0, 1], 5_000).into()),
            local: LocalIp([127, 0, 0, 1].into()),
            listener: ListenerId::stream(0),
        };
        Link::new(tuple, WorkerId(0), Transport::Tcp, Arc::default())
    }

    fn taken(link: &Link, at_ms: u64) -> Vec<u8> {
        let mut batch = Vec::new();
        link.take_outbound(Duration::from_millis(at_ms), &mut batch);
        batch
    }

    #[test]
    fn row_98_data_that_waited_too_long_is_left_out_and_answers_are_not() {
        let link = link();
        link.send(Duration::ZERO, Worth::Data, b"old.", &[4]);
        link.send(Duration::ZERO, Worth::Answer, b"answ", &[4]);
        link.send(STREAM_QUEUE_AGE_MAX, Worth::Data, b"new.", &[4]);
        let late = u64::try_from(STREAM_QUEUE_AGE_MAX.as_millis()).unwrap() + 1;
        assert_eq!(taken(&link, late), b"answnew.");
        assert_eq!(link.sums.late_frames.load(Ordering::Relaxed), 1);
        assert_eq!(link.sums.queued_bytes.load(Ordering::Relaxed), 0);
        assert!(taken(&link, late).is_empty());
    }

    #[test]
    fn row_98_a_full_queue_loses_its_oldest_frames_and_never_grows() {
        let link = link();
        let frame = [7; 1_000];
        for number in 0..2_000_u32 {
            let mut frame = frame;
            frame[..4].copy_from_slice(&number.to_be_bytes());
            link.send(Duration::ZERO, Worth::Data, &frame, &[frame.len()]);
            assert!(link.sums.queued_bytes.load(Ordering::Relaxed) <= STREAM_QUEUE_BYTES_MAX);
        }
        let kept = (STREAM_QUEUE_BYTES_MAX / frame.len()) as u32;
        assert_eq!(taken(&link, 0)[..4], (2_000 - kept).to_be_bytes());
        assert_eq!(link.sums.overflow_frames.load(Ordering::Relaxed), u64::from(2_000 - kept));
    }

    #[test]
    fn who_asks_and_never_reads_is_given_up() {
        let link = link();
        let answer = vec![0; STREAM_ANSWERS_BYTES_MAX / 2];
        for expected in [Fate::Open, Fate::Open, Fate::Stalled] {
            link.send(Duration::ZERO, Worth::Answer, &answer, &[answer.len()]);
            assert_eq!(link.watch(Waker::noop()).1, expected);
        }
    }

    #[test]
    fn the_owner_is_told_once_until_it_comes() {
        let link = link();
        assert!(link.give(b"one."));
        assert!(!link.give(b"two."));
        assert!(!link.end());
        assert_eq!(link.take_inbound(), (b"one.two.".to_vec(), true));
        assert!(link.give(b"more"));
    }
}
