//! A WebSocket as a transport of messages: frames, pings, the closing handshake (RFC 6455).
//!
//! What it carries is judged in `exchange`.

use std::io::ErrorKind;

use futures_util::{SinkExt as _, StreamExt as _};
use match_core::ErrorCode;
use match_core::limits::MESSAGE_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use crate::ahead::Ahead;
use crate::counters::Refusal;
use crate::exchange::{End, Fault, Lost, Received, Transport};
use crate::fragments::Fragments;
use crate::limits::{READ_BUFFER_BYTES, WRITE_BUFFER_BYTES_MAX, WRITE_BYTES};
use crate::stream::{Watched, linger};

/// One WebSocket, on a stream whose handshake is done.
pub(crate) struct Socket<S> {
    /// Boxed, because a future keeps a place for each time that a thing is moved.
    frames: Box<WebSocketStream<Watched<Ahead<S>, Fragments>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Socket<S> {
    pub(crate) async fn new(stream: S) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(WRITE_BYTES)
            .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let stream = Watched::new(Ahead::new(stream), Fragments::default());
        let frames = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
        Self { frames: Box::new(frames) }
    }

    /// Whether the peer answers our close frame; not if it goes on talking or cannot be read.
    async fn hears_close(&mut self) -> bool {
        for _ in 0..MESSAGES_AFTER_CLOSE_MAX {
            match self.frames.next().await {
                Some(Ok(Message::Close(_))) => return true,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return false,
            }
        }
        false
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Transport for Socket<S> {
    const NEEDS_PINGS: bool = true;

    async fn receive(&mut self) -> Received {
        match self.frames.next().await {
            None | Some(Ok(Message::Close(_))) => Received::Closed,
            Some(Ok(Message::Text(text))) => Received::Text(text),
            Some(Ok(Message::Binary(_))) => Received::Bad(Fault {
                refusal: Refusal::Frame,
                error: Some(ErrorCode::BadMessage),
                close: CloseCode::Unsupported,
                reason: "text frames only",
            }),
            Some(Ok(_)) => Received::Control,
            Some(Err(error)) => unreadable(&error).map_or(Received::Lost, Received::Bad),
        }
    }

    async fn feed(&mut self, text: Bytes) -> Result<(), Lost> {
        // As a frame: a text would be looked through once more for what is no UTF-8.
        let frame = Frame::message(text, OpCode::Data(Data::Text), true);
        self.frames.feed(Message::Frame(frame)).await.map_err(|_| Lost)
    }

    async fn flush(&mut self) -> Result<(), Lost> {
        self.frames.flush().await.map_err(|_| Lost)
    }

    async fn ping(&mut self) -> Result<(), Lost> {
        self.frames.send(Message::Ping(Bytes::new())).await.map_err(|_| Lost)
    }

    async fn finish(mut self, end: End) {
        match end {
            End::Lost => {}
            // Reading on sends the answer to the peer's close frame.
            End::PeerClosed => while let Some(Ok(_)) = self.frames.next().await {},
            End::Close(code, reason) => {
                let frame = CloseFrame { code, reason: reason.into() };
                if (*self.frames).close(Some(frame)).await.is_ok() && !self.hears_close().await {
                    linger(self.frames.get_mut()).await;
                }
            }
        }
    }
}

/// What the WebSocket layer could not read; `None`: the stream has ended.
fn unreadable(error: &Error) -> Option<Fault> {
    let silent = |close, reason| Fault { refusal: Refusal::Frame, error: None, close, reason };
    match error {
        Error::Capacity(_) => Some(Fault {
            refusal: Refusal::TooLarge,
            error: Some(ErrorCode::TooLarge),
            close: CloseCode::Size,
            reason: "too-large",
        }),
        Error::Utf8(_) => Some(silent(CloseCode::Invalid, "not UTF-8")),
        // A "protocol error" that is only the end of the stream without a close frame.
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(silent(CloseCode::Protocol, "not RFC 6455")),
        Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            Some(silent(CloseCode::Policy, "too many fragments"))
        }
        _ => None,
    }
}

/// Frames a peer may still have had on the way.
const MESSAGES_AFTER_CLOSE_MAX: usize = 64;
