//! A client's connection and a peer's, joined: what one says the other hears. It is held up by whoever does
//! not read, by nothing but a piece in each direction and the kernel's buffers. RFC 6062 §5.4, §5.5.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use turn_core::{Direction, Toll};

use super::{Joint, reset};
use crate::clock::Clock;
use crate::limits::{PIPE_BYTES, PIPE_HALF_OPEN_IDLE_MAX};
use crate::streams::Sums;
use crate::web::Stream;

/// Answers the client and carries bytes until both have said all, one of them breaks, or the allocation ends.
/// `early` came from the client behind its request.
pub(crate) async fn pipe(client: &mut Stream, mut joint: Joint, early: &[u8], clock: Clock, sums: &Sums) {
    let closed = &mut joint.closed;
    let both = Both { toll: &joint.toll, clock, sums, moved: AtomicU64::new(0) };
    let (answer, peer) = (&joint.answer, &mut joint.peer);
    tokio::select! {
        _ = closed => {}
        carried = both.carry(client, answer, peer, early) => {
            if carried.is_err() {
                //= RFC 6062 §5.5: "When a client data connection is closed, the server MUST close the
                //= corresponding peer data connection. When a peer data connection is closed, the server MUST
                //= close the corresponding client data connection"
                // A broken one is not the end of what was to be said.
                reset(&joint.peer);
                reset(client.tcp());
            }
        }
    }
}

/// Both ways of one pipe.
struct Both<'a> {
    toll: &'a Toll,
    clock: Clock,
    sums: &'a Sums,
    /// Bytes so far.
    moved: AtomicU64,
}

impl Both<'_> {
    async fn carry(
        &self,
        client: &mut Stream,
        answer: &[u8],
        peer: &mut tokio::net::TcpStream,
        early: &[u8],
    ) -> io::Result<()> {
        client.write_all(answer).await?;
        client.flush().await?;
        peer.write_all(early).await?;
        let (from_client, to_client) = tokio::io::split(client);
        let (from_peer, to_peer) = peer.split();
        let mut up = pin!(self.carry_one_way(Direction::Sent, from_client, to_peer));
        let mut down = pin!(self.carry_one_way(Direction::Received, from_peer, to_client));
        tokio::select! {
            ended = &mut up => {
                ended?;
                self.finish(down).await
            }
            ended = &mut down => {
                ended?;
                self.finish(up).await
            }
        }
    }

    /// Carries what is left to say after one side has said all.
    async fn finish(&self, mut rest: impl Future<Output = io::Result<()>> + Unpin) -> io::Result<()> {
        loop {
            let before = self.moved.load(Ordering::Relaxed);
            match timeout(PIPE_HALF_OPEN_IDLE_MAX, &mut rest).await {
                Ok(ended) => return ended,
                Err(_) if self.moved.load(Ordering::Relaxed) == before => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(_) => {}
            }
        }
    }

    async fn carry_one_way(
        &self,
        direction: Direction,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let mut piece = vec![0; PIPE_BYTES];
        loop {
            let length = from.read(&mut piece).await?;
            if length == 0 {
                return to.shutdown().await;
            }
            let rest = self.toll.charge(direction, length, self.clock.now().mono);
            to.write_all(&piece[..length]).await?;
            to.flush().await?;
            self.count(direction, length);
            if rest > Duration::ZERO {
                sleep(rest).await;
            }
        }
    }

    fn count(&self, direction: Direction, length: usize) {
        let sum = match direction {
            Direction::Sent => &self.sums.tcp_to_peer_bytes,
            Direction::Received => &self.sums.tcp_from_peer_bytes,
        };
        sum.fetch_add(length as u64, Ordering::Relaxed);
        self.moved.fetch_add(length as u64, Ordering::Relaxed);
    }
}
