//! One client's connection to the matcher, whatever carries it: messages in, messages out, an orderly end.
//!
//! It judges size, kind and pace of what comes; what a message means is the matcher's, how it looks on the
//! wire is the [`Transport`]'s.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use match_core::{
    Budget, ClientMessage, ConnectionId, Departure, ErrorCode, Inbound, Origin, ServerMessage, Verdict,
    error, error_retry,
};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::actor::{Command, Outgoing};
use crate::counters::Refusal;
use crate::limits::MESSAGE_OVERHEAD_BYTES;
use crate::signal::Inner;

/// What carries messages: each whole, in order, both ways.
pub(crate) trait Transport: Send {
    /// Whether a silent peer has to be asked if it is still there; `false` where what is below does that.
    const NEEDS_PINGS: bool;

    /// The next thing that comes. May be dropped and called again without losing any.
    fn receive(&mut self) -> impl Future<Output = Received> + Send;

    /// Sends a message; an error means that nothing more can be said.
    fn send(&mut self, text: Utf8Bytes) -> impl Future<Output = Result<(), Lost>> + Send;

    /// Asks, so that a peer who is there has to send something.
    fn ping(&mut self) -> impl Future<Output = Result<(), Lost>> + Send {
        std::future::ready(Ok(()))
    }

    /// Ends the connection in the transport's own way; the caller limits its time.
    fn finish(self, end: End) -> impl Future<Output = ()> + Send;
}

/// What a transport takes in.
pub(crate) enum Received {
    /// A message.
    Text(Utf8Bytes),
    /// Something that is no message and costs as much.
    Control,
    /// A frame that no client of ours sends.
    Bad(Fault),
    /// The peer says goodbye.
    Closed,
    /// The peer is gone.
    Lost,
}

/// Nothing more can be said to the peer.
pub(crate) struct Lost;

/// What is wrong with a frame, and how the connection ends for it.
pub(crate) struct Fault {
    pub(crate) refusal: Refusal,
    /// What is said before the close, if the peer could still understand it.
    pub(crate) error: Option<ErrorCode>,
    pub(crate) close: CloseCode,
    pub(crate) reason: &'static str,
}

