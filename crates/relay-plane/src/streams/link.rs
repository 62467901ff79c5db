//! What a stream's task and the workers share: two bounded queues and one waker.
//!
//! Its owner (the worker whose `turn-core` has the client's allocations) takes what came in; any worker may
//! send. The lock is held for copies only, and packets between datagram clients never meet it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use tokio::runtime::Handle;
use turn_core::{FiveTuple, WorkerId};

use super::Transport;
use crate::births::Births;
use crate::limits::{
    STREAM_ANSWERS_BYTES_MAX, STREAM_BATCH_BYTES, STREAM_QUEUE_BYTES_MAX, STREAM_QUEUES_BYTES_MAX,
};
use crate::tcp::Joint;

/// One stream client's connection, as the workers see it.
pub(crate) struct Link {
    pub(crate) tuple: FiveTuple,
    pub(crate) owner: WorkerId,
    pub(crate) transport: Transport,
    /// Where its task runs.
    pub(crate) runtime: Handle,
    birth: u64,
    holds_allocation: AtomicBool,
    state: Mutex<State>,
    sums: Arc<Sums>,
}

/// What all streams of a relay count together. Sums since the start, except `open`, `queued_bytes` and
/// `inbound_bytes`.
#[derive(Default)]
pub(crate) struct Sums {
    /// The connections there are.
    pub(crate) open: Mutex<Births>,
    pub(crate) queued_bytes: AtomicUsize,
    pub(crate) inbound_bytes: AtomicUsize,
    pub(crate) late_frames: AtomicU64,
    pub(crate) overflow_frames: AtomicU64,
    pub(crate) not_turn: AtomicU64,
    pub(crate) idle: AtomicU64,
    pub(crate) stalled: AtomicU64,
    pub(crate) tcp_to_peer_bytes: AtomicU64,
    pub(crate) tcp_from_peer_bytes: AtomicU64,
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
    /// It is to be joined with a peer's: send what is left and take the [`Joint`].
    Joined,
    /// The owner has seen the end: send what is left and close.
    Finished,
    /// The client asks and does not read the answers: close now.
    Stalled,
}

impl Sums {
    /// The connections there are.
    pub(crate) fn births(&self) -> MutexGuard<'_, Births> {
        self.open.lock().expect("nobody panics while holding the births")
    }
}

