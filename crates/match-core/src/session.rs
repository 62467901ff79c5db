//! Sessions: two clients, a counter for each direction, an end.
//!
//! It forwards payloads that are sealed or that the gate has let pass.

use std::time::Duration;

use rand_chacha::rand_core::Rng as _;
use zeroize::Zeroize as _;

use crate::Now;
use crate::client::{ClientId, State};
use crate::deadlines::Due;
use crate::gate::{BadPayload, GatedBody};
use crate::ids::{SessionId, Side};
use crate::inbound::PayloadMessage;
use crate::limits::{CANDIDATES_MAX, HELD_RETRY_MS, RESUMED_SESSIONS_MAX};
use crate::matcher::Matcher;
use crate::message::{About, ErrorCode, Exposure, GoneReason, ServerMessage, bad_payload, error_retry_about};
use crate::output::{Matched, Output};
use crate::payload::{Payload, PayloadFrame};
use crate::reports::Met;

/// One session. Arrays are by [`Side::index`].
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) sides: [ClientId; 2],
    /// The last accepted `n` from each side.
    counted: [u64; 2],
    /// Candidates from each side since its last description.
    candidates: [u32; 2],
    exposure: Exposure,
    /// Who agreed to show where they are.
    consents: [bool; 2],
    ends_unix_s: u64,
    common: Vec<String>,
    pub(crate) opened: Duration,
    reported: [bool; 2],
}

impl Session {
    /// Which side a client is.
    pub(crate) fn side_of(&self, client: ClientId) -> Side {
        if self.sides[0] == client { Side::A } else { Side::B }
    }

    /// The other end.
    pub(crate) fn partner_of(&self, client: ClientId) -> ClientId {
        self.sides[self.side_of(client).other().index()]
    }

    /// The last accepted `n` from a side.
    pub(crate) fn counted_from(&self, client: ClientId) -> u64 {
        self.counted[self.side_of(client).index()]
    }

    /// The last `n` that a side was sent.
    pub(crate) fn counted_to(&self, client: ClientId) -> u64 {
        self.counted[self.side_of(client).other().index()]
    }

    /// Whether a report of a side about the other has counted.
    pub(crate) fn is_reported(&mut self, from: ClientId) -> &mut bool {
        let side = self.side_of(from).index();
        &mut self.reported[side]
    }

    /// Whether either may be shown where the other is.
    fn is_direct(&self) -> bool {
        match self.exposure {
            Exposure::Relay => false,
            Exposure::Consent => self.consents == [true; 2],
            Exposure::Direct => true,
        }
    }

    /// Notes what a body says of exposure and candidates, if the session allows it.
    fn admit(&mut self, side: usize, body: GatedBody) -> Result<GatedBody, BadPayload> {
        if body.is_exposing() && !self.is_direct() {
            return Err(BadPayload::CandidateNotRelayed);
        }
        if body.is_consent() && self.exposure == Exposure::Relay {
            return Err(BadPayload::Consent);
        }
        let candidates = body.candidates_after(self.candidates[side]);
        if candidates > CANDIDATES_MAX {
            return Err(BadPayload::TooManyCandidates);
        }
        self.candidates[side] = candidates;
        self.consents[side] |= body.is_consent();
        Ok(body)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.common.zeroize();
    }
}

impl Matcher {
    /// Joins two clients that are both free, or in the same room.
    pub(crate) fn open_session(
        &mut self,
        caller: ClientId,
        callee: ClientId,
        common: Vec<String>,
        exposure: Exposure,
        now: Now,
    ) {
        let mut id = SessionId([0; 16]);
        self.random.fill_bytes(&mut id.0);
        let key = self.sessions.insert(Session {
            id,
            sides: [caller, callee],
            counted: [0; 2],
            candidates: [0; 2],
            exposure,
            consents: [false; 2],
            ends_unix_s: now.unix_s + self.config.session_ttl_s,
            common,
            opened: now.mono,
            reported: [false; 2],
        });
        self.deadlines.arm(Due::Session(key), now.mono + Duration::from_secs(self.config.session_ttl_s));
        self.counters.matches_total += 1;
        for client in [caller, callee] {
            if let Some(own) = self.client_mut(client) {
                own.sessions.push(key);
            }
            self.enter(client, State::Matched, now);
            self.tell_matched(client, key);
        }
    }

    /// Tells a client of a session of its, if it is there.
    pub(crate) fn tell_matched(&mut self, client: ClientId, key: usize) {
        let Some(to) = self.client(client).and_then(|own| own.transport) else { return };
        let session = &self.sessions[key];
        self.outputs.push_back(Output::Matched(Matched {
            to,
            session: session.id,
            side: session.side_of(client),
            exposure: session.exposure,
            ends_unix_s: session.ends_unix_s,
            common: session.common.clone(),
        }));
    }

    /// Ends all sessions of a client: its partners are told, the client itself is left to the caller.
    pub(crate) fn end_sessions_of(&mut self, client: ClientId, why: GoneReason, now: Now) {
        let keys = self.client(client).map(|own| own.sessions.clone()).unwrap_or_default();
        for key in keys {
            self.end_session(key, client, why, now);
        }
    }

