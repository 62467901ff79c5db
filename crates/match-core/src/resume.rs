//! Clients that lose their transport and come back on another.
//!
//! A partner sees nothing of it unless the time runs out. What a returning client missed is told anew: first
//! `welcome` with what arrived of it, then its room, its sessions with the payloads that did not reach it,
//! and its place in the queue.

use std::collections::BTreeMap;
use std::time::Duration;

use rand_chacha::rand_core::Rng as _;

use crate::Now;
use crate::client::{ClientId, ConnectionId, State};
use crate::deadlines::Due;
use crate::ids::{ResumeToken, SessionId};
use crate::inbound::Resume;
use crate::limits::{DRAIN_MS_MAX, RELAYED_MS};
use crate::matcher::Matcher;
use crate::message::{GoneReason, ServerMessage};
use crate::output::{CloseReason, Output, RelayQuestion};

impl Matcher {
    /// The server goes away: everybody is told to connect again, not all at the same moment.
    pub fn handle_drain(&mut self) {
        let there: Vec<_> = self.transports.iter().map(|(_, transport)| transport.id).collect();
        for to in there {
            let after_ms = self.random.next_u64() % DRAIN_MS_MAX;
            self.outputs.push_back(Output::Send { to, message: ServerMessage::Drain { after_ms } });
        }
    }

    /// The relay's answer to [`Output::AskRelay`]: whether it moved anything for that side in the last 30 s.
    /// A working call outlives a broken signaling connection; without an answer it counts as working.
    pub fn handle_relaying(&mut self, question: &RelayQuestion, is_relaying: bool, now: Now) {
        let client = question.client;
        let Some(key) = self.session_key(client, question.session) else { return };
        if is_relaying || !self.client(client).is_some_and(|own| own.is_lost()) {
            return;
        }
        self.end_session(key, client, GoneReason::Lost, now);
        if self.client(client).is_some_and(|own| own.sessions.is_empty()) {
            self.forget(client, GoneReason::Lost, now);
        }
        self.assert_consistent();
    }

    /// Keeps a client that lost its transport, if it is in anything and there is room for it.
    pub(crate) fn lose(&mut self, client: ClientId, now: Now) {
        let Some(own) = self.client(client) else { return };
        let is_in_something = matches!(own.state, State::Waiting | State::InRoom | State::Matched);
        if !is_in_something || self.lost >= self.config.limits.lost_max {
            return self.forget(client, GoneReason::Lost, now);
        }
        if let Some(transport) = self.detach(client) {
            self.transports.remove(transport.key);
        }
        let arrival = self.take_ticket(client);
        if let Some(own) = self.client_mut(client) {
            own.arrival = arrival;
            own.lost_since = now.mono;
        }
        self.deadlines.disarm(Due::Held(client));
        if self.config.resume_s == 0 {
            return self.expire_lost(client, now);
        }
        let until = now.mono + Duration::from_secs(self.config.resume_s);
        self.deadlines.arm(Due::Client(client), until);
    }

    /// A lost client did not come back in time: it is forgotten, unless a call of its goes on.
    pub(crate) fn expire_lost(&mut self, client: ClientId, now: Now) {
        let Some(own) = self.client(client) else { return };
        if own.sessions.is_empty() {
            return self.forget(client, GoneReason::Lost, now);
        }
        for key in own.sessions.clone() {
            let session = &self.sessions[key];
            let question = RelayQuestion { client, session: session.id, side: session.side_of(client) };
            self.outputs.push_back(Output::AskRelay(question));
        }
        self.deadlines.arm(Due::Client(client), now.mono + Duration::from_millis(RELAYED_MS));
    }

