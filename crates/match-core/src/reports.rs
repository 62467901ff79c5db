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
        let (reported, lasted, is_new) = match self.session_key(from, session) {
            Some(key) => {
                let partner = self.sessions[key].partner_of(from);
                let tags = self.client(partner).and_then(|own| own.tags);
                let lasted = now.mono.saturating_sub(self.sessions[key].opened);
                (tags, lasted, self.sessions[key].note_report(from))
            }
            None => {
                let own = self.client_mut(from).ok_or(ErrorCode::BadSession)?;
                let met = own.last.as_mut().filter(|met| met.session == session);
                let met = met.ok_or(ErrorCode::BadSession)?;
                (met.tags, met.lasted, !std::mem::replace(&mut met.is_reported, true))
            }
        };
        let reported = reported.map(|tags| self.tag_keys.place(&tags));
        let (Some(own), Some(reported)) = (self.place_of(from), reported) else { return Ok(()) };
        if !is_new || lasted < Duration::from_millis(REPORT_AFTER_MS) {
            return Ok(());
        }
        self.arm_sweep(now);
        if !self.records.may_report(own, now.mono) {
            self.counters.count_error(ErrorCode::TooFast);
            let about = About { kind: Kind::Report, session: Some(session), n: None };
            self.send(from, error_retry_about(ErrorCode::TooFast, REPORT_RETRY_MS, about));
            return Ok(());
        }
        self.counters.reports_total += 1;
        let ban = Duration::from_secs(self.config.ban_s);
        match self.records.report(reported, own, ban, now.mono) {
            Judgement::Banned => self.ban(reported.near, now),
            Judgement::Noted | Judgement::Suspected => {}
        }
        Ok(())
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
