//! The matcher: connections, their states, and what each message does.
//!
//! It is not a transport: frames are parsed before (`inbound`), message budgets are kept by each transport's
//! task (`budget`), and what is to be sent leaves by a queue.

use std::collections::VecDeque;
use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use slab::Slab;

use crate::Now;
use crate::connection::{Connection, ConnectionId, State};
use crate::counters::Counters;
use crate::deadlines::{Deadlines, Due};
use crate::inbound::{ClientMessage, Inbound};
use crate::limits::{Config, HELLO_MS_MAX, MALFORMED_MAX, ROOM_SIZE_MAX};
use crate::message::{ErrorCode, GoneReason, PROTOCOL_VERSION, ServerMessage, error};
use crate::output::{CloseReason, Output};
use crate::queue::Queue;
use crate::rooms::{KeyedHasher, Rooms};
use crate::session::Session;
use crate::want::Want;

/// All that the matcher knows.
///
/// # Driving it
///
/// 1. Call one `handle_*` for what happened: a transport opened or closed, a frame came, a deadline passed.
/// 2. Call [`poll_output`](Self::poll_output) until it is empty and do what it says, in that order.
/// 3. Sleep until [`next_deadline`](Self::next_deadline) or the next event; at the deadline call
///    [`handle_deadline`](Self::handle_deadline).
///
/// `now` never goes back. A connection the matcher does not know (any more) is ignored, so a transport that
/// dies while its last frame is on the way does no harm. A dead transport must be told of by
/// [`handle_closed`](Self::handle_closed): only that keeps its ticket from being matched.
pub struct Matcher {
    pub(crate) config: Config,
    pub(crate) random: ChaCha12Rng,
    connections: Slab<Connection>,
    next_serial: u64,
    queue: Queue,
    pub(crate) rooms: Rooms,
    pub(crate) sessions: Slab<Session>,
    pub(crate) deadlines: Deadlines,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) counters: Counters,
}

