//! A stream that is read in large steps and holds no buffer while it is idle.
//!
//! A WebSocket reads in steps of one size, which it keeps as memory for ever: small ones cost a system call
//! each, large ones their size for every idle connection. Writes pass untouched.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits::READ_AHEAD_BYTES;

/// The stream, and what was read of it ahead.
pub(crate) struct Ahead<S> {
    stream: S,
    read: Vec<u8>,
    /// How much of `read` has been given out.
    given: usize,
}

impl<S> Ahead<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, read: Vec::new(), given: 0 }
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let left = &self.read[self.given..];
        let taken = left.len().min(buf.remaining());
        buf.put_slice(&left[..taken]);
        self.given += taken;
        if self.given == self.read.len() {
            (self.read, self.given) = (Vec::new(), 0);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Ahead<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        if !own.read.is_empty() {
            own.give(buf);
            return Poll::Ready(Ok(()));
        }
        if buf.remaining() >= READ_AHEAD_BYTES {
            return Pin::new(&mut own.stream).poll_read(cx, buf);
        }
        let mut space = [const { MaybeUninit::uninit() }; READ_AHEAD_BYTES];
        let mut ahead = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut own.stream).poll_read(cx, &mut ahead))?;
        let (now, later) = ahead.filled().split_at(ahead.filled().len().min(buf.remaining()));
        buf.put_slice(now);
        own.read = later.to_vec();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Ahead<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// Counts how often it is asked.
    struct Counted<'a>(&'a [u8], usize);

    impl AsyncRead for Counted<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let (now, later) = self.0.split_at(self.0.len().min(buf.remaining()));
            buf.put_slice(now);
            self.0 = later;
            self.1 += 1;
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn all_bytes_come_once_in_order_and_in_few_reads() {
        let sent: Vec<u8> = (0..30_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut stream = Ahead::new(Counted(&sent, 0));
        let (mut heard, mut chunk) = (Vec::new(), [0; 1000]);
        loop {
            match stream.read(&mut chunk).await.unwrap() {
                0 => break,
                n => heard.extend_from_slice(&chunk[..n]),
            }
        }
        assert!(heard == sent);
        assert!(stream.stream.1 <= sent.len() / READ_AHEAD_BYTES + 2, "{} reads", stream.stream.1);
        assert_eq!(stream.read.capacity(), 0, "nothing is kept");
    }

    #[tokio::test]
    async fn a_small_message_is_one_read() {
        let mut stream = Ahead::new(Counted(b"short", 0));
        let mut chunk = [0; 1000];
        assert_eq!(stream.read(&mut chunk).await.unwrap(), 5);
        assert_eq!((stream.stream.1, stream.read.capacity()), (1, 0));
    }
}
