//! Reports about a partner, and the bans that come of them.
//!
//! The reported are never told. Nothing of what was said is kept: only that somebody of some network
//! complained about somebody at some place.

use std::time::Duration;

use crate::Now;
use crate::client::{ClientId, State};
use crate::ids::SessionId;
use crate::limits::{REPORT_AFTER_MS, REPORT_RETRY_MS};
use crate::matcher::Matcher;
use crate::message::{ErrorCode, error_retry};
use crate::output::CloseReason;
use crate::records::Judgement;
use crate::tags::{Tag, Tags};

/// A session that is over, as one side may still report the other.
pub(crate) struct Met {
    session: SessionId,
    tags: Option<Tags>,
    lasted: Duration,
    is_reported: bool,
}

impl Met {
    pub(crate) fn new(session: SessionId, tags: Option<Tags>, lasted: Duration, is_reported: bool) -> Self {
        Self { session, tags, lasted, is_reported }
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
        let own = self.client(from).and_then(|own| own.tags);
        let (Some(own), Some(reported)) = (own, reported) else { return Ok(()) };
        if !is_new || lasted < Duration::from_millis(REPORT_AFTER_MS) {
            return Ok(());
        }
        self.arm_sweep(now);
        if !self.records.may_report(own.near, now.mono) {
            self.counters.count_error(ErrorCode::TooFast);
            self.send(from, error_retry(ErrorCode::TooFast, REPORT_RETRY_MS));
            return Ok(());
        }
        self.counters.reports_total += 1;
        let ban = Duration::from_secs(self.config.ban_s);
        match self.records.report(reported.near, own.wide, ban, now.mono) {
            Judgement::Banned => self.ban(reported.near, now),
            Judgement::Noted | Judgement::Suspected => {}
        }
        Ok(())
    }

    /// Closes everybody of a place that has just been banned.
    fn ban(&mut self, tag: Tag, now: Now) {
        self.counters.bans_total += 1;
        let is_of = |tags: Tags| tags.near == tag;
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