impl Matcher {
    /// An empty matcher. Every name it gives comes from the seed, which must be secret and fresh.
    pub fn new(mut config: Config, seed: [u8; 32]) -> Self {
        config.room_size = config.room_size.clamp(2, ROOM_SIZE_MAX);
        let mut random = ChaCha12Rng::from_seed(seed);
        let (mut queue_key, mut rooms_key) = ([0; 16], [0; 16]);
        random.fill_bytes(&mut queue_key);
        random.fill_bytes(&mut rooms_key);
        Self {
            config,
            random,
            connections: Slab::new(),
            next_serial: 1,
            queue: Queue::new(queue_key),
            rooms: Rooms::with_hasher(KeyedHasher(rooms_key)),
            sessions: Slab::new(),
            deadlines: Deadlines::default(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// A transport is ready; `None` if there are as many connections as there may be.
    pub fn handle_opened(&mut self, now: Now) -> Option<ConnectionId> {
        if self.connections.len() >= self.config.limits.connections_max {
            self.counters.count_error(ErrorCode::ServerFull);
            return None;
        }
        let entry = self.connections.vacant_entry();
        let id = ConnectionId { serial: self.next_serial, key: entry.key() };
        self.next_serial += 1;
        entry.insert(Connection::new(id));
        self.enter(id, State::New, now);
        self.assert_consistent();
        Some(id)
    }

    /// A frame came.
    pub fn handle_message(&mut self, from: ConnectionId, inbound: Inbound, now: Now) {
        if self.connection(from).is_none() {
            return;
        }
        let outcome = match inbound {
            Inbound::Malformed(code) => return self.handle_malformed(from, code, now),
            Inbound::Message(message) => self.dispatch(from, message, now),
        };
        if let Err(code) = outcome {
            self.send_error(from, code, false);
        }
        self.assert_consistent();
    }

    /// A transport is gone.
    pub fn handle_closed(&mut self, connection: ConnectionId, now: Now) {
        if self.connection(connection).is_some() {
            self.forget(connection, now);
            self.assert_consistent();
        }
    }

    /// Time has passed: does everything that is due by now.
    pub fn handle_deadline(&mut self, now: Now) {
        while let Some(due) = self.deadlines.pop(now.mono) {
            match due {
                Due::Connection(connection) => self.expire_connection(connection, now),
                Due::Session(key) => self.expire_session(key, now),
                Due::Ticket(connection) => self.widen(connection, now),
                Due::Recent(connection) => self.forget_partners(connection, now),
            }
        }
        self.assert_consistent();
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_deadline`](Self::handle_deadline) has something to do, on `Now::mono`'s scale. Costs a
    /// look.
    pub fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first()
    }

    /// What was counted, and how much there is of everything.
    pub fn counters(&self) -> Counters {
        Counters {
            connections: self.connections.len() as u64,
            waiting: self.queue.len() as u64,
            rooms: self.rooms.len() as u64,
            sessions: self.sessions.len() as u64,
            ..self.counters
        }
    }

    fn dispatch(&mut self, from: ConnectionId, message: ClientMessage, now: Now) -> Result<(), ErrorCode> {
        let state = self.connection(from).map(|own| own.state);
        if state == Some(State::New) && !matches!(message, ClientMessage::Hello { .. }) {
            return Err(ErrorCode::NotGreeted);
        }
        match message {
            ClientMessage::Hello { v } => self.handle_hello(from, v, now),
            ClientMessage::Find { want } => {
                self.expect_state(from, &[State::Greeted])?;
                self.wait(from, want, now)
            }
            ClientMessage::Open { size } => self.handle_open(from, size, now),
            ClientMessage::Join { room } => self.handle_join(from, &room, now),
            ClientMessage::Payload { session, n, payload } => {
                self.handle_payload(from, session, n, payload, now)
            }
            ClientMessage::Next { want } => self.handle_next(from, want, now),
            ClientMessage::Leave if matches!(state, Some(State::InRoom | State::Matched(_))) => {
                self.stop(from, now)
            }
            ClientMessage::Cancel if state == Some(State::Waiting) => self.stop(from, now),
            ClientMessage::Leave | ClientMessage::Cancel => Err(ErrorCode::BadState),
        }
    }

    /// Ends whatever a connection is in, at its own wish, and forgets what it asked for.
    fn stop(&mut self, from: ConnectionId, now: Now) -> Result<(), ErrorCode> {
        self.free(from, GoneReason::Left, now);
        if let Some(own) = self.connection_mut(from) {
            own.want = None;
        }
        Ok(())
    }

    fn handle_hello(&mut self, from: ConnectionId, v: u64, now: Now) -> Result<(), ErrorCode> {
        self.expect_state(from, &[State::New])?;
        if v != PROTOCOL_VERSION {
            self.close(from, ErrorCode::BadVersion, CloseReason::BadVersion, now);
            return Ok(());
        }
        self.enter(from, State::Greeted, now);
        self.send(from, ServerMessage::welcome(&self.config));
        Ok(())
    }

    fn handle_next(&mut self, from: ConnectionId, want: Option<Want>, now: Now) -> Result<(), ErrorCode> {
        let own = self.connection(from).ok_or(ErrorCode::BadState)?;
        if own.state == State::Waiting {
            return Err(ErrorCode::BadState);
        }
        let want = want.or_else(|| own.want.clone()).ok_or(ErrorCode::BadState)?;
        self.free(from, GoneReason::Left, now);
        self.wait(from, want, now)
    }

    fn handle_malformed(&mut self, from: ConnectionId, code: ErrorCode, now: Now) {
        let Some(own) = self.connection_mut(from) else { return };
        if code == ErrorCode::BadJson {
            own.malformed += 1;
        }
        if own.malformed >= MALFORMED_MAX {
            self.close(from, code, CloseReason::Malformed, now);
        } else {
            self.send_error(from, code, false);
        }
        self.assert_consistent();
    }

    /// Gives a greeted connection a ticket, and a partner if there is one.
    fn wait(&mut self, connection: ConnectionId, want: Want, now: Now) -> Result<(), ErrorCode> {
        if self.queue.len() >= self.config.limits.waiting_max {
            return Err(ErrorCode::QueueFull);
        }
        if let Some(own) = self.connection_mut(connection) {
            own.want = Some(want.clone());
        }
        self.queue.insert(connection, want, now.mono);
        self.enter(connection, State::Waiting, now);
        if !self.match_waiting(connection, now) {
            self.arm_ticket(connection, now);
            let bin = rounded(self.queue.len() as u64);
            self.send(connection, ServerMessage::Waiting { bin });
        }
        Ok(())
    }

    /// Looks for a partner for a ticket; the one who has just come or widened is the caller.
    fn match_waiting(&mut self, seeker: ConnectionId, now: Now) -> bool {
        let Some(own) = self.connection(seeker) else { return false };
        let mut looked_at = 0;
        let partner = self.queue.partner(seeker, &own.recent, &mut looked_at);
        self.counters.looked_at_total += looked_at;
        let Some(partner) = partner else { return false };
        let common = match (self.queue.ticket(seeker), self.queue.ticket(partner)) {
            (Some(own), Some(other)) => own.want.common_tags(&other.want),
            _ => Vec::new(),
        };
        for (one, other) in [(seeker, partner), (partner, seeker)] {
            self.take_ticket(one);
            if let Some(connection) = self.connection_mut(one) {
                connection.recent.insert(other, now.mono);
            }
            self.forget_partners(one, now);
        }
        self.open_session(seeker, partner, common, self.config.exposure, now);
        true
    }

    fn widen(&mut self, connection: ConnectionId, now: Now) {
        let Some(ticket) = self.queue.ticket(connection) else { return };
        let waited = now.mono.saturating_sub(ticket.since);
        let limits = &self.config.limits;
        let meets_again = waited >= Duration::from_millis(limits.rematch_ms);
        self.queue.widen(connection, limits.step(waited), meets_again);
        if !self.match_waiting(connection, now) {
            self.arm_ticket(connection, now);
        }
    }

    fn arm_ticket(&mut self, connection: ConnectionId, now: Now) {
        let Some(ticket) = self.queue.ticket(connection) else { return };
        if let Some(change) = self.config.limits.next_change(now.mono.saturating_sub(ticket.since)) {
            self.deadlines.arm(Due::Ticket(connection), ticket.since + change);
        }
    }

    fn take_ticket(&mut self, connection: ConnectionId) {
        self.queue.remove(connection);
        self.deadlines.disarm(Due::Ticket(connection));
    }

    fn forget_partners(&mut self, connection: ConnectionId, now: Now) {
        let Some(own) = self.connection_mut(connection) else { return };
        own.recent.expire(now.mono);
        if let Some(at) = own.recent.next_expiry() {
            self.deadlines.arm(Due::Recent(connection), at);
        }
    }

    fn expire_connection(&mut self, connection: ConnectionId, now: Now) {
        match self.connection(connection).map(|own| own.state) {
            Some(State::New) => self.close(connection, ErrorCode::NotGreeted, CloseReason::NotGreeted, now),
            Some(State::Greeted) => self.close(connection, ErrorCode::Expired, CloseReason::Idle, now),
            Some(State::Waiting | State::InRoom) => {
                self.free(connection, GoneReason::Left, now);
                self.send_error(connection, ErrorCode::Expired, false);
            }
            Some(State::Matched(_)) | None => {}
        }
    }

    /// Ends whatever a connection is in; it is greeted afterwards.
    pub(crate) fn free(&mut self, connection: ConnectionId, why: GoneReason, now: Now) {
        self.take_ticket(connection);
        self.end_session_of(connection, why, now);
        self.leave_room(connection);
        self.enter(connection, State::Greeted, now);
    }

    fn close(&mut self, connection: ConnectionId, code: ErrorCode, reason: CloseReason, now: Now) {
        self.send_error(connection, code, true);
        self.outputs.push_back(Output::Close { to: connection, reason });
        self.forget(connection, now);
    }

    fn forget(&mut self, connection: ConnectionId, now: Now) {
        self.free(connection, GoneReason::Lost, now);
        self.deadlines.disarm(Due::Connection(connection));
        self.deadlines.disarm(Due::Recent(connection));
        self.connections.remove(connection.key);
    }

    /// Puts a connection into a state and sets the deadline of that state.
    pub(crate) fn enter(&mut self, connection: ConnectionId, state: State, now: Now) {
        let Some(own) = self.connection_mut(connection) else { return };
        own.state = state;
        let limits = &self.config.limits;
        let allowed_ms = match state {
            State::New => HELLO_MS_MAX,
            State::Greeted => limits.idle_ms_max,
            State::Waiting => limits.waiting_ms_max,
            State::InRoom => limits.room_ms_max,
            // The session has its own.
            State::Matched(_) => return self.deadlines.disarm(Due::Connection(connection)),
        };
        self.deadlines.arm(Due::Connection(connection), now.mono + Duration::from_millis(allowed_ms));
    }

    pub(crate) fn send(&mut self, to: ConnectionId, message: ServerMessage) {
        self.outputs.push_back(Output::Send { to, message });
    }

    fn send_error(&mut self, to: ConnectionId, code: ErrorCode, fatal: bool) {
        self.counters.count_error(code);
        self.send(to, error(code, fatal));
    }

    pub(crate) fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(id.key).filter(|connection| connection.id == id)
    }

    pub(crate) fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(id.key).filter(|connection| connection.id == id)
    }

    pub(crate) fn expect_state(&self, connection: ConnectionId, allowed: &[State]) -> Result<(), ErrorCode> {
        let state = self.connection(connection).map(|own| own.state);
        if state.is_some_and(|state| allowed.contains(&state)) { Ok(()) } else { Err(ErrorCode::BadState) }
    }

    /// Holds the maps together in debug builds. A crowd is left out: checking all of it after each message
    /// would make every test with a crowd quadratic, and a small one shows the same mistakes.
    fn assert_consistent(&self) {
        #[cfg(debug_assertions)]
        if self.connections.len() <= CHECKED_CONNECTIONS_MAX {
            let (mut waiting, mut matched, mut members) = (0, 0, 0);
            for (key, own) in &self.connections {
                assert_eq!(own.id.key, key);
                let due = self.deadlines.of(Due::Connection(own.id)).is_some();
                assert_eq!(due, !matches!(own.state, State::Matched(_)), "each connection has one deadline");
                let has_ticket = self.queue.ticket(own.id).is_some();
                assert_eq!(
                    has_ticket,
                    own.state == State::Waiting,
                    "a ticket is waiting and waiting is a ticket"
                );
                waiting += usize::from(has_ticket);
                if let State::Matched(key) = own.state {
                    let session = &self.sessions[key];
                    assert!(session.sides.contains(&own.id), "a session knows its sides");
                    assert_ne!(session.sides[0], session.sides[1], "nobody meets themselves");
                    assert!(self.deadlines.of(Due::Session(key)).is_some(), "each session has a deadline");
                    matched += 1;
                }
                if let Some(code) = own.room {
                    assert!(self.rooms[&code].contains(&own.id), "a room knows its members");
                    assert!(matches!(own.state, State::InRoom | State::Matched(_)));
                    members += 1;
                }
            }
            assert_eq!(waiting, self.queue.len());
            assert_eq!(matched, 2 * self.sessions.len(), "a session has two live sides");
            assert_eq!(members, self.rooms.values().map(Vec::len).sum::<usize>());
            assert!(self.rooms.values().all(|members| !members.is_empty()), "an empty room is removed");
            self.queue.assert_consistent();
        }
    }
}

/// Rounds a number down to a step at which nobody can be counted.
fn rounded(n: u64) -> u64 {
    BINS.into_iter().rev().find(|bin| *bin <= n).unwrap_or(0)
}

/// The steps of `waiting.bin`.
const BINS: [u64; 9] = [0, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000];
#[cfg(debug_assertions)]
const CHECKED_CONNECTIONS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_hides_who_comes_and_goes() {
        for (n, bin) in
            [(0, 0), (1, 0), (9, 0), (10, 10), (29, 10), (30, 30), (9_999, 3_000), (1 << 40, 30_000)]
        {
            assert_eq!(rounded(n), bin);
        }
    }
}
