//! The matcher: transports, clients, their states, and what each message does.
//!
//! It is not a transport: frames are parsed before (`inbound`), message budgets are kept by each transport's
//! task (`budget`), and what is to be sent leaves by a queue.

use std::collections::VecDeque;
use std::time::Duration;

use indexmap::IndexMap;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use slab::Slab;

use crate::Now;
use crate::client::{Client, ClientId, ConnectionId, State, Transport};
use crate::counters::Counters;
use crate::deadlines::{Deadlines, Due};
use crate::held_pool::HeldPool;
use crate::ids::{KeyedHasher, ResumeToken};
use crate::inbound::{ClientMessage, Inbound};
use crate::limits::{Config, HELLO_MS_MAX, MALFORMED_MAX, ROOM_SIZE_MAX};
use crate::lost::Lost;
use crate::message::{ErrorCode, GoneReason, Kind, ServerMessage, error, error_about, error_retry};
use crate::output::{CloseReason, Output};
use crate::payload::PayloadFrame;
use crate::queue::Queue;
use crate::records::Records;
use crate::rooms::Rooms;
use crate::session::Session;
use crate::tags::{Origin, TagKeys};
use crate::want::Want;
use crate::work::Work;

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
    pub(crate) transports: Slab<Transport>,
    pub(crate) clients: Slab<Client>,
    /// The clients that have no transport.
    pub(crate) lost: Lost,
    pub(crate) client_by_token: IndexMap<ResumeToken, ClientId, KeyedHasher>,
    next_serial: u64,
    pub(crate) queue: Queue,
    pub(crate) rooms: Rooms,
    pub(crate) sessions: Slab<Session>,
    pub(crate) held_pool: HeldPool,
    pub(crate) tag_keys: TagKeys,
    pub(crate) records: Records,
    pub(crate) work: Work,
    /// Nobody new is brought together.
    pub(crate) is_draining: bool,
    pub(crate) deadlines: Deadlines,
    pub(crate) outputs: VecDeque<Output>,
    pub(crate) counters: Counters,
}

/// How a transport ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// Its client said goodbye, or was made to leave: it does not come back.
    Left,
    /// It broke: its client may come back on another.
    Lost,
}

