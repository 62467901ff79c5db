//! Sessions: two connections, a counter for each direction, an end.
//!
//! It forwards payloads that are sealed or that the gate has let pass; it does not keep them.

use std::time::Duration;

use rand_chacha::rand_core::Rng as _;

use crate::Now;
use crate::connection::{ConnectionId, State};
use crate::deadlines::Due;
use crate::gate::{BadPayload, GatedBody};
use crate::ids::{SessionId, Side};
use crate::limits::CANDIDATES_MAX;
use crate::matcher::Matcher;
use crate::message::{ErrorCode, Exposure, GoneReason, ServerMessage, bad_payload};
use crate::output::{Matched, Output};
use crate::payload::Payload;

/// One session. Arrays are by [`Side::index`].
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) sides: [ConnectionId; 2],
    /// The last accepted `n` from each side.
    counted: [u64; 2],
    /// Candidates from each side since its last description.
    candidates: [u32; 2],
    exposure: Exposure,
    /// Who agreed to show where they are.
    consents: [bool; 2],
}

impl Session {
    /// Which side a connection is.
    pub(crate) fn side_of(&self, connection: ConnectionId) -> Side {
        if self.sides[0] == connection { Side::A } else { Side::B }
    }

    /// The other end.
    pub(crate) fn partner_of(&self, connection: ConnectionId) -> ConnectionId {
        self.sides[self.side_of(connection).other().index()]
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

impl Matcher {
    /// Joins two connections that are both free.
    pub(crate) fn open_session(
        &mut self,
        caller: ConnectionId,
        callee: ConnectionId,
        common: Vec<String>,
        exposure: Exposure,
        now: Now,
    ) {
        let mut id = SessionId([0; 16]);
        self.random.fill_bytes(&mut id.0);
        let session = Session {
            id,
            sides: [caller, callee],
            counted: [0; 2],
            candidates: [0; 2],
            exposure,
            consents: [false; 2],
        };
        let key = self.sessions.insert(session);
        self.deadlines.arm(Due::Session(key), now.mono + Duration::from_secs(self.config.session_ttl_s));
        self.counters.matches_total += 1;
        let ends_unix_s = now.unix_s + self.config.session_ttl_s;
        for (to, side) in [(caller, Side::A), (callee, Side::B)] {
            self.enter(to, State::Matched(key), now);
            let common = common.clone();
            let matched = Matched { to, session: id, side, exposure, ends_unix_s, common };
            self.outputs.push_back(Output::Matched(matched));
        }
    }

    /// Ends the session of a connection, if it has one: the partner is told and free again, the connection
    /// itself is left to the caller.
    pub(crate) fn end_session_of(&mut self, connection: ConnectionId, why: GoneReason, now: Now) {
        let Some(State::Matched(key)) = self.connection(connection).map(|own| own.state) else { return };
        let partner = self.sessions[key].partner_of(connection);
        let id = self.remove_session(key);
        self.send(partner, ServerMessage::Gone { session: id, why });
        let alone = self.connection(partner).is_some_and(|partner| partner.room.is_some());
        self.enter(partner, if alone { State::InRoom } else { State::Greeted }, now);
        self.enter(connection, State::Greeted, now);
    }

    /// Ends a session whose time has run out: both are told and free again.
    pub(crate) fn expire_session(&mut self, key: usize, now: Now) {
        let sides = self.sessions[key].sides;
        let id = self.remove_session(key);
        for side in sides {
            self.send(side, ServerMessage::Gone { session: id, why: GoneReason::Ended });
            self.leave_room(side);
            self.enter(side, State::Greeted, now);
        }
    }

    /// A payload: to the partner if session, counter and gate agree; no other payload takes up a number.
    pub(crate) fn handle_payload(
        &mut self,
        from: ConnectionId,
        session: SessionId,
        n: u64,
        payload: Payload,
        now: Now,
    ) -> Result<(), ErrorCode> {
        let Some(State::Matched(key)) = self.connection(from).map(|own| own.state) else {
            return Err(ErrorCode::BadSession);
        };
        if self.config.require_sealed && matches!(payload, Payload::Plain(_)) {
            return Err(ErrorCode::SealedRequired);
        }
        let own = &mut self.sessions[key];
        if own.id != session {
            return Err(ErrorCode::BadSession);
        }
        let side = own.side_of(from).index();
        if own.counted[side].checked_add(1) != Some(n) {
            return Err(ErrorCode::BadCounter);
        }
        let (message, is_bye) = match payload {
            Payload::Seal(body) => (ServerMessage::Seal { session, n, body }, false),
            Payload::Plain(body) => match body.and_then(|body| own.admit(side, body)) {
                Ok(body) => {
                    let is_bye = body.is_bye();
                    (ServerMessage::Plain { session, n, body }, is_bye)
                }
                Err(reason) => {
                    self.counters.count_error(ErrorCode::BadPayload);
                    self.send(from, bad_payload(reason));
                    return Ok(());
                }
            },
        };
        own.counted[side] = n;
        let partner = own.partner_of(from);
        self.counters.messages_total += 1;
        self.send(partner, message);
        if is_bye {
            self.free(from, GoneReason::Left, now);
        }
        Ok(())
    }

    fn remove_session(&mut self, key: usize) -> SessionId {
        let session = self.sessions.remove(key);
        self.deadlines.disarm(Due::Session(key));
        self.outputs.push_back(Output::SessionEnded { session: session.id });
        session.id
    }
}