    /// Ends a session from one side: the other is told.
    pub(crate) fn end_session(&mut self, key: usize, from: ClientId, why: GoneReason, now: Now) {
        let partner = self.sessions[key].partner_of(from);
        let id = self.remove_session(key, why, now);
        self.tell_gone(partner, id, why);
    }

    /// Ends a session whose time has run out: both are told and free again.
    pub(crate) fn expire_session(&mut self, key: usize, now: Now) {
        let sides = self.sessions[key].sides;
        let id = self.remove_session(key, GoneReason::Ended, now);
        for side in sides {
            self.tell_gone(side, id, GoneReason::Ended);
        }
        for side in sides {
            // In a room of more the others are told that these two have left.
            self.end_sessions_of(side, GoneReason::Left, now);
            self.leave_room(side);
            self.enter(side, State::Greeted, now);
        }
    }

    /// A payload: to the partner if session, counter and gate agree; no other payload takes up a number.
    pub(crate) fn handle_payload(
        &mut self,
        from: ClientId,
        message: PayloadMessage,
        now: Now,
    ) -> Result<(), ErrorCode> {
        let PayloadMessage { session, n, bytes, payload } = message;
        let key = self.session_key(from, session).ok_or(ErrorCode::BadSession)?;
        let about = About { kind: payload.kind(), session: Some(session), n: Some(n) };
        if self.config.require_sealed && matches!(payload, Payload::Plain(_)) {
            return Err(ErrorCode::SealedRequired);
        }
        let own = &self.sessions[key];
        let (side, partner) = (own.side_of(from).index(), own.partner_of(from));
        if own.counted[side].checked_add(1) != Some(n) {
            return Err(ErrorCode::BadCounter);
        }
        if self.client(partner).is_some_and(|own| own.is_lost() && !own.held.has_room(bytes)) {
            self.counters.count_error(ErrorCode::TooFast);
            self.send(from, error_retry_about(ErrorCode::TooFast, HELD_RETRY_MS, about));
            return Ok(());
        }
        let (frame, is_bye) = match payload {
            Payload::Seal(frame) => (frame, false),
            Payload::Plain(body) => match body.and_then(|body| self.sessions[key].admit(side, body)) {
                Ok(body) => (PayloadFrame::plain(&session, n, &body), body.is_bye()),
                Err(reason) => {
                    self.counters.count_error(ErrorCode::BadPayload);
                    self.send(from, bad_payload(reason, about));
                    return Ok(());
                }
            },
        };
        self.sessions[key].counted[side] = n;
        self.counters.messages_total += 1;
        // Until it has certainly arrived.
        self.change_held(partner, |held| held.push(session, n, bytes, &frame, now.mono));
        self.fit_held();
        self.forward(partner, frame);
        if is_bye {
            self.end_session(key, from, GoneReason::Left, now);
        }
        Ok(())
    }

    /// Ends one session at a side's wish; who is in a room stays there, with its other sessions.
    pub(crate) fn handle_leave_one(
        &mut self,
        from: ClientId,
        session: SessionId,
        now: Now,
    ) -> Result<(), ErrorCode> {
        let key = self.session_key(from, session).ok_or(ErrorCode::BadSession)?;
        self.end_session(key, from, GoneReason::Left, now);
        if let Some(own) = self.client_mut(from).filter(|own| own.room.is_none()) {
            own.want = None;
        }
        Ok(())
    }

    /// A client's session of that name.
    pub(crate) fn session_key(&self, client: ClientId, session: SessionId) -> Option<usize> {
        let sessions = &self.client(client)?.sessions;
        sessions.iter().copied().find(|key| self.sessions[*key].id == session)
    }

    fn tell_gone(&mut self, client: ClientId, session: SessionId, why: GoneReason) {
        self.send(client, ServerMessage::Gone { session, why });
        // It can name no more; those that were opened while it is lost it does not know.
        if let Some(own) = self.client_mut(client).filter(|own| own.is_lost())
            && own.ended.len() < RESUMED_SESSIONS_MAX
        {
            own.ended.push((session, why));
        }
    }

    /// Takes a session away from both sides. Who has no other is in the room again, or free.
    fn remove_session(&mut self, key: usize, why: GoneReason, now: Now) -> SessionId {
        let session = self.sessions.remove(key);
        self.deadlines.disarm(Due::Session(key));
        self.outputs.push_back(Output::SessionEnded { session: session.id });
        let lasted = now.mono.saturating_sub(session.opened);
        for client in session.sides {
            let tags = self.client(session.partner_of(client)).and_then(|partner| partner.tags);
            let Some(own) = self.client_mut(client) else { continue };
            let is_reported = session.reported[session.side_of(client).index()];
            own.last = Some(Met { session: session.id, tags, lasted, is_reported, why, since: now.mono });
            own.sessions.retain(|other| *other != key);
            self.change_held(client, |held| held.forget(session.id));
            self.forget_partners(client, now);
            let Some(own) = self.client(client) else { continue };
            if own.sessions.is_empty() {
                let state = if own.room.is_some() { State::InRoom } else { State::Greeted };
                self.enter(client, state, now);
            }
        }
        session.id
    }
}
