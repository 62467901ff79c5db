//! Messages on a QUIC stream, each behind its length: four bytes, big-endian.
//!
//! What they say is judged in `exchange`; who opened the stream is the business of `quic` and
//! `web_transport`.

use match_core::ErrorCode;
use match_core::limits::MESSAGE_BYTES_MAX;
use quinn::ConnectionError::ApplicationClosed;
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_tungstenite::tungstenite::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::counters::Refusal;
use crate::exchange::{End, Fault, Lost, Received, Transport};
use crate::limits::READ_BUFFER_BYTES;

/// The signaling's stream of one QUIC connection.
pub(crate) struct Stream<F> {
    reader: Reader<RecvStream>,
    send: SendStream,
    connection: Connection,
    farewell: F,
}

/// How a code and a reason are told to the peer before the connection closes.
pub(crate) trait Farewell: Send {
    /// The code of a close with nothing to say.
    const NOTHING: VarInt;

    /// Returns when the peer says goodbye by other means than the stream. May be dropped and called again.
    fn heard(&mut self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Says goodbye; what it sends must reach the peer before the connection is closed with this code.
    fn say(&mut self, code: u16, reason: &str) -> impl Future<Output = VarInt> + Send;
}

impl<F: Farewell> Stream<F> {
    pub(crate) fn new(stream: (SendStream, RecvStream), connection: Connection, farewell: F) -> Self {
        let (send, recv) = stream;
        Self { reader: Reader::new(recv), send, connection, farewell }
    }
}

impl<F: Farewell> Transport for Stream<F> {
    // QUIC does both by itself: a keep-alive from us, an end when nothing comes back.
    const NEEDS_PINGS: bool = false;

    async fn receive(&mut self) -> Received {
        let received = tokio::select! {
            received = self.reader.next() => received,
            () = self.farewell.heard() => Received::Closed,
        };
        match received {
            // A close on purpose carries a code of the application's.
            Received::Lost if matches!(self.connection.close_reason(), Some(ApplicationClosed(_))) => {
                Received::Closed
            }
            received => received,
        }
    }

    async fn feed(&mut self, text: Bytes) -> Result<(), Lost> {
        let length = u32::try_from(text.len()).expect("no message has 4 GiB");
        let mut framed = Vec::with_capacity(size_of::<u32>() + text.len());
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(&text);
        self.send.write_all(&framed).await.map_err(|_| Lost)
    }

    async fn flush(&mut self) -> Result<(), Lost> {
        // QUIC packs what it is given by itself.
        Ok(())
    }

    async fn finish(mut self, end: End) {
        let code = match end {
            End::Lost | End::PeerClosed => F::NOTHING,
            End::Close(code, reason) => {
                // A close throws away what has not arrived: first the last words, then the end.
                if self.send.finish().is_ok() {
                    let _ = self.send.stopped().await;
                }
                self.farewell.say(code.into(), reason).await
            }
        };
        self.connection.close(code, b"");
    }
}

/// Puts messages together. A read that is given up loses nothing.
struct Reader<R> {
    stream: R,
    head: [u8; 4],
    head_filled: usize,
    body: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    fn new(stream: R) -> Self {
        Self { stream, head: [0; 4], head_filled: 0, body: Vec::new() }
    }

    async fn next(&mut self) -> Received {
        while self.head_filled < self.head.len() {
            match self.stream.read(&mut self.head[self.head_filled..]).await {
                Ok(0) if self.head_filled == 0 => return Received::Closed,
                Ok(0) | Err(_) => return Received::Lost,
                Ok(n) => self.head_filled += n,
            }
        }
        let length = u32::from_be_bytes(self.head) as usize;
        if length > MESSAGE_BYTES_MAX {
            return Received::Bad(Fault {
                refusal: Refusal::TooLarge,
                error: Some(ErrorCode::TooLarge),
                close: CloseCode::Size,
                reason: "too-large",
            });
        }
        // In small steps: a length that is only claimed costs nothing.
        let mut chunk = [0; READ_BUFFER_BYTES];
        while self.body.len() < length {
            let wanted = chunk.len().min(length - self.body.len());
            match self.stream.read(&mut chunk[..wanted]).await {
                Ok(0) | Err(_) => return Received::Lost,
                Ok(n) => self.body.extend_from_slice(&chunk[..n]),
            }
        }
        self.head_filled = 0;
        match String::from_utf8(std::mem::take(&mut self.body)) {
            Ok(text) => Received::Text(text.into()),
            Err(_) => Received::Bad(Fault {
                refusal: Refusal::Frame,
                error: None,
                close: CloseCode::Invalid,
                reason: "not UTF-8",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn framed(text: &[u8]) -> Vec<u8> {
        [&(text.len() as u32).to_be_bytes(), text].concat()
    }

    async fn text(reader: &mut Reader<impl AsyncRead + Unpin>) -> String {
        match reader.next().await {
            Received::Text(text) => text.to_string(),
            _ => panic!("a message"),
        }
    }

    #[tokio::test]
    async fn messages_survive_every_cut_and_a_read_that_is_given_up() {
        let bytes = [framed(b"{}"), framed(b""), framed("ü".as_bytes())].concat();
        for cut in 0..bytes.len() {
            let (mut client, server) = tokio::io::duplex(64);
            let mut reader = Reader::new(server);
            client.write_all(&bytes[..cut]).await.unwrap();
            let mut heard = Vec::new();
            // Polled once with what is there, then given up.
            loop {
                tokio::select! {
                    biased;
                    received = reader.next() => match received {
                        Received::Text(text) => heard.push(text.to_string()),
                        _ => panic!("a message"),
                    },
                    () = std::future::ready(()) => break,
                }
            }
            client.write_all(&bytes[cut..]).await.unwrap();
            while heard.len() < 3 {
                heard.push(text(&mut reader).await);
            }
            assert_eq!(heard, ["{}", "", "ü"]);
        }
    }

    #[tokio::test]
    async fn a_claimed_length_costs_nothing_and_too_large_a_one_is_a_fault() {
        let largest = (MESSAGE_BYTES_MAX as u32).to_be_bytes();
        let mut reader = Reader::new(&largest[..]);
        assert!(matches!(reader.next().await, Received::Lost));
        assert_eq!(reader.body.capacity(), 0);
        for length in [MESSAGE_BYTES_MAX as u32 + 1, u32::MAX] {
            let bytes = length.to_be_bytes();
            let received = Reader::new(&bytes[..]).next().await;
            assert!(matches!(received, Received::Bad(Fault { error: Some(ErrorCode::TooLarge), .. })));
        }
    }

    #[tokio::test]
    async fn an_end_between_messages_is_a_goodbye_and_in_one_a_loss() {
        assert!(matches!(Reader::new(&b""[..]).next().await, Received::Closed));
        for bytes in [&b"\0"[..], b"\0\0\0\x02{"] {
            assert!(matches!(Reader::new(bytes).next().await, Received::Lost));
        }
        let bytes = framed(b"\xff");
        assert!(matches!(Reader::new(&bytes[..]).next().await, Received::Bad(Fault { error: None, .. })));
    }
}
