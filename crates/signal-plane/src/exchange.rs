//! One client's connection to the matcher, whatever carries it: messages in, messages out, an orderly end.
//!
//! It judges size, kind and pace of what comes; what a message means is the matcher's, how it looks on the
//! wire is the [`Transport`]'s.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use match_core::{
    Budget, ClientMessage, ConnectionId, Departure, ErrorCode, Inbound, Origin, ServerMessage, Verdict, error,
};
use tokio::sync::oneshot;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Utf8Bytes};

use crate::actor::Command;
use crate::counters::Refusal;
use crate::limits::{BYTES_PER_TURN_SHARE, WRITE_BYTES};
use crate::outbox::{Inbox, Outgoing, outbox};
use crate::pool::Share;
use crate::signal::Inner;

/// What carries messages: each whole, in order, both ways.
pub(crate) trait Transport: Send {
    /// Whether a silent peer has to be asked if it is still there; `false` where what is below does that.
    const NEEDS_PINGS: bool;

    /// The next thing that comes. May be dropped and called again without losing any.
    fn receive(&mut self) -> impl Future<Output = Received> + Send;

    /// Takes a message, which is UTF-8, to be sent by the next `flush` at the latest; an error means that
    /// nothing more can be said.
    fn feed(&mut self, text: Bytes) -> impl Future<Output = Result<(), Lost>> + Send;

    /// Sends what was taken.
    fn flush(&mut self) -> impl Future<Output = Result<(), Lost>> + Send;

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
    let share = inner.pool.join();
    let (outbox, inbox) = outbox(inner.config.limits.outbound_bytes_max, Arc::clone(&share));
    let (reply, id) = oneshot::channel();
    let mut exchange = Exchange {
        budget: Budget::new(&inner.config.matcher.limits, inner.clock.mono()),
        inner: inner.clone(),
        transport,
        inbox,
        share,
    };
    let origin = address.map(Origin::from);
    if inner.commands.send(Command::Opened { outbox, host, origin, reply }).await.is_err() {
        return;
    }
    let Ok(Some(id)) = id.await else {
        inner.shared.count_refusal(Refusal::Full);
        let full = exchange.last_words(ErrorCode::ServerFull, CloseCode::Again, "server-full");
        let end = Box::pin(full).await;
        return Box::pin(exchange.finish(end)).await;
    };
    let end = exchange.carry(id).await;
    // Before the closing handshake: the partner should not wait for it.
    let _ = inner.commands.send(Command::Closed(id, end.departure())).await;
    // Boxed, so that an idle connection keeps no place for how it ends.
    Box::pin(exchange.finish(end)).await;
}

struct Exchange<T> {
    inner: Arc<Inner>,
    transport: T,
    inbox: Inbox,
    share: Arc<Share>,
    budget: Budget,
}