impl Link {
    pub(crate) fn new(
        tuple: FiveTuple,
        owner: WorkerId,
        transport: Transport,
        runtime: Handle,
        sums: Arc<Sums>,
    ) -> Self {
        let birth = sums.births().begin();
        Self {
            tuple,
            owner,
            transport,
            runtime,
            birth,
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
        self.sums.inbound_bytes.fetch_add(frames.len(), Ordering::Relaxed);
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

    /// Moves what may be written now to `batch`: all answers, then data that was made at `since` or later,
    /// up to about [`STREAM_BATCH_BYTES`]. What was taken before has been written by now; until then it
    /// counts as queued.
    pub(crate) fn take_outbound(&self, since: Duration, batch: &mut Vec<u8>) {
        let mut state = self.lock();
        let (before, mut late) = (state.queued_bytes(), 0);
        batch.append(&mut state.answers);
        while let Some(frame) = state.frames.front().copied()
            && batch.len() < STREAM_BATCH_BYTES
        {
            state.frames.pop_front();
            if frame.made < since {
                state.data.drain(..frame.bytes);
                late += 1;
            } else {
                batch.extend(state.data.drain(..frame.bytes));
            }
        }
        if state.frames.is_empty() {
            // An idle connection keeps no memory.
            (state.data, state.frames) = (VecDeque::new(), VecDeque::new());
        }
        state.taken_bytes = batch.len();
        let after = state.queued_bytes();
        drop(state);
        self.sums.queued_bytes.fetch_sub(before - after, Ordering::Relaxed);
        self.sums.late_frames.fetch_add(late, Ordering::Relaxed);
    }

    /// The peer's connection of [`Fate::Joined`].
    pub(crate) fn take_joint(&self) -> Option<Joint> {
        self.lock().joint.take()
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
        self.sums.inbound_bytes.fetch_sub(taken.0.len(), Ordering::Relaxed);
        state.wake();
        taken
    }

    /// Queues frames that were made at `now`; `lengths` cuts `bytes` into them. Of data what is too much is
    /// dropped, the oldest first.
    pub(crate) fn send(&self, now: Duration, worth: Worth, bytes: &[u8], lengths: &[usize]) {
        let mut state = self.lock();
        match worth {
            Worth::Answer => self.queue_answers(&mut state, bytes),
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

    /// Gives the connection to a peer's. Where it is over, or has been given, the peer's is closed.
    pub(crate) fn join(&self, joint: Joint) {
        let mut state = self.lock();
        if state.fate == Fate::Open {
            state.fate = Fate::Joined;
            state.joint = Some(joint);
            state.wake();
        }
    }

    /// The owner expects nothing more of this connection.
    pub(crate) fn finish(&self) {
        let mut state = self.lock();
        if state.fate == Fate::Open {
            state.fate = Fate::Finished;
        }
        state.wake();
    }

    /// Who asks much at once gets many answers before it could read one, so more than a few may wait where
    /// there is room for them. Who leaves them unread is given up.
    fn queue_answers(&self, state: &mut State, answers: &[u8]) {
        let queued = &self.sums.queued_bytes;
        let waiting = state.answers.len() + answers.len();
        let has_room = waiting <= STREAM_QUEUE_BYTES_MAX
            && queued.load(Ordering::Relaxed) + answers.len() <= STREAM_QUEUES_BYTES_MAX;
        if waiting > STREAM_ANSWERS_BYTES_MAX && !has_room {
            state.fate = Fate::Stalled;
            return;
        }
        queued.fetch_add(answers.len(), Ordering::Relaxed);
        state.answers.extend_from_slice(answers);
    }

    fn queue(&self, state: &mut State, now: Duration, mut bytes: &[u8], mut lengths: &[usize]) {
        let before = lengths.len() + state.frames.len();
        let freed = state.data_cost();
        while let Some(oldest) = state.frames.front()
            && state.data_cost() + cost(bytes.len(), lengths.len()) > STREAM_QUEUE_BYTES_MAX
        {
            state.data.drain(..oldest.bytes);
            state.frames.pop_front();
        }
        let freed = freed - state.data_cost();
        // A batch may hold more for one client than its queue.
        while let Some((&oldest, rest)) = lengths.split_first()
            && cost(bytes.len(), lengths.len()) > STREAM_QUEUE_BYTES_MAX
        {
            (bytes, lengths) = (&bytes[oldest..], rest);
        }
        let (queued, more) = (&self.sums.queued_bytes, cost(bytes.len(), lengths.len()));
        queued.fetch_sub(freed, Ordering::Relaxed);
        if queued.fetch_add(more, Ordering::Relaxed) + more > STREAM_QUEUES_BYTES_MAX {
            queued.fetch_sub(more, Ordering::Relaxed);
        } else {
            state.data.extend(bytes);
            state.frames.extend(lengths.iter().map(|&bytes| Queued { made: now, bytes }));
        }
        let dropped = before - state.frames.len();
        self.sums.overflow_frames.fetch_add(dropped as u64, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding a link")
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let state = self.lock();
        self.sums.queued_bytes.fetch_sub(state.queued_bytes(), Ordering::Relaxed);
        self.sums.inbound_bytes.fetch_sub(state.inbound.len(), Ordering::Relaxed);
        self.sums.births().end(self.birth);
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
    /// Bytes that were taken last and may not be written yet.
    taken_bytes: usize,
    fate: Fate,
    joint: Option<Joint>,
}

impl State {
    /// What counts among [`Sums::queued_bytes`].
    fn queued_bytes(&self) -> usize {
        self.answers.len() + self.data_cost() + self.taken_bytes
    }

    fn data_cost(&self) -> usize {
        cost(self.data.len(), self.frames.len())
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A frame in the queue.
#[derive(Clone, Copy)]
struct Queued {
    made: Duration,
    bytes: usize,
}

/// What queued frames take; short ones are not for nothing.
const fn cost(bytes: usize, frames: usize) -> usize {
    bytes + frames * size_of::<Queued>()
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use tokio::runtime::{Builder, Runtime};
    use turn_core::{ClientAddr, ListenerId, LocalIp};

    use super::*;

    /// A runtime, for the handle to it; nothing runs there.
    fn runtime() -> Handle {
        static RUNTIME: LazyLock<Runtime> =
            LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime"));
        RUNTIME.handle().clone()
    }

    fn link() -> Link {
        let tuple = FiveTuple {
            client: ClientAddr(([127, 0, 0, 1], 5_000).into()),
            local: LocalIp([127, 0, 0, 1].into()),
            listener: ListenerId::stream(0),
        };
        Link::new(tuple, WorkerId(0), Transport::Tcp, runtime(), Arc::default())
    }

    fn taken(link: &Link, since_ms: u64) -> Vec<u8> {
        let mut batch = Vec::new();
        link.take_outbound(Duration::from_millis(since_ms), &mut batch);
        batch
    }

    #[test]
    fn row_98_data_that_waited_too_long_is_left_out_and_answers_are_not() {
        let link = link();
        link.send(Duration::ZERO, Worth::Data, b"old.", &[4]);
        link.send(Duration::ZERO, Worth::Answer, b"answ", &[4]);
        link.send(Duration::from_millis(1), Worth::Data, b"new.", &[4]);
        assert_eq!(taken(&link, 1), b"answnew.");
        assert_eq!(link.sums.late_frames.load(Ordering::Relaxed), 1);
        assert!(taken(&link, 1).is_empty());
        assert_eq!(link.sums.queued_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn all_that_waits_is_counted_until_it_is_gone() {
        let sums = Arc::new(Sums::default());
        let counted =
            || (sums.queued_bytes.load(Ordering::Relaxed), sums.inbound_bytes.load(Ordering::Relaxed));
        let link = Link::new(link().tuple, WorkerId(0), Transport::Tcp, runtime(), Arc::clone(&sums));
        link.send(Duration::ZERO, Worth::Data, b"data", &[4]);
        link.give(b"frame");
        assert_eq!(counted(), (cost(4, 1), 5));
        assert_eq!(taken(&link, 0), b"data");
        assert_eq!(counted(), (4, 5), "it is not written yet");
        assert!(taken(&link, 0).is_empty());
        link.take_inbound();
        assert_eq!(counted(), (0, 0));
        link.send(Duration::ZERO, Worth::Data, b"lost", &[4]);
        link.give(b"lost");
        link.send(Duration::ZERO, Worth::Answer, b"answer", &[6]);
        taken(&link, 0);
        assert_eq!(counted(), (10, 4));
        drop(link);
        assert_eq!(counted(), (0, 0));
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
        let kept = (STREAM_QUEUE_BYTES_MAX / cost(frame.len(), 1)) as u32;
        assert_eq!(taken(&link, 0)[..4], (2_000 - kept).to_be_bytes());
        assert_eq!(link.sums.overflow_frames.load(Ordering::Relaxed), u64::from(2_000 - kept));
    }

    #[test]
    fn row_98_of_a_batch_that_is_larger_than_the_queue_the_newest_frames_are_kept() {
        for length in [0, 8, 1_000, 60_000] {
            let link = link();
            link.send(Duration::ZERO, Worth::Data, b"from before", &[11]);
            let frame = |number: usize| {
                let mut frame = vec![7; length + 4];
                frame[..4].copy_from_slice(&(number as u32).to_be_bytes());
                frame
            };
            let number = (2 << 20) / (length + 4);
            let run: Vec<u8> = (0..number).flat_map(frame).collect();
            link.send(Duration::ZERO, Worth::Data, &run, &vec![length + 4; number]);
            let kept = STREAM_QUEUE_BYTES_MAX / cost(length + 4, 1);
            assert_eq!(link.sums.queued_bytes.load(Ordering::Relaxed), kept * cost(length + 4, 1));
            assert_eq!(link.sums.overflow_frames.load(Ordering::Relaxed), (number - kept + 1) as u64);
            let mut left = Vec::new();
            while left.len() < kept * (length + 4) {
                left.extend(taken(&link, 0));
            }
            assert_eq!(left, run[(number - kept) * (length + 4)..]);
        }
    }

    #[test]
    fn who_asks_much_at_once_is_answered() {
        let link = link();
        let answers = vec![0; 8 * STREAM_ANSWERS_BYTES_MAX];
        link.send(Duration::ZERO, Worth::Answer, &answers, &[answers.len()]);
        assert_eq!(link.watch(Waker::noop()).1, Fate::Open);
        assert_eq!(taken(&link, 0), answers);
    }

    #[test]
    fn who_asks_and_never_reads_is_given_up() {
        let link = link();
        let answers = vec![0; STREAM_QUEUE_BYTES_MAX / 2];
        for expected in [Fate::Open, Fate::Open, Fate::Stalled] {
            link.send(Duration::ZERO, Worth::Answer, &answers, &[answers.len()]);
            assert_eq!(link.watch(Waker::noop()).1, expected);
        }
    }

    #[test]
    fn where_much_waits_for_others_it_is_given_up_sooner() {
        let link = link();
        link.sums.queued_bytes.store(STREAM_QUEUES_BYTES_MAX, Ordering::Relaxed);
        let answers = vec![0; STREAM_ANSWERS_BYTES_MAX / 2];
        for expected in [Fate::Open, Fate::Open, Fate::Stalled] {
            link.send(Duration::ZERO, Worth::Answer, &answers, &[answers.len()]);
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
