//! One stream client's connection: bytes to frames, frames to bytes, and when it is over.
//!
//! It understands the frames' lengths only. RFC 8656 §3.1, RFC 8489 §6.2.2.

use std::cell::RefCell;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use stun_wire::Frame;
use stun_wire::limits::STREAM_FRAME_BYTES_MAX;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::Registration;
use super::link::Fate;
use crate::clock::Clock;
use crate::limits::{
    STREAM_INBOUND_BYTES_MAX, STREAM_INBOUNDS_BYTES_MAX, STREAM_LINGER_MAX, STREAM_QUEUE_AGE_MAX,
    STREAM_READ_BYTES, STREAM_UNPROVED_AGE_MAX, STREAM_UNPROVED_BYTES_MAX,
};
use crate::tcp::{Joint, pipe};
use crate::web::Stream;

/// A stream client's connection. Its allocations are told to end when it is dropped, which comes before its
/// socket closes: the same client port can't come back sooner.
pub(super) struct Connection {
    registration: Registration,
    stream: Stream,
    clock: Clock,
    /// The beginning of a frame whose rest has not come.
    partial: Vec<u8>,
    /// What is being written, and how much of it was.
    batch: Vec<u8>,
    written: usize,
    needs_flush: bool,
    /// Whether the client has finished sending, or is not listened to any more.
    is_at_end: bool,
    deadline: Pin<Box<Sleep>>,
    /// Whether the deadline counts: the client has no allocation, or the connection is ending.
    is_pressed: bool,
}

impl Connection {
    pub(super) fn new(registration: Registration, mut stream: Stream, clock: Clock) -> Self {
        stream.expect_frames();
        Self {
            registration,
            stream,
            clock,
            partial: Vec::new(),
            batch: Vec::new(),
            written: 0,
            needs_flush: false,
            is_at_end: false,
            deadline: Box::pin(sleep(STREAM_UNPROVED_AGE_MAX)),
            is_pressed: true,
        }
    }

    /// Runs until the connection is over, as a peer's pipe in the end, if a client binds it to one.
    pub(super) async fn run(mut self) {
        let over = poll_fn(|cx| self.poll_all(cx)).await;
        let sums = self.registration.sums();
        let count = |sum: &AtomicU64| {
            sum.fetch_add(1, Ordering::Relaxed);
        };
        match over {
            Over::NotTurn => count(&sums.not_turn),
            Over::Idle if !self.is_at_end => count(&sums.idle),
            Over::Stalled => count(&sums.stalled),
            Over::Joined(joint) => pipe(&mut self.stream, *joint, &self.partial, self.clock, sums).await,
            Over::Idle | Over::Done | Over::Gone => {}
        }
    }

    /// Writes what the workers have sent, until the socket takes no more or nothing is left.
    ///
    /// Data is late where the client held up the writing. What waited because this machine was busy goes to a
    /// client that takes it.
    fn poll_outbound(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let was_held_up = !self.batch.is_empty();
        loop {
            while self.written < self.batch.len() {
                let write = self.stream.poll_write_frames(cx, &self.batch[self.written..]);
                let written = ready!(write)?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.written += written;
                self.needs_flush = true;
            }
            if self.needs_flush {
                ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                self.needs_flush = false;
            }
            self.written = 0;
            self.batch = Vec::new();
            let since = match was_held_up {
                true => self.clock.now().mono.saturating_sub(STREAM_QUEUE_AGE_MAX),
                false => Duration::ZERO,
            };
            self.registration.link.take_outbound(since, &mut self.batch);
            if self.batch.is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Reads until there is no more for now, or the owner has enough to do. Ready when the client has ended.
    fn poll_inbound(&mut self, cx: &mut Context<'_>, mut untaken: usize) -> Poll<Result<(), Over>> {
        SCRATCH.with_borrow_mut(|scratch| {
            loop {
                let proved = self.registration.link.holds_allocation();
                let inbound = &self.registration.sums().inbound_bytes;
                let has_room = inbound.load(Ordering::Relaxed) < STREAM_INBOUNDS_BYTES_MAX;
                if !has_room && self.partial.len() > STREAM_UNPROVED_BYTES_MAX {
                    return Poll::Ready(Err(Over::Stalled));
                }
                let (read_max, untaken_max) = match proved && has_room {
                    true => (STREAM_READ_BYTES, STREAM_INBOUND_BYTES_MAX),
                    false => (STREAM_UNPROVED_BYTES_MAX, STREAM_UNPROVED_BYTES_MAX),
                };
                if untaken >= untaken_max {
                    return Poll::Pending;
                }
                let mut buffer = ReadBuf::new(&mut scratch[..read_max]);
                ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer)).map_err(|_| Over::Gone)?;
                let bytes = buffer.filled();
                if bytes.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                let before = self.partial.len();
                let given = self.take_in(bytes, proved);
                self.count_partial(before);
                untaken += given?;
            }
        })
    }

