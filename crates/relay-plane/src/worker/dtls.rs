//! What a worker does with DTLS: records in, the messages in them to the server, answers out.

use turn_core::{FiveTuple, ListenerId, Now};

use super::Worker;
use crate::dtls::{Dtls, Fate};

impl Worker {
    /// A datagram that says it is DTLS. It came to the same port as plain ones, by another 5-tuple.
    pub(super) fn read_dtls(&mut self, tuple: FiveTuple, datagram: &[u8], now: Now) {
        let tuple = FiveTuple { listener: ListenerId::dtls(tuple.listener.0), ..tuple };
        let Some(mut dtls) = self.dtls.take() else { return };
        let fate = dtls.handle_datagram(now.mono, &tuple, datagram);
        self.carry_through(&dtls, &tuple, fate, now);
        self.dtls = Some(dtls);
    }

    /// Does what is due for associations.
    pub(super) fn keep_dtls(&mut self, now: Now) {
        let Some(mut dtls) = self.dtls.take() else { return };
        let before = dtls.counters().networks;
        while let Some((tuple, fate)) =
            dtls.handle_deadline(now.mono, |tuple| self.server.holds_allocation(tuple))
        {
            self.publisher.touch();
            self.carry_through(&dtls, &tuple, fate, now);
        }
        if dtls.counters().networks != before {
            self.publisher.touch();
        }
        self.dtls = Some(dtls);
    }

    /// Ends all associations.
    pub(super) fn close_dtls(&mut self) {
        let Some(mut dtls) = self.dtls.take() else { return };
        while let Some(tuple) = dtls.close_one() {
            self.exits.push_records(&tuple, &dtls.taken);
        }
        self.flush();
    }

    fn carry_through(&mut self, dtls: &Dtls, tuple: &FiveTuple, fate: Fate, now: Now) {
        self.exits.push_records(tuple, &dtls.taken);
        let mut reply = Vec::new();
        for message in dtls.taken.messages.iter() {
            self.io.dtls.in_packets += 1;
            self.io.dtls.in_bytes += message.len() as u64;
            let verdict = self.server.handle_client(now, *tuple, message, &mut reply);
            self.exits.execute(tuple, verdict, &mut reply);
        }
        if fate == Fate::Ended {
            self.server.handle_client_gone(now, *tuple);
        }
    }

    /// The last allocation of a client with an association ended.
    pub(super) fn release_dtls(&mut self, client: &FiveTuple, now: Now) {
        if let Some(dtls) = &mut self.dtls {
            dtls.handle_released(now.mono, client);
        }
    }
}
