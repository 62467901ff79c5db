//! A stream whose reads are looked at before anybody else sees them, and the look that HTTP needs.
//!
//! Writes pass untouched.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};

use crate::limits::LINGER_BYTES_MAX;

/// The stream, watched.
pub(crate) struct Watched<S, W> {
    stream: S,
    watch: W,
}

/// Looks at what was read.
pub(crate) trait Watch: Unpin {
    /// May change the bytes, or fail the read.
    fn look(&mut self, bytes: &mut [u8]) -> io::Result<()>;
}

/// Lets no line end in a lone LF while HTTP is spoken.
///
/// The HTTP parser takes a lone LF for a line's end (RFC 9112 §2.2 allows it); something in front of us may
/// not, and the two would then disagree about where a request ends. A lone LF becomes a NUL, which the parser
/// answers with 400. Since no request of ours has a body, all that comes before an upgrade is lines.
#[derive(Default)]
pub(crate) struct StrictLines {
    last: u8,
}

impl<S, W> Watched<S, W> {
    pub(crate) fn new(stream: S, watch: W) -> Self {
        Self { stream, watch }
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}

impl Watch for StrictLines {
    fn look(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        for byte in bytes {
            if *byte == b'\n' && self.last != b'\r' {
                *byte = 0;
            }
            self.last = *byte;
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin, W: Watch> AsyncRead for Watched<S, W> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let own = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut own.stream).poll_read(cx, buf))?;
        Poll::Ready(own.watch.look(&mut buf.filled_mut()[before..]))
    }
}

impl<S: AsyncWrite + Unpin, W: Watch> AsyncWrite for Watched<S, W> {
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

/// Ends the stream and reads on a little: closing over unread bytes would make the kernel throw away our last
/// words.
pub(crate) async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let (mut read, mut buffer) = (0, [0; 512]);
    while read < LINGER_BYTES_MAX {
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => read += n,
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lone_lf_does_not_survive_wherever_it_is_cut() {
        for cut in 0..7 {
            let (head, tail) = b"a\r\nb\nc\r".split_at(cut);
            let mut stream = Watched::new(head.chain(tail), StrictLines::default());
            let mut out = Vec::new();
            stream.read_to_end(&mut out).await.unwrap();
            assert_eq!(out, b"a\r\nb\0c\r");
        }
    }
}
