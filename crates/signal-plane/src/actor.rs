//! The matcher's task: one at a time, commands in, messages out.
//!
//! It waits for nobody: a connection for which too many bytes wait is dropped, so that a slow reader holds up
//! only itself.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;

use match_core::{CloseReason, ConnectionId, Departure, Inbound, Kept, Matcher, Now, Origin, Output};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::counters::{Refusal, Shared};
use crate::limits::COMMANDS_PER_TURN_MAX;
use crate::outbox::{Full, Outbox};
use crate::signal::{Clock, Doorkeeper, Relay};

/// What a connection's task says to the matcher.
pub(crate) enum Command {
    /// A transport is open.
    Opened {
        /// Where its messages go.
        outbox: Outbox,
        /// The host it was reached by.
        host: Box<str>,
        /// Where it comes from, if that tells anything.
        origin: Option<Origin>,
        /// Its name, or `None` if there are too many.
        reply: oneshot::Sender<Option<ConnectionId>>,
    },
    /// A frame came.
    Message(ConnectionId, Inbound),
    /// Somebody wants to know what is kept.
    Inventory(oneshot::Sender<Vec<Kept>>),
    /// Nobody new is to be brought together; answered when that is so.
    Drain(oneshot::Sender<()>),
    /// The transport is gone.
    Closed(ConnectionId, Departure),
}

/// Whom the matcher's task asks.
pub(crate) struct Outside {
    pub(crate) relay: Arc<dyn Relay>,
    pub(crate) doorkeeper: Doorkeeper,
}

/// Runs until every handle is gone.
pub(crate) async fn run(
    matcher: Matcher,
    outside: Outside,
    mut commands: mpsc::Receiver<Command>,
    mut stopping: watch::Receiver<bool>,
    clock: Clock,
    shared: Arc<Shared>,
) {
    let mut actor = Actor { matcher, outside, members: HashMap::new(), now: clock.now(), shared };
    let mut batch = Vec::with_capacity(COMMANDS_PER_TURN_MAX);
    let mut is_stopping = false;
    let mut stop = pin!(stopping.wait_for(|stopping| *stopping));
    // When it goes off, if it is set.
    let mut alarm_at = None;
    let mut alarm = pin!(sleep_until(Instant::now()));
    loop {
        // Deadlines move with every message, mostly away: only an earlier one is worth setting it anew.
        if let Some(at) = actor.matcher.next_deadline()
            && alarm_at.is_none_or(|before| at < before)
        {
            alarm_at = Some(at);
            alarm.as_mut().reset(clock.instant(at));
        }
        tokio::select! {
            biased;
            told = &mut stop, if !is_stopping => {
                if told.is_err() {
                    return;
                }
                is_stopping = true;
                actor.now = clock.now();
                actor.dismiss_all();
            }
            taken = commands.recv_many(&mut batch, COMMANDS_PER_TURN_MAX) => {
                if taken == 0 {
                    return;
                }
            }
            () = &mut alarm, if alarm_at.is_some() => alarm_at = None,
        }
        actor.now = clock.now();
        for command in batch.drain(..) {
            // A socket that opens while we stop has missed the dismissal.
            actor.handle(command, is_stopping);
        }
        actor.matcher.handle_deadline(actor.now);
        actor.deliver();
        actor.shared.put_matcher(actor.matcher.counters());
    }
}

struct Actor {
    matcher: Matcher,
    outside: Outside,
    members: HashMap<ConnectionId, Member>,
    /// As of this turn.
    now: Now,
    shared: Arc<Shared>,
}

struct Member {
    outbox: Outbox,
    host: Box<str>,
}

impl Actor {
    fn handle(&mut self, command: Command, is_stopping: bool) {
        let now = self.now;
        match command {
            Command::Opened { outbox, host, origin, reply } => {
                let id = if is_stopping { None } else { self.matcher.handle_opened(origin, now) };
                if let Some(id) = id {
                    self.members.insert(id, Member { outbox, host });
                }
                if reply.send(id).is_err() {
                    id.inspect(|id| self.close(*id, Departure::Left));
                }
            }
            Command::Message(from, inbound) => self.matcher.handle_message(from, inbound, now),
            Command::Inventory(reply) => {
                // Who asked may have gone.
                let _ = reply.send(self.matcher.inventory(now));
            }
            Command::Drain(reply) => {
                self.matcher.handle_drain(now);
                // As above.
                let _ = reply.send(());
            }
            Command::Closed(id, departure) => self.close(id, departure),
        }
        self.deliver();
    }

    /// Does all that the matcher wants done.
    fn deliver(&mut self) {
        while let Some(output) = self.matcher.poll_output() {
            match output {
                Output::Send { to, message } => self.send(to, message.to_json().into()),
                Output::Forward { to, frame } => self.send(to, frame.into_bytes().into()),
                Output::Matched(matched) => {
                    let to = matched.to;
                    let Some(member) = self.members.get(&to) else { continue };
                    let (session, side) = (matched.session, matched.side);
                    let ice =
                        self.outside.relay.ice_servers(session, side, &member.host, matched.ends_unix_s);
                    self.send(to, matched.into_message(ice).to_json().into());
                }
                Output::SessionEnded { session } => self.outside.relay.session_ended(session),
                Output::AskRelay(question) => {
                    let is_relaying = self.outside.relay.is_relaying(question.session(), question.side());
                    self.matcher.handle_relaying(&question, is_relaying, self.now);
                }
                Output::UseToken(question) => {
                    let was_good = self.outside.doorkeeper.uses_up(question.token());
                    self.matcher.handle_token(&question, was_good, self.now);
                }
                Output::Close { to, reason } => {
                    if let Some(member) = self.members.remove(&to) {
                        member.outbox.close(CloseCode::Policy, reason_text(reason));
                    }
                }
            }
        }
    }

    fn send(&mut self, to: ConnectionId, text: Bytes) {
        let Some(member) = self.members.get(&to) else { return };
        if let Err(Full) = member.outbox.send(text) {
            self.shared.count_refusal(Refusal::SlowReader);
            tracing::debug!(reason = Refusal::SlowReader.label(), "a connection is dropped");
            // It may come back for what it missed.
            self.close(to, Departure::Lost);
        }
    }

    fn dismiss_all(&mut self) {
        self.matcher.handle_drain(self.now);
        self.deliver();
        for (id, member) in std::mem::take(&mut self.members) {
            member.outbox.close(CloseCode::Away, "the server stops");
            self.close(id, Departure::Left);
        }
    }

    fn close(&mut self, id: ConnectionId, departure: Departure) {
        self.members.remove(&id);
        self.matcher.handle_closed(id, departure, self.now);
    }
}

fn reason_text(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::BadVersion => "bad-version",
        CloseReason::Banned => "banned",
        CloseReason::Idle => "idle",
        CloseReason::Malformed => "malformed",
        CloseReason::NotAdmitted => "not-admitted",
        CloseReason::NotGreeted => "not-greeted",
        CloseReason::Resumed => "resumed",
        CloseReason::TooFast => "too-fast",
    }
}