impl<T: Transport> Exchange<T> {
    /// Carries messages both ways until something ends it.
    async fn carry(&mut self, id: ConnectionId) -> End {
        let ping_every = Duration::from_millis(self.inner.config.limits.ping_ms);
        // One alarm for the connection's life: setting one costs more than looking at it.
        let mut ping = pin!(sleep_until(Instant::now() + ping_every));
        let mut is_heard = true;
        loop {
            let step = tokio::select! {
                outgoing = self.inbox.next() => match outgoing {
                    Some(Outgoing::Text(text)) => self.write(text).await,
                    Some(Outgoing::Close(code, reason)) => Err(End::Close(code, reason)),
                    None => Err(End::Lost),
                },
                () = self.share.over() => Err(self.refuse(Refusal::SlowReader)),
                received = self.transport.receive() => {
                    is_heard = true;
                    self.handle(id, received).await
                }
                () = &mut ping, if T::NEEDS_PINGS => {
                    let last = ping.deadline();
                    ping.as_mut().reset(last + ping_every);
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
            Received::Bad(fault) => return Err(Box::pin(self.handle_fault(fault)).await),
            Received::Closed => return Err(End::PeerClosed),
            Received::Lost => return Err(End::Lost),
        };
        match (self.budget.take(self.inner.clock.mono()), text) {
            (Verdict::Pass, Some(text)) => {
                // A long message takes longer to read than a short one: the others' turn comes sooner.
                for _ in 0..text.len() / BYTES_PER_TURN_SHARE {
                    consume_budget().await;
                }
                let inbound = self.admitted(Inbound::parse(&text));
                self.pass_on(id, inbound).await
            }
            // The matcher says so, in its turn: answers come in the order of the questions.
            (Verdict::TooFast { retry_ms }, Some(_)) => self.pass_on(id, Inbound::TooFast { retry_ms }).await,
            (Verdict::Pass | Verdict::TooFast { .. }, None) => Ok(()),
            (Verdict::Exhausted, _) => {
                self.refuse(Refusal::TooFast);
                self.pass_on(id, Inbound::Flood).await?;
                Err(Box::pin(self.hear_out()).await)
            }
        }
    }

    async fn pass_on(&self, id: ConnectionId, inbound: Inbound) -> Result<(), End> {
        let sent = self.inner.commands.send(Command::Message(id, inbound)).await;
        sent.map_err(|_| End::Close(CloseCode::Away, "the server stops"))
    }

    /// Checks the token that a `hello` may bring. It is used up only when its bearer comes in.
    fn admitted(&self, mut inbound: Inbound) -> Inbound {
        if let Inbound::Message(ClientMessage::Hello(hello)) = &mut inbound {
            let unix_s = self.inner.clock.now().unix_s;
            if hello.token().is_some_and(|token| self.inner.config.doorkeeper.admits(token, unix_s)) {
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

    /// Sends what the matcher still has to say, and takes nothing in any more.
    async fn hear_out(&mut self) -> End {
        loop {
            match self.inbox.next().await {
                Some(Outgoing::Text(text)) => {
                    if let Err(end) = self.write(text).await {
                        return end;
                    }
                }
                Some(Outgoing::Close(code, reason)) => return End::Close(code, reason),
                None => return End::Lost,
            }
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

    /// Sends a message, and what waits behind it as far as it goes into one write.
    async fn write(&mut self, text: Bytes) -> Result<(), End> {
        let patience = self.patience();
        let Self { transport, inbox, share, .. } = self;
        let sent = in_time(share, patience, async {
            let mut bytes = text.len();
            transport.feed(text).await?;
            while bytes < WRITE_BYTES
                && let Some(text) = inbox.another()
            {
                bytes += text.len();
                transport.feed(text).await?;
            }
            transport.flush().await
        });
        let sent = sent.await;
        self.judge(sent)
    }

    async fn ping(&mut self) -> Result<(), End> {
        let patience = self.patience();
        let sent = in_time(&self.share, patience, self.transport.ping()).await;
        self.judge(sent)
    }

    /// How long one write may take.
    fn patience(&self) -> Duration {
        Duration::from_millis(self.inner.config.limits.write_ms_max)
    }

    fn judge(&self, sent: Result<(), Unsent>) -> Result<(), End> {
        match sent {
            Ok(()) => Ok(()),
            Err(Unsent::Lost) => Err(End::Lost),
            // The matcher has noticed before, or too little was waiting for that.
            Err(Unsent::Late) if self.inbox.is_closed() => Err(End::Lost),
            Err(Unsent::Late | Unsent::Over) => Err(self.refuse(Refusal::SlowReader)),
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

/// Why something was not sent.
enum Unsent {
    /// The peer is gone.
    Lost,
    /// It took too long.
    Late,
    /// Others needed the room meanwhile.
    Over,
}

/// Sends something, for as long as that may take and nobody else needs the room.
async fn in_time(
    share: &Share,
    patience: Duration,
    sending: impl Future<Output = Result<(), Lost>>,
) -> Result<(), Unsent> {
    tokio::select! {
        biased;
        sent = timeout(patience, sending) => match sent {
            Ok(sent) => sent.map_err(|Lost| Unsent::Lost),
            Err(_) => Err(Unsent::Late),
        },
        () = share.over() => Err(Unsent::Over),
    }
}
