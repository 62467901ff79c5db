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
use crate::limits::RELAYED_MS;
use crate::matcher::Matcher;
use crate::message::{GoneReason, ServerMessage};
use crate::output::{CloseReason, Output, RelayQuestion};
use crate::tags::Tags;

impl Matcher {
    /// The relay's answer to [`Output::AskRelay`]: whether it moved anything for that side in the last 30 s.
    /// A working call outlives a broken signaling connection; without an answer it counts as working.
    pub fn handle_relaying(&mut self, question: &RelayQuestion, is_relaying: bool, now: Now) {
        let client = question.client;
        let Some(key) = self.session_key(client, question.session) else { return };
        if is_relaying || !self.client(client).is_some_and(|own| own.is_lost()) {
            return;
        }
        self.break_session(key, client, now);
        if self.client(client).is_some_and(|own| own.sessions.is_empty()) {
            self.forget(client, GoneReason::Lost, now);
        }
        self.assert_consistent();
    }

    /// Keeps a client that lost its transport, if it is in anything. Where that is one too many, another may
    /// have to give way.
    pub(crate) fn lose(&mut self, client: ClientId, now: Now) {
        let Some(own) = self.client(client) else { return };
        let is_in_something = matches!(own.state, State::Waiting | State::InRoom | State::Matched);
        if !is_in_something {
            return self.forget(client, GoneReason::Lost, now);
        }
        let state = own.state;
        self.vanish(client, now);
        self.lost.insert(client, self.place_of(client), state);
        if let Some(transport) = self.client_mut(client).and_then(|own| own.transport.take()) {
            self.transports.remove(transport.key);
        }
        let arrival = self.take_ticket(client);
        if let Some(own) = self.client_mut(client) {
            own.arrival = arrival;
            own.lost_since = now.mono;
        }
        self.deadlines.disarm(Due::Held(client));
        if self.config.resume_s == 0 {
            self.expire_lost(client, now);
        } else {
            let until = now.mono + Duration::from_secs(self.config.resume_s);
            self.deadlines.arm(Due::Client(client), until);
        }
        if self.lost.len() > self.config.limits.lost_max
            && let Some(first) = self.lost.first_to_go()
        {
            self.forget(first, GoneReason::Lost, now);
        }
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
        let Some(own) = self.client_mut(newcomer) else { return false };
        let (Some(transport), tags) = (own.transport.take(), own.tags) else { return false };
        self.forget(newcomer, GoneReason::Lost, now);
        self.attach(client, transport);
        self.move_to(client, tags, now);
        self.counters.resumed_total += 1;
        let state = self.client(client).map_or(State::Greeted, |own| own.state);
        self.enter(client, state, now);
        if let Some(own) = self.client_mut(client) {
            own.held.restart(now.mono);
        }
        self.expire_held(client, now);
        self.welcome(client, Some(resume.token), Some(self.received_from(client)));
        if let Some(code) = self.client(client).and_then(|own| own.room) {
            self.send(client, ServerMessage::Room { code });
        }
        self.restate_sessions(client, &resume.got, now);
        self.open_owed(client, now);
        self.wait_again(client, now);
        true
    }

    /// Greets, with a token for the next return. `brought`: what the client came back with, which stays good
    /// until it is certain that this greeting has arrived.
    pub(crate) fn welcome(
        &mut self,
        client: ClientId,
        brought: Option<ResumeToken>,
        got: Option<BTreeMap<SessionId, u64>>,
    ) {
        let mut token = ResumeToken([0; 16]);
        self.random.fill_bytes(&mut token.0);
        let Some(own) = self.client_mut(client) else { return };
        let before = [own.token.replace(token), std::mem::replace(&mut own.token_before, brought)];
        for over in before.into_iter().flatten().filter(|token| Some(*token) != brought) {
            self.client_by_token.swap_remove(&over);
        }
        self.client_by_token.insert(token, client);
        self.send(client, ServerMessage::welcome(&self.config, token, got));
    }

    /// A client says something on its transport: its greeting has arrived, and what came with it.
    pub(crate) fn settle(&mut self, client: ClientId) {
        let Some(own) = self.client_mut(client) else { return };
        own.ended = Vec::new();
        if let Some(before) = own.token_before.take() {
            self.client_by_token.swap_remove(&before);
        }
    }

    /// A client is where its new transport comes from.
    fn move_to(&mut self, client: ClientId, tags: Option<Tags>, now: Now) {
        self.vanish(client, now);
        if let Some(own) = self.client_mut(client) {
            own.tags = tags;
        }
        self.appear(client);
    }

    /// Gives a client a transport, instead of the one that it may have.
    fn attach(&mut self, client: ClientId, transport: ConnectionId) {
        let (Some(known), Some(own)) =
            (self.transports.get_mut(transport.key), self.clients.get_mut(client.key))
        else {
            return;
        };
        known.client = client;
        if let Some(before) = own.transport.replace(transport) {
            self.transports.remove(before.key);
            self.outputs.push_back(Output::Close { to: before, reason: CloseReason::Resumed });
        }
        self.lost.remove(client);
    }

    /// The last accepted `n` of a client in each of its sessions.
    fn received_from(&self, client: ClientId) -> BTreeMap<SessionId, u64> {
        let Some(own) = self.client(client) else { return BTreeMap::new() };
        let sessions = own.sessions.iter().map(|key| &self.sessions[*key]);
        sessions.map(|session| (session.id, session.counted_from(client))).collect()
    }

    /// Brings what a client knows of its sessions up to date.
    fn restate_sessions(&mut self, client: ClientId, got: &BTreeMap<SessionId, u64>, now: Now) {
        for session in got.keys().copied() {
            if self.session_key(client, session).is_none() {
                let why = self.why_ended(client, session);
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
                Some(missed) => missed.into_iter().for_each(|frame| self.forward(client, frame)),
                // What is lost would be missed: the two have to start anew.
                None => {
                    self.send(client, ServerMessage::Gone { session: id, why: GoneReason::Lost });
                    self.break_session(key, client, now);
                }
            }
        }
    }

    /// Ends a session that a side was lost from; in a room the two get another when both are there.
    fn break_session(&mut self, key: usize, lost: ClientId, now: Now) {
        let sides = self.sessions[key].sides;
        self.end_session(key, lost, GoneReason::Lost, now);
        self.owe(sides);
    }

    /// How a session ended that a client has not heard the end of.
    fn why_ended(&self, client: ClientId, session: SessionId) -> GoneReason {
        let Some(own) = self.client(client) else { return GoneReason::Lost };
        let last = own.last.as_ref().filter(|met| met.session == session).map(|met| met.why);
        let ended = own.ended.iter().find(|(id, _)| *id == session).map(|(_, why)| *why);
        ended.or(last).unwrap_or(GoneReason::Lost)
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
