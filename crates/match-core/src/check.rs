//! What always holds between the matcher's maps, in debug builds.
//!
//! It changes nothing.

use crate::matcher::Matcher;

impl Matcher {
    /// Holds the maps together in debug builds. A crowd is left out: checking all of it after each message
    /// would make every test with a crowd quadratic, and a small one shows the same mistakes.
    pub(crate) fn assert_consistent(&self) {
        #[cfg(debug_assertions)]
        if self.clients.len() <= CHECKED_CLIENTS_MAX {
            self.check();
        }
    }

    #[cfg(debug_assertions)]
    fn check(&self) {
        use crate::client::State;
        use crate::deadlines::Due;

        let (mut waiting, mut sides, mut members, mut lost, mut tokens) = (0, 0, 0, 0, 0);
        let mut held = 0;
        for (key, own) in &self.clients {
            assert_eq!(own.id.key, key);
            let is_due = self.deadlines.is_armed(Due::Client(own.id));
            assert_eq!(is_due, own.is_lost() || own.state != State::Matched, "each client has one deadline");
            let has_ticket = self.queue.ticket(own.id).is_some();
            let should_wait = own.state == State::Waiting && !own.is_lost();
            assert_eq!(has_ticket, should_wait, "a ticket is waiting and waiting is a ticket");
            waiting += usize::from(has_ticket);
            match own.transport {
                Some(transport) => assert_eq!(self.transports[transport.key].client, own.id),
                None => lost += 1,
            }
            assert_eq!(own.is_present, own.state != State::New && !own.is_lost());
            held += own.held.footprint();
            assert!(self.held_pool.has(own.id, own.held.footprint()));
            assert!(!own.sessions.is_empty() || own.held.footprint() == 0, "it is held for a session");
            let has_expiry = own.held.next_expiry().is_some();
            assert_eq!(self.deadlines.is_armed(Due::Held(own.id)), has_expiry && !own.is_lost());
            tokens += [own.token, own.token_before].iter().flatten().count();
            assert_eq!(own.state == State::Matched, !own.sessions.is_empty());
            for key in &own.sessions {
                let session = &self.sessions[*key];
                assert!(session.sides.contains(&own.id), "a session knows its sides");
                assert_ne!(session.sides[0], session.sides[1], "nobody meets themselves");
                assert!(self.deadlines.is_armed(Due::Session(*key)), "each session has a deadline");
                sides += 1;
            }
            if let Some(code) = own.room {
                assert!(self.rooms[&code].members.contains(&own.id), "a room knows its members");
                assert!(matches!(own.state, State::InRoom | State::Matched));
                members += 1;
            } else {
                assert!(own.sessions.len() <= 1, "only a room has more than one partner");
            }
        }
        assert_eq!((waiting, lost), (self.queue.len(), self.lost.len()));
        assert!(lost <= self.config.limits.lost_max, "who is one too many gives way");
        assert_eq!(held, self.held_pool.bytes(), "all that is held is counted");
        assert!(held <= self.config.limits.held_total_bytes_max);
        assert_eq!(tokens, self.client_by_token.len(), "each token is a client's");
        assert_eq!(self.transports.len(), self.clients.len() - lost, "each transport is a client's");
        assert_eq!(sides, 2 * self.sessions.len(), "a session has two sides");
        assert_eq!(members, self.rooms.values().map(|room| room.members.len()).sum::<usize>());
        assert!(self.rooms.values().all(|room| !room.members.is_empty()), "an empty room is removed");
        self.queue.assert_consistent();
    }
}

#[cfg(debug_assertions)]
const CHECKED_CLIENTS_MAX: usize = 64;