/// How a connection ends.
pub(crate) enum End {
    /// Nothing more can be said to the peer.
    Lost,
    /// The peer has said goodbye.
    PeerClosed,
    /// We close, for this reason.
    Close(CloseCode, &'static str),
}

impl End {
    /// Whether the client may come back for what it left behind.
    fn departure(&self) -> Departure {
        match self {
            Self::Lost => Departure::Lost,
            Self::PeerClosed | Self::Close(..) => Departure::Left,
        }
    }
}

/// Runs a connection to its end. `host`: by which it was reached, without port; `address`: where it comes
/// from, if that tells one person from another.
pub(crate) async fn run<T: Transport>(
    inner: &Arc<Inner>,
    transport: T,
    host: Box<str>,
    address: Option<IpAddr>,
) {
    let bytes = inner.config.limits.outbound_bytes_max;
    let room = Arc::new(Semaphore::new(bytes));
    // The bytes are what bounds it: as many messages as they can pay for, and the last one, which costs none.
    let (outbox, inbox) = mpsc::channel(bytes / MESSAGE_OVERHEAD_BYTES + 1);
    let (reply, id) = oneshot::channel();
    let mut exchange = Exchange {
        budget: Budget::new(&inner.config.matcher.limits, inner.clock.now().mono),
        inner: inner.clone(),
        transport,
        inbox,
        is_admitted: false,
    };
    let origin = address.map(Origin::from);
    if inner.commands.send(Command::Opened { outbox, room, host, origin, reply }).await.is_err() {
        return;
    }
    let Ok(Some(id)) = id.await else {
        inner.shared.count_refusal(Refusal::Full);
        let end = exchange.last_words(ErrorCode::ServerFull, CloseCode::Again, "server-full").await;
        return exchange.finish(end).await;
    };
    let end = exchange.carry(id).await;
    // Before the closing handshake: the partner should not wait for it.
    let _ = inner.commands.send(Command::Closed(id, end.departure())).await;
    exchange.finish(end).await;
}

struct Exchange<T> {
    inner: Arc<Inner>,
    transport: T,
    inbox: mpsc::Receiver<Outgoing>,
    budget: Budget,
    /// Whether a token was good; it is asked for once, though `hello` may come again with a proof of work.
    is_admitted: bool,
}

impl<T: Transport> Exchange<T> {
    /// Carries messages both ways until something ends it.
    async fn carry(&mut self, id: ConnectionId) -> End {
        let ping_every = Duration::from_millis(self.inner.config.limits.ping_ms);
        let mut ping_at = Instant::now() + ping_every;
        let mut is_heard = true;
        loop {
            let step = tokio::select! {
                outgoing = self.inbox.recv() => match outgoing {
                    Some(Outgoing::Text(text, _room)) => self.write(text).await,
                    Some(Outgoing::Close(code, reason)) => Err(End::Close(code, reason)),
                    None => Err(self.refuse(Refusal::SlowReader)),
                },
                received = self.transport.receive() => {
                    is_heard = true;
                    self.handle(id, received).await
                }
                () = sleep_until(ping_at), if T::NEEDS_PINGS => {
                    ping_at += ping_every;
                    if std::mem::take(&mut is_heard) {
                        self.ping().await
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

    async fn handle(&mut self, id: ConnectionId, received: Received) -> Result<(), End> {
        let text = match received {
            Received::Text(text) => Some(text),
            Received::Control => None,
            Received::Bad(fault) => return Err(self.handle_fault(fault).await),
            Received::Closed => return Err(End::PeerClosed),
            Received::Lost => return Err(End::Lost),
        };
        match (self.budget.take(self.inner.clock.now().mono), text) {
            (Verdict::Pass, Some(text)) => {
                let inbound = self.admitted(Inbound::parse(&text));
                let sent = self.inner.commands.send(Command::Message(id, inbound)).await;
                sent.map_err(|_| End::Close(CloseCode::Away, "the server stops"))
            }
            (Verdict::TooFast { retry_ms }, Some(_)) => {
                self.inner.shared.count_error(ErrorCode::TooFast);
                self.say(&error_retry(ErrorCode::TooFast, retry_ms)).await
            }
            (Verdict::Pass | Verdict::TooFast { .. }, None) => Ok(()),
            (Verdict::Exhausted, _) => {
                self.refuse(Refusal::TooFast);
                Err(self.last_words(ErrorCode::TooFast, CloseCode::Policy, "too-fast").await)
            }
        }
    }

    /// Checks the token that a `hello` may bring.
    fn admitted(&mut self, mut inbound: Inbound) -> Inbound {
        if let Inbound::Message(ClientMessage::Hello(hello)) = &mut inbound {
            let unix_s = self.inner.clock.now().unix_s;
            self.is_admitted = self.is_admitted
                || hello.token().is_some_and(|token| self.inner.config.doorkeeper.admits(token, unix_s));
            if self.is_admitted {
                hello.admit();
            }
        }
        inbound
    }

    async fn handle_fault(&mut self, fault: Fault) -> End {
        self.refuse(fault.refusal);
        match fault.error {
            Some(code) => self.last_words(code, fault.close, fault.reason).await,
            None => End::Close(fault.close, fault.reason),
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
        self.write(message.to_json().into()).await
    }

    async fn write(&mut self, text: Utf8Bytes) -> Result<(), End> {
        let sent = timeout(self.patience(), self.transport.send(text)).await;
        self.judge(sent)
    }

    async fn ping(&mut self) -> Result<(), End> {
        let sent = timeout(self.patience(), self.transport.ping()).await;
        self.judge(sent)
    }

    /// How long one write may take.
    fn patience(&self) -> Duration {
        Duration::from_millis(self.inner.config.limits.write_ms_max)
    }

    fn judge<E>(&self, sent: Result<Result<(), Lost>, E>) -> Result<(), End> {
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Lost)) => Err(End::Lost),
            Err(_late) => Err(self.refuse(Refusal::SlowReader)),
        }
    }

    /// Counts a refusal after which nothing more is said.
    fn refuse(&self, reason: Refusal) -> End {
        self.inner.shared.count_refusal(reason);
        tracing::debug!(reason = reason.label(), "a connection is dropped");
        End::Lost
    }

    /// The closing handshake, within its time.
    async fn finish(self, end: End) {
        let patience = Duration::from_millis(self.inner.config.limits.close_ms_max);
        let _ = timeout(patience, self.transport.finish(end)).await;
    }
}