    /// Gives a transport that has just said `hello` to the client whose token it brings; false if there is
    /// none (any more).
    pub(crate) fn resume(&mut self, newcomer: ClientId, resume: &Resume, now: Now) -> bool {
        let Some(client) = self.client_by_token.get(&resume.token).copied() else { return false };
        let Some(transport) = self.detach(newcomer) else { return false };
        self.forget(newcomer, GoneReason::Lost, now);
        if let Some(before) = self.detach(client) {
            self.transports.remove(before.key);
            self.outputs.push_back(Output::Close { to: before, reason: CloseReason::Resumed });
        }
        self.attach(client, transport);
        self.counters.resumed_total += 1;
        let state = self.client(client).map_or(State::Greeted, |own| own.state);
        self.enter(client, state, now);
        self.expire_held(client, now);
        self.welcome(client, Some(self.received_from(client)));
        if let Some(code) = self.client(client).and_then(|own| own.room) {
            self.send(client, ServerMessage::Room { code });
        }
        self.restate_sessions(client, &resume.got, now);
        self.wait_again(client, now);
        true
    }

    /// Greets, with a token for the next return. The one before is worth nothing from here on.
    pub(crate) fn welcome(&mut self, client: ClientId, got: Option<BTreeMap<SessionId, u64>>) {
        let mut token = ResumeToken([0; 16]);
        self.random.fill_bytes(&mut token.0);
        let before = self.client_mut(client).and_then(|own| own.token.replace(token));
        if let Some(before) = before {
            self.client_by_token.swap_remove(&before);
        }
        self.client_by_token.insert(token, client);
        self.send(client, ServerMessage::welcome(&self.config, token, got));
    }

    /// Takes a client's transport from it.
    fn detach(&mut self, client: ClientId) -> Option<ConnectionId> {
        let transport = self.client_mut(client)?.transport.take()?;
        self.lost += 1;
        Some(transport)
    }

    /// Gives a transport to a client that has none.
    fn attach(&mut self, client: ClientId, transport: ConnectionId) {
        if let (Some(known), Some(own)) =
            (self.transports.get_mut(transport.key), self.clients.get_mut(client.key))
        {
            (known.client, own.transport) = (client, Some(transport));
            self.lost -= 1;
        }
    }

    /// The last accepted `n` of a client in each of its sessions.
    fn received_from(&self, client: ClientId) -> BTreeMap<SessionId, u64> {
        let Some(own) = self.client(client) else { return BTreeMap::new() };
        let sessions = own.sessions.iter().map(|key| &self.sessions[*key]);
        sessions.map(|session| (session.id, session.counted_from(client))).collect()
    }

    /// Brings what a client knows of its sessions up to date.
    fn restate_sessions(&mut self, client: ClientId, got: &BTreeMap<SessionId, u64>, now: Now) {
        let Some(own) = self.client_mut(client) else { return };
        let ended = std::mem::take(&mut own.ended);
        for session in got.keys().copied() {
            if self.session_key(client, session).is_none() {
                let why =
                    ended.iter().find(|(id, _)| *id == session).map_or(GoneReason::Lost, |(_, why)| *why);
                self.send(client, ServerMessage::Gone { session, why });
            }
        }
        let sessions = self.client(client).map(|own| own.sessions.clone()).unwrap_or_default();
        for key in sessions {
            let session = &self.sessions[key];
            let id = session.id;
            let sent = session.counted_to(client);
            if !got.contains_key(&id) {
                self.tell_matched(client, key);
            }
            let got = got.get(&id).copied().unwrap_or(0);
            match self.client(client).and_then(|own| own.held.after(id, got, sent)) {
                Some(missed) => missed.into_iter().for_each(|message| self.send(client, message)),
                // What is lost would be missed: the two have to start anew.
                None => {
                    self.send(client, ServerMessage::Gone { session: id, why: GoneReason::Lost });
                    self.end_session(key, client, GoneReason::Lost, now);
                }
            }
        }
    }

    /// Gives a returning client its place in the queue again.
    fn wait_again(&mut self, client: ClientId, now: Now) {
        let Some(own) = self.client_mut(client).filter(|own| own.state == State::Waiting) else { return };
        if let (Some(arrival), Some(want)) = (own.arrival.take(), own.want.clone()) {
            self.queue.insert(client, want, arrival);
            self.widen(client, now);
        }
        self.tell_waiting(client);
    }
}
