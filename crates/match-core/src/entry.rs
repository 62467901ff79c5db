//! The way in: who may say `hello`, and who has to work for it first.
//!
//! Whether a token is good is the transport's to check, and to use it up at the end where it is good once.

use std::time::Duration;

use rand_chacha::rand_core::Rng as _;

use crate::Now;
use crate::client::{ClientId, State};
use crate::deadlines::Due;
use crate::inbound::Hello;
use crate::limits::{CHALLENGE_S, SWEEP_MS};
use crate::matcher::Matcher;
use crate::message::{About, ErrorCode, Kind, PROTOCOL_VERSION, ServerMessage, error_about};
use crate::output::{CloseReason, Output, TokenQuestion};
use crate::tags::Place;

impl Matcher {
    pub(crate) fn handle_hello(&mut self, from: ClientId, hello: &Hello, now: Now) -> Result<(), ErrorCode> {
        self.expect_state(from, State::New)?;
        if hello.v != PROTOCOL_VERSION {
            self.close(from, ErrorCode::BadVersion, CloseReason::BadVersion, now);
            return Ok(());
        }
        let tags = self.client(from).and_then(|own| own.tags);
        if tags.is_some_and(|tags| self.records.banned_until(&tags, now.mono).is_some()) {
            self.close(from, ErrorCode::Banned, CloseReason::Banned, now);
            return Ok(());
        }
        if let Some(resume) = &hello.resume
            && self.resume(from, resume, now)
        {
            return Ok(());
        }
        if self.config.require_token && !hello.is_admitted {
            self.close(from, ErrorCode::NotAdmitted, CloseReason::NotAdmitted, now);
            return Ok(());
        }
        if self.has_to_work(from, hello, now)? {
            return Ok(());
        }
        match hello.token() {
            Some(token) if self.config.require_token => {
                let question = TokenQuestion { client: from, token: token.into() };
                self.outputs.push_back(Output::UseToken(question));
            }
            _ => self.greet(from, now),
        }
        Ok(())
    }

    /// The answer to [`Output::UseToken`]: whether the token was still good, and nobody else came in by it
    /// meanwhile if it is good once.
    pub fn handle_token(&mut self, question: &TokenQuestion, was_good: bool, now: Now) {
        if self.expect_state(question.client, State::New).is_err() {
            return;
        }
        if was_good {
            self.greet(question.client, now);
        } else {
            self.close(question.client, ErrorCode::NotAdmitted, CloseReason::NotAdmitted, now);
        }
        self.assert_consistent();
    }

    fn greet(&mut self, client: ClientId, now: Now) {
        self.enter(client, State::Greeted, now);
        self.appear(client);
        self.welcome(client, None, None);
    }

    /// Counts a client among those of its place.
    pub(crate) fn appear(&mut self, client: ClientId) {
        let Some(own) = self.client_mut(client).filter(|own| !own.is_present) else { return };
        own.is_present = true;
        if let Some(tags) = own.tags {
            self.records.crowds.enter(&tags);
        }
    }

    /// Counts it no more.
    pub(crate) fn vanish(&mut self, client: ClientId, now: Now) {
        let Some(own) = self.client_mut(client).filter(|own| own.is_present) else { return };
        own.is_present = false;
        if let Some(tags) = own.tags {
            self.records.crowds.leave(&tags, now.mono);
            self.arm_sweep(now);
        }
    }

    /// Where a client comes from, if that tells anything.
    pub(crate) fn place_of(&self, client: ClientId) -> Option<Place> {
        self.client(client)?.tags.map(|tags| self.tag_keys.place(&tags))
    }

    /// Replaces the key of the tags; the one before is kept for as long as a ban may outlive it.
    pub(crate) fn rotate_tags(&mut self, now: Now) {
        let mut key = [0; 32];
        self.random.fill_bytes(&mut key);
        self.tag_keys.rotate(key, now.mono);
        self.deadlines.arm(Due::Rotation, now.mono + Duration::from_secs(self.config.rotate_s));
        self.deadlines.arm(Due::OldKey, now.mono + Duration::from_secs(self.config.ban_s));
    }

    /// Forgets the records that are over, and comes back for the others.
    pub(crate) fn sweep_records(&mut self, now: Now) {
        self.records.sweep(now.mono);
        if !self.records.is_empty() {
            self.deadlines.arm(Due::Sweep, now.mono + Duration::from_millis(SWEEP_MS));
        }
    }

    /// Sees to it that what was just noted is forgotten in time.
    pub(crate) fn arm_sweep(&mut self, now: Now) {
        if !self.deadlines.is_armed(Due::Sweep) {
            self.deadlines.arm(Due::Sweep, now.mono + Duration::from_millis(SWEEP_MS));
        }
    }

    /// Asks a newcomer for work, if so many come that it has to and it has not done it.
    fn has_to_work(&mut self, from: ClientId, hello: &Hello, now: Now) -> Result<bool, ErrorCode> {
        let own = self.client(from).ok_or(ErrorCode::BadState)?;
        let (serial, was_asked) = (own.id.serial, own.challenge_bits);
        let bits = match (was_asked, &hello.proof) {
            (Some(_), Some(proof)) if self.work.accepts(proof, serial, now.unix_s) => return Ok(false),
            (Some(bits), proof) => {
                if proof.is_some() {
                    self.counters.count_error(ErrorCode::BadProof);
                    self.send(from, error_about(ErrorCode::BadProof, About::of(Kind::Hello)));
                }
                bits
            }
            (None, _) => self.difficulty(from, now),
        };
        if bits == 0 {
            return Ok(false);
        }
        if let Some(own) = self.client_mut(from) {
            own.challenge_bits = Some(bits);
        }
        if was_asked.is_none() {
            self.counters.challenges_total += 1;
            self.deadlines.arm(Due::Client(from), now.mono + Duration::from_secs(CHALLENGE_S));
        }
        let challenge = self.work.challenge(bits, serial, now.unix_s);
        let (bits, seed, until) = (challenge.bits, challenge.seed, challenge.until);
        self.send(from, ServerMessage::Challenge { bits, seed, until });
        Ok(true)
    }

    fn difficulty(&mut self, from: ClientId, now: Now) -> u8 {
        let limits = self.config.limits.work.clone();
        let tags = self.client(from).and_then(|own| own.tags);
        let (mut place_milli, mut is_suspect) = (0, false);
        if let Some(tags) = tags {
            let leak = u64::from(limits.place_per_s) * 1000;
            let over_budget = u64::from(limits.place_burst.max(1)) * 1000;
            place_milli =
                self.records.arrive(self.tag_keys.place(&tags), leak, now.mono).unwrap_or(over_budget);
            is_suspect = self.records.is_suspect(&tags, now.mono);
            self.arm_sweep(now);
        }
        self.work.difficulty(place_milli, is_suspect, &limits, now.mono)
    }
}
