//! Waiting for a stranger: tickets in, partners out, and the steps by which a ticket asks for less.
//!
//! Which tickets fit is the queue's.

use std::time::Duration;

use crate::Now;
use crate::client::{ClientId, State};
use crate::deadlines::Due;
use crate::matcher::Matcher;
use crate::message::{About, ErrorCode, Kind, ServerMessage, error_retry_about};
use crate::queue::Arrival;
use crate::reports::Met;
use crate::want::Want;

impl Matcher {
    /// Gives a greeted client a ticket, and a partner if there is one. `asked`: by which message.
    pub(crate) fn wait(
        &mut self,
        client: ClientId,
        want: Want,
        asked: Kind,
        now: Now,
    ) -> Result<(), ErrorCode> {
        self.expect_no_drain()?;
        if self.queue.len() >= self.config.limits.waiting_max {
            return Err(ErrorCode::QueueFull);
        }
        if let Some(own) = self.client_mut(client) {
            own.want = Some(want.clone());
        }
        if let Some(retry_ms) = self.has_searched_enough(client, now) {
            self.counters.count_error(ErrorCode::TooFast);
            self.send(client, error_retry_about(ErrorCode::TooFast, retry_ms, About::of(asked)));
            return Ok(());
        }
        let arrival = self.queue.arrive(now.mono);
        self.queue.insert(client, want, arrival);
        self.enter(client, State::Waiting, now);
        if !self.match_waiting(client, now) {
            self.arm_ticket(client, now);
            self.tell_waiting(client);
        }
        Ok(())
    }

    /// After how long a client may look for a partner, if too many looked from where it is. Each takes one
    /// who waits out of the queue, so that whoever does it all the time would take everybody.
    fn has_searched_enough(&mut self, client: ClientId, now: Now) -> Option<u64> {
        let place = self.place_of(client)?;
        self.arm_sweep(now);
        self.records.search(place, &self.config.limits, now.mono).err()
    }

    /// Tells a client that it waits, if it still does.
    pub(crate) fn tell_waiting(&mut self, client: ClientId) {
        if self.queue.ticket(client).is_some() {
            let bin = rounded(self.queue.len() as u64);
            self.send(client, ServerMessage::Waiting { bin });
        }
    }

    /// Moves a ticket to the step its waiting time has come to, and looks again.
    pub(crate) fn widen(&mut self, client: ClientId, now: Now) {
        let Some(ticket) = self.queue.ticket(client) else { return };
        let waited = now.mono.saturating_sub(ticket.arrival.since);
        let limits = &self.config.limits;
        let meets_again = waited >= Duration::from_millis(limits.rematch_ms);
        self.queue.widen(client, limits.step(waited), meets_again);
        if !self.match_waiting(client, now) {
            self.arm_ticket(client, now);
        }
    }

    /// Takes a ticket out of the queue; gives its place in it.
    pub(crate) fn take_ticket(&mut self, client: ClientId) -> Option<Arrival> {
        self.deadlines.disarm(Due::Ticket(client));
        self.queue.remove(client).map(|ticket| ticket.arrival)
    }

    /// Forgets the partners that may be met again, and the last one when it cannot be reported any more;
    /// comes back for the others.
    pub(crate) fn forget_partners(&mut self, client: ClientId, now: Now) {
        let Some(own) = self.client_mut(client) else { return };
        own.recent.expire(now.mono);
        own.last = own.last.take().filter(|met| now.mono < met.until());
        let last = own.last.as_ref().map(Met::until);
        if let Some(at) = own.recent.next_expiry().into_iter().chain(last).min() {
            self.deadlines.arm(Due::Recent(client), at);
        }
    }

    /// Looks for a partner for a ticket; the one who has just come or widened is the caller.
    fn match_waiting(&mut self, seeker: ClientId, now: Now) -> bool {
        let Some(own) = self.client(seeker) else { return false };
        let mut looked_at = 0;
        let met = |other| {
            own.recent.contains(other)
                || self.client(other).is_some_and(|other| other.recent.contains(seeker))
        };
        let partner = self.queue.partner(seeker, met, &mut looked_at);
        self.counters.looked_at_total += looked_at;
        let Some(partner) = partner else { return false };
        let common = match (self.queue.ticket(seeker), self.queue.ticket(partner)) {
            (Some(own), Some(other)) => own.want.common_tags(&other.want),
            _ => Vec::new(),
        };
        for (one, other) in [(seeker, partner), (partner, seeker)] {
            self.take_ticket(one);
            if let Some(client) = self.client_mut(one) {
                client.recent.insert(other, now.mono);
            }
            self.forget_partners(one, now);
        }
        self.open_session(seeker, partner, common, self.config.exposure, now);
        true
    }

    fn arm_ticket(&mut self, client: ClientId, now: Now) {
        let Some(ticket) = self.queue.ticket(client) else { return };
        let since = ticket.arrival.since;
        if let Some(change) = self.config.limits.next_change(now.mono.saturating_sub(since)) {
            self.deadlines.arm(Due::Ticket(client), since + change);
        }
    }
}

/// Rounds a number down to a step at which nobody can be counted.
fn rounded(n: u64) -> u64 {
    BINS.into_iter().rev().find(|bin| *bin <= n).unwrap_or(0)
}

/// The steps of `waiting.bin`.
const BINS: [u64; 9] = [0, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000];

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
