//! By what a worker sends: its sockets, the streams, and what waits for either until the batch is through.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use turn_core::{FiveTuple, Hop, Verdict};

use crate::dtls::{Associations, Taken, Unsealed};
use crate::outbox::{Exit, Outbox, Way};
use crate::socket::Socket;
use crate::stats::{IoCounters, Traffic};
use crate::streams::{StreamTable, Worth};

/// All ways out. What is pushed leaves at the next [`Exits::flush`].
pub(super) struct Exits {
    pub(super) listeners: Vec<Socket>,
    pub(super) relays: BTreeMap<u16, Socket>,
    pub(super) streams: StreamTable,
    /// Those of all workers.
    associations: Option<Arc<Associations>>,
    sealed: Taken,
    plain: Vec<u8>,
    sealed_traffic: Traffic,
    /// Messages for associations that are gone, and those that fit no record, since the last flush.
    gone: u64,
    too_long: u64,
    outbox: Outbox,
}

impl Exits {
    pub(super) fn new(listeners: Vec<Socket>, associations: Option<Arc<Associations>>) -> Self {
        Self {
            listeners,
            relays: BTreeMap::new(),
            streams: StreamTable::default(),
            associations,
            sealed: Taken::default(),
            plain: Vec::new(),
            sealed_traffic: Traffic::default(),
            gone: 0,
            too_long: 0,
            outbox: Outbox::default(),
        }
    }

    /// Executes the verdict about a client's datagram or frame.
    pub(super) fn execute(&mut self, from: &FiveTuple, verdict: Verdict<'_>, reply: &mut Vec<u8>) {
        match verdict {
            Verdict::Forward { hop, payload } => self.forward(hop, payload),
            Verdict::Reply => {
                self.push_to(from, Worth::Answer, |out| out.extend_from_slice(reply));
                reply.clear();
            }
            Verdict::Later => {}
            Verdict::Drop(reason) => tracing::trace!(?reason, "dropped"),
        }
    }

    /// Executes a forward: the payload in its clothes, on its way.
    pub(super) fn forward(&mut self, hop: Hop, payload: &[u8]) {
        match hop {
            // A Data indication has an identifier of its own and may differ in length: still a legal burst.
            Hop::Client { to, framing } => {
                self.push_to(&to, Worth::Data, |out| framing.write(payload, out));
            }
            Hop::Peer { port, to, whole } => {
                let segments = self.relays.get(&port).map_or(1, Socket::burst_segments_max);
                let way = Way { exit: Exit::Relay(port), to: to.0, from: None, whole };
                self.outbox.push(way, segments, |out| out.extend_from_slice(payload));
            }
        }
    }

    /// Sends an answer that was not given at once.
    pub(super) fn answer(&mut self, to: &FiveTuple, message: &[u8]) {
        self.push_to(to, Worth::Answer, |out| out.extend_from_slice(message));
    }

    /// Sends records of DTLS as they are.
    pub(super) fn push_records(&mut self, to: &FiveTuple, taken: &Taken) {
        let (way, segments) = self.way_to(to);
        for record in taken.records.iter() {
            self.outbox.push(way, segments, |out| out.extend_from_slice(record));
        }
    }

    /// Sends everything.
    pub(super) fn flush(&mut self, now: Duration, io: &mut IoCounters) {
        self.streams.flush(now, io);
        io.dtls.add_out(&std::mem::take(&mut self.sealed_traffic));
        io.gone_receivers += std::mem::take(&mut self.gone);
        io.too_long += std::mem::take(&mut self.too_long);
        let Self { outbox, listeners, relays, .. } = self;
        outbox.drain(|exit, burst, segments| {
            let Some(socket) = socket_of(listeners, relays, exit) else { return };
            let sent = socket.send(&burst);
            io.udp.out_packets += sent.datagrams as u64;
            io.udp.out_bytes += sent.bytes as u64;
            io.send_failures += (segments - sent.datagrams) as u64;
            if let Some(error) = sent.error {
                tracing::trace!(kind = ?error.kind(), "not sent");
            }
        });
    }

    /// Whether so much waits that it should leave before more is read.
    pub(super) fn are_full(&self) -> bool {
        self.outbox.is_full() || self.streams.is_full()
    }

    pub(super) fn socket(&mut self, exit: Exit) -> Option<&mut Socket> {
        socket_of(&mut self.listeners, &mut self.relays, exit)
    }

    fn push_to(&mut self, to: &FiveTuple, worth: Worth, write: impl FnOnce(&mut Vec<u8>)) {
        if to.listener.is_stream() {
            return self.streams.push(to, worth, write);
        }
        if to.listener.is_dtls() {
            return self.push_sealed(to, write);
        }
        let (way, segments) = self.way_to(to);
        self.outbox.push(way, segments, write);
    }

    /// Encrypts what `write` writes; what cannot be is counted.
    fn push_sealed(&mut self, to: &FiveTuple, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(association) = self.associations.as_ref().and_then(|all| all.find(to)) else {
            self.gone += 1;
            return;
        };
        self.plain.clear();
        write(&mut self.plain);
        let mut sealed = std::mem::take(&mut self.sealed);
        sealed.clear();
        match association.seal(&self.plain, &mut sealed) {
            Ok(()) => {
                self.push_records(to, &sealed);
                self.sealed_traffic.out_packets += 1;
                self.sealed_traffic.out_bytes += self.plain.len() as u64;
            }
            Err(Unsealed::TooLong) => self.too_long += 1,
            Err(Unsealed::Over) => self.gone += 1,
        }
        self.sealed = sealed;
    }

    fn way_to(&self, to: &FiveTuple) -> (Way, usize) {
        let place = to.listener.place();
        let segments = self.listeners.get(usize::from(place)).map_or(1, Socket::burst_segments_max);
        let exit = Exit::Listener(place);
        (Way { exit, to: to.client.0, from: Some(to.local.0), whole: false }, segments)
    }
}

fn socket_of<'a>(
    listeners: &'a mut [Socket],
    relays: &'a mut BTreeMap<u16, Socket>,
    exit: Exit,
) -> Option<&'a mut Socket> {
    match exit {
        Exit::Listener(place) => listeners.get_mut(usize::from(place)),
        Exit::Relay(port) => relays.get_mut(&port),
    }
}

#[cfg(test)]
mod tests {
    use turn_core::{ClientAddr, ListenerId, LocalIp};

    use super::*;
    use crate::web::Caps;

    #[test]
    fn what_is_for_clients_that_are_gone_is_counted_and_not_as_sent() {
        let caps = Caps { open: 1, open_per_prefix: 1, handshakes: 1, handshakes_per_prefix: 1 };
        let mut exits = Exits::new(Vec::new(), Some(Arc::new(Associations::new(caps))));
        for listener in [ListenerId::stream(0), ListenerId::dtls(0)] {
            let client = ClientAddr(([192, 0, 2, 1], 5_000).into());
            let to = FiveTuple { client, local: LocalIp([127, 0, 0, 1].into()), listener };
            exits.answer(&to, b"answer");
        }
        let mut io = IoCounters::default();
        exits.flush(Duration::ZERO, &mut io);
        assert_eq!(io, IoCounters { gone_receivers: 2, ..IoCounters::default() });
    }
}
