//! Reports about a partner, and the bans that come of them.
//!
//! The reported are never told. Nothing of what was said is kept: only that somebody of some network
//! complained about somebody at some place.

use std::time::Duration;

use crate::Now;
use crate::client::{ClientId, State};
use crate::ids::SessionId;
use crate::limits::{REPORT_AFTER_MS, REPORT_RETRY_MS, REPORTABLE_MS_MAX};
use crate::matcher::Matcher;
use crate::message::{About, ErrorCode, GoneReason, Kind, error_retry_about};
use crate::output::CloseReason;
use crate::records::Judgement;
use crate::tags::{Tag, Tags};

/// A session that is over, as one side may still report the other.
pub(crate) struct Met {
    pub(crate) session: SessionId,
    pub(crate) tags: Option<Tags>,
    pub(crate) lasted: Duration,
    pub(crate) is_reported: bool,
    /// How it ended.
    pub(crate) why: GoneReason,
    /// When it ended.
    pub(crate) since: Duration,
}

impl Met {
    /// When it is forgotten.
    pub(crate) fn until(&self) -> Duration {
        self.since + Duration::from_millis(REPORTABLE_MS_MAX)
    }
}

impl Matcher {
    /// A report about the partner of a session that is, or was the client's last.
    pub(crate) fn handle_report(
        &mut self,
        from: ClientId,
        session: SessionId,
        now: Now,
    ) -> Result<(), ErrorCode> {
        let (reported, lasted) = match self.session_key(from, session) {
            Some(key) => {
                let partner = self.sessions[key].partner_of(from);
                let tags = self.client(partner).and_then(|own| own.tags);
                (tags, now.mono.saturating_sub(self.sessions[key].opened))
            }
            None => {
                let met = self.client(from).and_then(|own| own.last.as_ref());
                let met = met.filter(|met| met.session == session).ok_or(ErrorCode::BadSession)?;
                (met.tags, met.lasted)
            }
        };
        let was_reported = self.is_reported(from, session).is_none_or(|reported| *reported);
        let reported = reported.map(|tags| self.tag_keys.place(&tags));
        let (Some(own), Some(reported)) = (self.place_of(from), reported) else { return Ok(()) };
        if was_reported || lasted < Duration::from_millis(REPORT_AFTER_MS) {
            return Ok(());
        }
        self.arm_sweep(now);
        if !self.records.may_report(own, now.mono) {
            self.counters.count_error(ErrorCode::TooFast);
            let about = About { kind: Kind::Report, session: Some(session), n: None };
            self.send(from, error_retry_about(ErrorCode::TooFast, REPORT_RETRY_MS, about));
            return Ok(());
        }
        // Only what counts is used up: one that came too soon, or too often, may be sent again.
        if let Some(reported) = self.is_reported(from, session) {
            *reported = true;
        }
        self.counters.reports_total += 1;
        let ban = Duration::from_secs(self.config.ban_s);
        match self.records.report(reported, own, ban, now.mono) {
            Judgement::Banned => self.ban(reported.near, now),
            Judgement::Noted | Judgement::Suspected => {}
        }
        Ok(())
    }

    /// Whether a report of a client about a session, present or last, has counted.
    fn is_reported(&mut self, from: ClientId, session: SessionId) -> Option<&mut bool> {
        match self.session_key(from, session) {
            Some(key) => Some(self.sessions[key].is_reported(from)),
            None => {
                let last = self.client_mut(from)?.last.as_mut();
                last.filter(|met| met.session == session).map(|met| &mut met.is_reported)
            }
        }
    }

    /// Closes everybody of a place that has just been banned.
    fn ban(&mut self, tag: Tag, now: Now) {
        self.counters.bans_total += 1;
        let is_of = |tags: Tags| tags.near().any(|near| near == tag);
        let banned: Vec<ClientId> = self
            .clients
            .iter()
            .filter(|(_, own)| own.state != State::New && own.tags.is_some_and(is_of))
            .map(|(_, own)| own.id)
            .collect();
        for client in banned {
            self.close(client, ErrorCode::Banned, CloseReason::Banned, now);
        }
    }
}
