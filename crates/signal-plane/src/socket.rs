//! One WebSocket: frames in, messages out, pings, an orderly end (RFC 6455).
//!
//! It judges size, kind and pace of frames; what a message means is the matcher's.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use match_core::limits::MESSAGE_BYTES_MAX;
use match_core::{Budget, ConnectionId, ErrorCode, Inbound, ServerMessage, Verdict, error, error_retry};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use crate::actor::{Command, Outgoing};
use crate::counters::Refusal;
use crate::fragments::Fragments;
use crate::http::Upgraded;
use crate::limits::{MESSAGE_OVERHEAD_BYTES, READ_BUFFER_BYTES, WRITE_BUFFER_BYTES_MAX};
use crate::signal::Inner;
use crate::stream::linger;

/// Runs a WebSocket to its end.
pub(crate) async fn run<S>(inner: &Arc<Inner>, upgraded: Upgraded<S>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let Upgraded { stream, host } = upgraded;
    let socket = WebSocketStream::from_raw_socket(Fragments::new(stream), Role::Server, Some(config)).await;
    let bytes = inner.config.limits.outbound_bytes_max;
    let room = Arc::new(Semaphore::new(bytes));
    // The bytes are what bounds it: as many messages as they can pay for, and the last one, which costs none.
    let (outbox, inbox) = mpsc::channel(bytes / MESSAGE_OVERHEAD_BYTES + 1);
    let (reply, id) = oneshot::channel();
    let mut socket = Socket {
        budget: Budget::new(&inner.config.matcher.limits, inner.clock.now().mono),
        inner: inner.clone(),
        socket,
        inbox,
    };
    if inner.commands.send(Command::Opened { outbox, room, host, reply }).await.is_err() {
        return;
    }
    let Ok(Some(id)) = id.await else {
        inner.shared.count_refusal(Refusal::Full);
        let end = socket.last_words(ErrorCode::ServerFull, CloseCode::Again, "server-full").await;
        return socket.finish(end).await;
    };
    let end = socket.exchange(id).await;
    // Before the closing handshake: the partner should not wait for it.
    let _ = inner.commands.send(Command::Closed(id)).await;
    socket.finish(end).await;
}