impl Matcher {
    /// An empty matcher. Every name it gives comes from the seed, which must be secret and fresh.
    pub fn new(mut config: Config, seed: [u8; 32]) -> Self {
        config.room_size = config.room_size.clamp(2, ROOM_SIZE_MAX);
        let mut random = ChaCha12Rng::from_seed(seed);
        let mut key = || {
            let mut key = [0; 16];
            random.fill_bytes(&mut key);
            key
        };
        let (queue_key, rooms_key, tokens_key, records_key) = (key(), key(), key(), key());
        let (mut tag_keys, mut work_key) = ([[0; 32]; 2], [0; 32]);
        tag_keys.iter_mut().for_each(|key| random.fill_bytes(key));
        random.fill_bytes(&mut work_key);
        let mut deadlines = Deadlines::default();
        deadlines.arm(Due::Rotation, Duration::from_secs(config.rotate_s));
        Self {
            config,
            random,
            transports: Slab::new(),
            clients: Slab::new(),
            lost: Lost::default(),
            client_by_token: IndexMap::with_hasher(KeyedHasher(tokens_key)),
            next_serial: 1,
            queue: Queue::new(queue_key),
            rooms: Rooms::with_hasher(KeyedHasher(rooms_key)),
            sessions: Slab::new(),
            held_pool: HeldPool::default(),
            tag_keys: TagKeys::new(tag_keys),
            records: Records::new(records_key),
            work: Work::new(work_key),
            is_draining: false,
            deadlines,
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// A transport is ready; `None` if there are as many connections as there may be. `origin`: where it
    /// comes from; `None` where that tells nobody from anybody, and nobody can be reported or banned.
    pub fn handle_opened(&mut self, origin: Option<Origin>, now: Now) -> Option<ConnectionId> {
        if self.transports.len() >= self.config.limits.connections_max {
            self.counters.count_error(ErrorCode::ServerFull);
            return None;
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        let (transport, client) = (self.transports.vacant_entry(), self.clients.vacant_entry());
        let id = ConnectionId { serial, key: transport.key() };
        let client_id = ClientId { serial, key: client.key() };
        transport.insert(Transport { id, client: client_id });
        let tags = origin.map(|origin| self.tag_keys.tags(origin));
        client.insert(Client::new(client_id, id, tags, now.mono));
        self.enter(client_id, State::New, now);
        self.assert_consistent();
        Some(id)
    }

    /// A frame came.
    pub fn handle_message(&mut self, from: ConnectionId, inbound: Inbound, now: Now) {
        let Some(client) = self.client_of(from) else { return };
        self.settle(client);
        match inbound {
            Inbound::Malformed(code) => self.handle_malformed(client, code, now),
            Inbound::TooFast { retry_ms } => {
                self.counters.count_error(ErrorCode::TooFast);
                self.send(client, error_retry(ErrorCode::TooFast, retry_ms));
            }
            Inbound::Flood => self.close(client, ErrorCode::TooFast, CloseReason::TooFast, now),
            Inbound::Message(message) => {
                let about = message.about();
                if let Err(code) = self.dispatch(client, message, now) {
                    self.counters.count_error(code);
                    self.send(client, error_about(code, about));
                }
            }
        }
        self.assert_consistent();
    }

    /// A transport is gone.
    pub fn handle_closed(&mut self, connection: ConnectionId, departure: Departure, now: Now) {
        let Some(client) = self.client_of(connection) else { return };
        match departure {
            Departure::Left => self.forget(client, GoneReason::Left, now),
            Departure::Lost => self.lose(client, now),
        }
        self.assert_consistent();
    }

    /// Time has passed: does everything that is due by now.
    pub fn handle_deadline(&mut self, now: Now) {
        while let Some(due) = self.deadlines.pop(now.mono) {
            match due {
                Due::Client(client) => self.expire_client(client, now),
                Due::Session(key) => self.expire_session(key, now),
                Due::Ticket(client) => self.widen(client, now),
                Due::Held(client) => self.expire_held(client, now),
                Due::Recent(client) => self.forget_partners(client, now),
                Due::Sweep => self.sweep_records(now),
                Due::Rotation => self.rotate_tags(now),
                Due::OldKey => self.tag_keys.forget(),
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
            connections: self.transports.len() as u64,
            lost: self.lost.len() as u64,
            waiting: self.queue.len() as u64,
            rooms: self.rooms.len() as u64,
            sessions: self.sessions.len() as u64,
            held_bytes: self.held_pool.bytes() as u64,
            ..self.counters
        }
    }

    fn dispatch(&mut self, from: ClientId, message: ClientMessage, now: Now) -> Result<(), ErrorCode> {
        let state = self.client(from).map(|own| own.state);
        if state == Some(State::New) && !matches!(message, ClientMessage::Hello(_)) {
            return Err(ErrorCode::NotGreeted);
        }
        match message {
            ClientMessage::Hello(hello) => self.handle_hello(from, &hello, now),
            ClientMessage::Find { want } => {
                self.expect_state(from, State::Greeted)?;
                self.wait(from, want, Kind::Find, now)
            }
            ClientMessage::Open { size } => self.handle_open(from, size, now),
            ClientMessage::Join { room } => self.handle_join(from, &room, now),
            ClientMessage::Payload(payload) => self.handle_payload(from, payload, now),
            ClientMessage::Report { session } => self.handle_report(from, session, now),
            ClientMessage::Next { want } => self.handle_next(from, want, now),
            ClientMessage::Leave { session: Some(session) } => self.handle_leave_one(from, session, now),
            ClientMessage::Leave { .. } if matches!(state, Some(State::InRoom | State::Matched)) => {
                self.stop(from, now)
            }
            ClientMessage::Cancel if state == Some(State::Waiting) => self.stop(from, now),
            ClientMessage::Leave { .. } | ClientMessage::Cancel => Err(ErrorCode::BadState),
        }
    }

    /// Ends whatever a client is in, at its own wish, and forgets what it asked for.
    fn stop(&mut self, from: ClientId, now: Now) -> Result<(), ErrorCode> {
        self.free(from, GoneReason::Left, now);
        if let Some(own) = self.client_mut(from) {
            own.want = None;
        }
        Ok(())
    }

    fn handle_next(&mut self, from: ClientId, want: Option<Want>, now: Now) -> Result<(), ErrorCode> {
        let own = self.client(from).ok_or(ErrorCode::BadState)?;
        if own.state == State::Waiting {
            return Err(ErrorCode::BadState);
        }
        let want = want.or_else(|| own.want.clone()).ok_or(ErrorCode::BadState)?;
        self.free(from, GoneReason::Left, now);
        self.wait(from, want, Kind::Next, now)
    }

    fn handle_malformed(&mut self, from: ClientId, code: ErrorCode, now: Now) {
        let Some(own) = self.client_mut(from) else { return };
        if code == ErrorCode::BadJson {
            own.malformed += 1;
        }
        if own.malformed >= MALFORMED_MAX {
            self.close(from, code, CloseReason::Malformed, now);
        } else {
            self.send_error(from, code, false);
        }
    }

    fn expire_client(&mut self, client: ClientId, now: Now) {
        match self.client(client) {
            Some(own) if own.is_lost() => self.expire_lost(client, now),
            Some(own) => match own.state {
                State::New => self.close(client, ErrorCode::NotGreeted, CloseReason::NotGreeted, now),
                State::Greeted => self.close(client, ErrorCode::Expired, CloseReason::Idle, now),
                State::Waiting | State::InRoom => {
                    self.free(client, GoneReason::Left, now);
                    self.send_error(client, ErrorCode::Expired, false);
                }
                State::Matched => {}
            },
            None => {}
        }
    }

    /// Ends whatever a client is in; it is greeted afterwards.
    pub(crate) fn free(&mut self, client: ClientId, why: GoneReason, now: Now) {
        self.take_ticket(client);
        self.end_sessions_of(client, why, now);
        self.leave_room(client);
        self.enter(client, State::Greeted, now);
    }

    /// Says a fatal error, closes and forgets.
    pub(crate) fn close(&mut self, client: ClientId, code: ErrorCode, reason: CloseReason, now: Now) {
        self.send_error(client, code, true);
        if let Some(to) = self.client(client).and_then(|own| own.transport) {
            self.outputs.push_back(Output::Close { to, reason });
        }
        self.forget(client, GoneReason::Lost, now);
    }

    /// Ends a client and its transport, if it has one.
    pub(crate) fn forget(&mut self, client: ClientId, why: GoneReason, now: Now) {
        self.free(client, why, now);
        for due in [Due::Client(client), Due::Held(client), Due::Recent(client)] {
            self.deadlines.disarm(due);
        }
        self.vanish(client, now);
        let own = self.clients.remove(client.key);
        match own.transport {
            Some(transport) => drop(self.transports.remove(transport.key)),
            None => self.lost.remove(client),
        }
        for token in [own.token, own.token_before].into_iter().flatten() {
            self.client_by_token.swap_remove(&token);
        }
    }

    /// Puts a client into a state and sets the deadline of that state. One that is lost keeps its own.
    pub(crate) fn enter(&mut self, client: ClientId, state: State, now: Now) {
        let Some(own) = self.client_mut(client) else { return };
        own.state = state;
        if own.is_lost() {
            return self.lost.change(client, state);
        }
        let limits = &self.config.limits;
        let allowed_ms = match state {
            State::New => HELLO_MS_MAX,
            State::Greeted => limits.idle_ms_max,
            State::Waiting => limits.waiting_ms_max,
            State::InRoom => limits.room_ms_max,
            // The sessions have their own.
            State::Matched => return self.deadlines.disarm(Due::Client(client)),
        };
        self.deadlines.arm(Due::Client(client), now.mono + Duration::from_millis(allowed_ms));
    }

    /// Sends to a client that is there. One that is lost is told where it stands when it comes back.
    pub(crate) fn send(&mut self, to: ClientId, message: ServerMessage) {
        if let Some(to) = self.client(to).and_then(|own| own.transport) {
            self.outputs.push_back(Output::Send { to, message });
        }
    }

    /// The same of a partner's payload.
    pub(crate) fn forward(&mut self, to: ClientId, frame: PayloadFrame) {
        if let Some(to) = self.client(to).and_then(|own| own.transport) {
            self.outputs.push_back(Output::Forward { to, frame });
        }
    }

    fn send_error(&mut self, to: ClientId, code: ErrorCode, fatal: bool) {
        self.counters.count_error(code);
        self.send(to, error(code, fatal));
    }

    fn client_of(&self, connection: ConnectionId) -> Option<ClientId> {
        self.transports.get(connection.key).filter(|known| known.id == connection).map(|known| known.client)
    }

    pub(crate) fn client_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        self.clients.get_mut(id.key).filter(|client| client.id == id)
    }

    pub(crate) fn client(&self, id: ClientId) -> Option<&Client> {
        self.clients.get(id.key).filter(|client| client.id == id)
    }

    pub(crate) fn expect_state(&self, client: ClientId, expected: State) -> Result<(), ErrorCode> {
        let is_there = self.client(client).is_some_and(|own| own.state == expected);
        if is_there { Ok(()) } else { Err(ErrorCode::BadState) }
    }
}
