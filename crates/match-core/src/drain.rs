//! The end of a server that others take over from: nobody new is brought together, those who talk go on.
//!
//! When the last of them has gone is the relay's to know.

use rand_chacha::rand_core::Rng as _;

use crate::Now;
use crate::client::{ClientId, State};
use crate::limits::DRAIN_MS_MAX;
use crate::matcher::Matcher;
use crate::message::{ErrorCode, GoneReason, ServerMessage};
use crate::output::Output;

impl Matcher {
    /// The server goes away: from now on there are no new sessions, nobody waits any more, and everybody is
    /// told to connect again, not all at the same moment. May be said again, as before the end.
    pub fn handle_drain(&mut self, now: Now) {
        self.is_draining = true;
        let waiting = self.clients.iter().filter(|(_, own)| own.state == State::Waiting);
        let waiting: Vec<ClientId> = waiting.map(|(_, own)| own.id).collect();
        for client in waiting {
            self.free(client, GoneReason::Left, now);
        }
        let there: Vec<_> = self.transports.iter().map(|(_, transport)| transport.id).collect();
        for to in there {
            let after_ms = self.random.next_u64() % DRAIN_MS_MAX;
            self.outputs.push_back(Output::Send { to, message: ServerMessage::Drain { after_ms } });
        }
        self.assert_consistent();
    }

    /// Whether anybody may still be brought together.
    pub(crate) fn expect_no_drain(&self) -> Result<(), ErrorCode> {
        if self.is_draining { Err(ErrorCode::Draining) } else { Ok(()) }
    }
}
