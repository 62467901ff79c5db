//! The matcher's task: one at a time, commands in, messages out.
//!
//! It waits for nobody: a connection for which too many bytes wait is dropped, so that a slow reader holds up
//! only itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use match_core::{
    CloseReason, ConnectionId, Departure, Inbound, Kept, Matcher, Origin, Output, ServerMessage,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::limits::{COMMANDS_PER_TURN_MAX, MESSAGE_OVERHEAD_BYTES};
use crate::signal::{Clock, Relay};

/// What a connection's task says to the matcher.
pub(crate) enum Command {
    /// A transport is open.
    Opened {
        /// Where its messages go.
        outbox: mpsc::Sender<Outgoing>,
        /// How many bytes of them may wait, one permit for each.
        room: Arc<Semaphore>,
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
    /// The transport is gone.
    Closed(ConnectionId, Departure),
}

/// What the matcher says to a connection's task. An outbox that closes without a word means: too slow.
pub(crate) enum Outgoing {
    /// A frame to send, and the room it takes until it is sent.
    Text(Utf8Bytes, OwnedSemaphorePermit),
    /// The end, in order.
    Close(CloseCode, &'static str),
}

/// Runs until every handle is gone.
pub(crate) async fn run(
    matcher: Matcher,
    relay: Arc<dyn Relay>,
    mut commands: mpsc::Receiver<Command>,
    mut stopping: watch::Receiver<bool>,
    clock: Clock,
    counters: Arc<Mutex<match_core::Counters>>,
) {
    let mut actor = Actor { matcher, relay, members: HashMap::new(), clock };
    let mut batch = Vec::with_capacity(COMMANDS_PER_TURN_MAX);
    loop {
        let deadline = actor.matcher.next_deadline().map(|at| clock.instant(at));
        let alarm = async {
            match deadline {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            taken = commands.recv_many(&mut batch, COMMANDS_PER_TURN_MAX) => {
                if taken == 0 {
                    return;
                }
            }
            () = alarm => {}
            changed = stopping.changed() => {
                if changed.is_err() {
                    return;
                }
                actor.dismiss_all();
            }
        }
        for command in batch.drain(..) {
            // A socket that opens while we stop has missed the dismissal.
            actor.handle(command, *stopping.borrow());
        }
        actor.matcher.handle_deadline(clock.now());
        actor.deliver();
        *counters.lock().unwrap_or_else(PoisonError::into_inner) = actor.matcher.counters();
    }
}

struct Actor {
    matcher: Matcher,
    relay: Arc<dyn Relay>,
    members: HashMap<ConnectionId, Member>,
    clock: Clock,
}

struct Member {
    outbox: mpsc::Sender<Outgoing>,
    room: Arc<Semaphore>,
    host: Box<str>,
}

impl Actor {
    fn handle(&mut self, command: Command, is_stopping: bool) {
        let now = self.clock.now();
        match command {
            Command::Opened { outbox, room, host, origin, reply } => {
                let id = if is_stopping { None } else { self.matcher.handle_opened(origin, now) };
                if let Some(id) = id {
                    self.members.insert(id, Member { outbox, room, host });
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
            Command::Closed(id, departure) => self.close(id, departure),
        }
        self.deliver();
    }

    /// Does all that the matcher wants done.
    fn deliver(&mut self) {
        while let Some(output) = self.matcher.poll_output() {
            match output {
                Output::Send { to, message } => self.send(to, &message),
                Output::Matched(matched) => {
                    let to = matched.to;
                    let Some(member) = self.members.get(&to) else { continue };
                    let (session, side) = (matched.session, matched.side);
                    let ice = self.relay.ice_servers(session, side, &member.host, matched.ends_unix_s);
                    self.send(to, &matched.into_message(ice));
                }
                Output::SessionEnded { session } => self.relay.session_ended(session),
                Output::AskRelay(question) => {
                    let is_relaying = self.relay.is_relaying(question.session(), question.side());
                    self.matcher.handle_relaying(&question, is_relaying, self.clock.now());
                }
                Output::Close { to, reason } => {
                    if let Some(member) = self.members.remove(&to) {
                        let close = Outgoing::Close(CloseCode::Policy, reason_text(reason));
                        // It fails only where the connection is gone already.
                        let _ = member.outbox.try_send(close);
                    }
                }
            }
        }
    }

    fn send(&mut self, to: ConnectionId, message: &ServerMessage) {
        let Some(member) = self.members.get(&to) else { return };
        let text = message.to_json();
        let bytes = (text.len() + MESSAGE_OVERHEAD_BYTES) as u32;
        let sent = member
            .room
            .clone()
            .try_acquire_many_owned(bytes)
            .is_ok_and(|room| member.outbox.try_send(Outgoing::Text(text.into(), room)).is_ok());
        if !sent {
            // Too slow; it may come back for what it missed.
            self.close(to, Departure::Lost);
        }
    }

    fn dismiss_all(&mut self) {
        self.matcher.handle_drain();
        self.deliver();
        let ids: Vec<_> = self.members.keys().copied().collect();
        for id in ids {
            if let Some(member) = self.members.get(&id) {
                let _ = member.outbox.try_send(Outgoing::Close(CloseCode::Away, "the server stops"));
            }
            self.close(id, Departure::Left);
        }
    }

    fn close(&mut self, id: ConnectionId, departure: Departure) {
        self.members.remove(&id);
        self.matcher.handle_closed(id, departure, self.clock.now());
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
    }
}