    /// Gives the whole frames among the bytes to the owner and keeps the rest. Returns how many were given.
    fn take_in(&mut self, bytes: &[u8], proved: bool) -> Result<usize, Over> {
        let frame_max = if proved { STREAM_FRAME_BYTES_MAX } else { STREAM_UNPROVED_BYTES_MAX };
        if self.partial.is_empty() {
            let whole = whole_frames(bytes, frame_max)?;
            self.registration.give(&bytes[..whole]);
            self.partial.extend_from_slice(&bytes[whole..]);
            return Ok(whole);
        }
        self.partial.extend_from_slice(bytes);
        let whole = whole_frames(&self.partial, frame_max)?;
        if whole > 0 {
            self.registration.give(&self.partial[..whole]);
            // A new one, so that a connection between two frames keeps no memory.
            self.partial = self.partial[whole..].to_vec();
        }
        Ok(whole)
    }

    /// Corrects the sum of what all connections hold by the change of what this one does.
    fn count_partial(&self, before: usize) {
        let inbound = &self.registration.sums().inbound_bytes;
        inbound.fetch_add(self.partial.len(), Ordering::Relaxed);
        inbound.fetch_sub(before, Ordering::Relaxed);
    }

    /// Starts or stops the clock by whether the client has an allocation. Ready when the time is over.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, is_finished: bool) -> Poll<()> {
        let is_ending = self.is_at_end || is_finished;
        let is_pressed = is_ending || !self.registration.link.holds_allocation();
        if is_pressed && !self.is_pressed {
            let time = if is_ending { STREAM_LINGER_MAX } else { STREAM_UNPROVED_AGE_MAX };
            self.deadline.as_mut().reset(Instant::now() + time);
        }
        self.is_pressed = is_pressed;
        if is_pressed { self.deadline.as_mut().poll(cx) } else { Poll::Pending }
    }

    /// Every event of either side leads here.
    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<Over> {
        let (untaken, fate) = self.registration.link.watch(cx.waker());
        if fate == Fate::Stalled {
            return Poll::Ready(Over::Stalled);
        }
        let outbound = self.poll_outbound(cx);
        if let Poll::Ready(Err(_)) = outbound {
            return Poll::Ready(Over::Gone);
        }
        if fate == Fate::Joined
            && outbound.is_ready()
            && let Some(joint) = self.registration.link.take_joint()
        {
            return Poll::Ready(Over::Joined(Box::new(joint)));
        }
        let is_finished = fate == Fate::Finished;
        // A TLS client is told that this is the end and not a cut; a bare one gets its FIN by the close.
        if is_finished && outbound.is_ready() && Pin::new(&mut self.stream).poll_shutdown(cx).is_ready() {
            return Poll::Ready(Over::Done);
        }
        // What may stand behind a request to be joined is not for us.
        if !self.is_at_end && fate != Fate::Joined {
            match self.poll_inbound(cx, untaken) {
                Poll::Ready(Ok(())) => {
                    self.is_at_end = true;
                    self.is_pressed = false;
                    self.registration.end();
                }
                Poll::Ready(Err(over)) => return Poll::Ready(over),
                Poll::Pending => {}
            }
        }
        self.poll_deadline(cx, is_finished).map(|()| Over::Idle)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let before = std::mem::take(&mut self.partial).len();
        self.count_partial(before);
    }
}

/// Why a connection is over.
enum Over {
    /// Both sides said all.
    Done,
    /// The connection broke.
    Gone,
    /// What came is no TURN, or more than this client may send.
    NotTurn,
    /// No allocation within the time for it, or the end is not being read.
    Idle,
    /// The client does not read its answers, or does not end a long frame while there is no room for such.
    Stalled,
    /// From here on a peer's is at its other end.
    Joined(Box<Joint>),
}

/// How many bytes at the beginning are whole frames.
fn whole_frames(bytes: &[u8], frame_max: usize) -> Result<usize, Over> {
    let mut whole = 0;
    loop {
        match Frame::first(&bytes[whole..], frame_max) {
            Ok(Frame::Whole { taken, .. }) => whole += taken,
            Ok(Frame::Partial { .. }) => return Ok(whole),
            Err(_) => return Err(Over::NotTurn),
        }
    }
}

thread_local! {
    /// Where sockets are read into, one for all connections of a thread: most have nothing to keep.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; STREAM_READ_BYTES]);
}
