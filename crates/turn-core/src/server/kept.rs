//! What the server keeps of anybody, in numbers; not what that is. It names every field of the server, so
//! that a new one is looked at before it is built.

use super::Server;
use crate::counters::Kept;
use crate::limits::{PORT_QUARANTINE, RESERVATION_LIFETIME};

impl Server {
    /// Counts what is kept besides allocations and connections, which are counted as they come and go.
    pub(super) fn count_kept(&mut self) {
        let Self {
            // The operator's, or random numbers of this server.
            worker: _,
            workers: _,
            addresses: _,
            external: _,
            discovery: _,
            lifetime_max: _,
            relay_ports: _,
            old_channels: _,
            icmp: _,
            credentials: _,
            algorithms: _,
            nonces: _,
            random: _,
            mobility: _,
            drain: _,
            #[cfg(debug_assertions)]
                numbers: _,
            // Parts of allocations: where they are found, when they end, what they share.
            directory: _,
            bandwidth: _,
            allocations: _,
            by_tuple: _,
            by_port: _,
            by_session: _,
            deadlines: _,
            births: _,
            connections: _,
            waits: _,
            next_mobile: _,
            rests_until: _,
            // On their way, for no longer than a turn of the loop.
            early: _,
            inbox: _,
            events: _,
            answers,
            failures,
            closed_numbers,
            public_ports,
            reserved,
            spent,
            connection_births,
            mobile,
            mobile_births,
            away,
            ended,
            counters,
        } = self;
        let (spent_requests, oldest_spent) = spent.kept();
        let (ended_sessions, ended_until_unix_s) = ended.kept();
        counters.spent_requests = spent_requests as u64;
        counters.oldest_spent = oldest_spent;
        counters.ended_sessions = ended_sessions as u64;
        counters.ended_until_unix_s = ended_until_unix_s.unwrap_or(0);
        let resting = [&*closed_numbers, &*public_ports];
        let rested = resting.iter().filter_map(|pool| pool.first_rested()).min();
        counters.kept = Kept {
            reservations: reserved.len() as u64,
            oldest_reservation: reserved.front().map(|it| it.until.saturating_sub(RESERVATION_LIFETIME)),
            oldest_connection: connection_births.next(),
            moving_clients: (mobile.len() + away.len()) as u64,
            // Who is away from here has had its ticket where it is now for longer.
            oldest_moving: mobile_births.next(),
            resting_ports: resting.iter().map(|pool| pool.resting() as u64).sum(),
            oldest_resting: rested.map(|until| until.saturating_sub(PORT_QUARANTINE)),
            budget_places: (answers.places() + failures.places()) as u64,
        };
    }
}