/// How a WebSocket ends.
enum End {
    /// Nothing more can be said to the peer.
    Lost,
    /// The peer has sent its close frame.
    PeerClosed,
    /// We close, for this reason.
    Close(CloseCode, &'static str),
}

struct Socket<S> {
    inner: Arc<Inner>,
    socket: WebSocketStream<S>,
    inbox: mpsc::Receiver<Outgoing>,
    budget: Budget,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Carries messages both ways until something ends it.
    async fn exchange(&mut self, id: ConnectionId) -> End {
        let ping_every = Duration::from_millis(self.inner.config.limits.ping_ms);
        let mut ping_at = Instant::now() + ping_every;
        let mut is_heard = true;
        loop {
            let step = tokio::select! {
                outgoing = self.inbox.recv() => match outgoing {
                    Some(Outgoing::Text(text, _room)) => self.write(Message::Text(text)).await,
                    Some(Outgoing::Close(code, reason)) => Err(End::Close(code, reason)),
                    None => Err(self.refuse(Refusal::SlowReader)),
                },
                frame = self.socket.next() => {
                    is_heard = true;
                    self.handle_frame(id, frame).await
                }
                () = sleep_until(ping_at) => {
                    ping_at += ping_every;
                    if std::mem::take(&mut is_heard) {
                        self.write(Message::Ping(Bytes::new())).await
                    } else {
                        Err(self.refuse(Refusal::PingTimeout))
                    }
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn handle_frame(
        &mut self,
        id: ConnectionId,
        frame: Option<Result<Message, Error>>,
    ) -> Result<(), End> {
        let message = match frame {
            None | Some(Ok(Message::Close(_))) => return Err(End::PeerClosed),
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(self.handle_broken(&error).await),
        };
        match self.budget.take(self.inner.clock.now().mono) {
            Verdict::Pass => {}
            Verdict::TooFast { retry_ms } if message.is_text() => {
                self.inner.shared.count_error(ErrorCode::TooFast);
                return self.say(&error_retry(ErrorCode::TooFast, retry_ms)).await;
            }
            Verdict::TooFast { .. } => return Ok(()),
            Verdict::Exhausted => {
                self.refuse(Refusal::TooFast);
                return Err(self.last_words(ErrorCode::TooFast, CloseCode::Policy, "too-fast").await);
            }
        }
        match message {
            Message::Text(text) => {
                let command = Command::Message(id, Inbound::parse(&text));
                self.inner
                    .commands
                    .send(command)
                    .await
                    .map_err(|_| End::Close(CloseCode::Away, "the server stops"))
            }
            Message::Binary(_) => {
                self.refuse(Refusal::WebSocket);
                Err(self.last_words(ErrorCode::BadMessage, CloseCode::Unsupported, "text frames only").await)
            }
            _ => Ok(()),
        }
    }

    /// What the WebSocket layer could not read.
    async fn handle_broken(&mut self, error: &Error) -> End {
        match error {
            Error::Capacity(_) => {
                self.refuse(Refusal::TooLarge);
                self.last_words(ErrorCode::TooLarge, CloseCode::Size, "too-large").await
            }
            Error::Utf8(_) => {
                self.refuse(Refusal::WebSocket);
                End::Close(CloseCode::Invalid, "not UTF-8")
            }
            Error::Protocol(error) if !is_loss(error) => {
                self.refuse(Refusal::WebSocket);
                End::Close(CloseCode::Protocol, "not RFC 6455")
            }
            Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
                self.refuse(Refusal::WebSocket);
                End::Close(CloseCode::Policy, "too many fragments")
            }
            _ => End::Lost,
        }
    }

    /// A fatal error, then the close.
    async fn last_words(&mut self, code: ErrorCode, close: CloseCode, reason: &'static str) -> End {
        if code != ErrorCode::ServerFull {
            // The matcher has counted that one.
            self.inner.shared.count_error(code);
        }
        match self.say(&error(code, true)).await {
            Ok(()) => End::Close(close, reason),
            Err(end) => end,
        }
    }

    async fn say(&mut self, message: &ServerMessage) -> Result<(), End> {
        self.write(Message::Text(message.to_json().into())).await
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        let patience = Duration::from_millis(self.inner.config.limits.write_ms_max);
        match timeout(patience, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Lost),
            Err(_) => Err(self.refuse(Refusal::SlowReader)),
        }
    }

    /// Counts a refusal after which nothing more is said.
    fn refuse(&self, reason: Refusal) -> End {
        self.inner.shared.count_refusal(reason);
        tracing::debug!(reason = reason.label(), "a connection is dropped");
        End::Lost
    }

    /// Whether the peer answers our close frame; not if it goes on talking or cannot be read.
    async fn hears_close(&mut self) -> bool {
        for _ in 0..MESSAGES_AFTER_CLOSE_MAX {
            match self.socket.next().await {
                Some(Ok(Message::Close(_))) => return true,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return false,
            }
        }
        false
    }

    /// The closing handshake, within its time.
    async fn finish(mut self, end: End) {
        let patience = Duration::from_millis(self.inner.config.limits.close_ms_max);
        let handshake = async {
            match end {
                End::Lost => {}
                // Reading on sends the answer to the peer's close frame.
                End::PeerClosed => while let Some(Ok(_)) = self.socket.next().await {},
                End::Close(code, reason) => {
                    let frame = CloseFrame { code, reason: reason.into() };
                    if self.socket.close(Some(frame)).await.is_ok() && !self.hears_close().await {
                        linger(self.socket.get_mut()).await;
                    }
                }
            }
        };
        let _ = timeout(patience, handshake).await;
    }
}

/// Whether a "protocol error" is only the end of the stream without a close frame.
fn is_loss(error: &ProtocolError) -> bool {
    matches!(error, ProtocolError::ResetWithoutClosingHandshake)
}

/// Frames a peer may still have had on the way.
const MESSAGES_AFTER_CLOSE_MAX: usize = 64;
