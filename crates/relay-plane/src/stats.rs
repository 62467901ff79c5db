//! Counters of a worker, published for readers on other threads. Not on a packet's way: a copy now and then.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use turn_core::{Counters, DropReason};

use crate::dtls::DtlsCounters;
use crate::limits::{GUESSES_INTERVAL, PUBLISH_INTERVAL};
use crate::streams::{StreamCounters, Transport};

/// What went over the wire, whatever became of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IoCounters {
    /// Datagrams, without UDP and IP headers.
    pub udp: Traffic,
    /// Frames of bare streams.
    pub tcp: Traffic,
    /// Frames of TLS streams, as they are inside.
    pub tls: Traffic,
    /// Messages within DTLS; the datagrams that carry them are among those of `udp`.
    pub dtls: Traffic,
    /// Datagrams the kernel did not take, because its buffer was full or there is no way to the receiver.
    pub send_failures: u64,
    /// Datagrams that were handed over as QUIC.
    pub quic_packets: u64,
    /// QUIC datagrams that were dropped because their reader is slower than they come, or too large.
    pub quic_drops: u64,
    /// Datagrams of sockets that all workers share which found a worker's mailbox full.
    pub lost_arrivals: u64,
    /// Notices to other workers that found their mailbox full.
    pub lost_notices: u64,
    /// Frames and messages for clients whose connection or association had just ended.
    pub gone_receivers: u64,
    /// Messages that no record of DTLS holds.
    pub too_long: u64,
}

/// Packets and bytes of one transport: datagrams, or frames on streams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Received.
    pub in_packets: u64,
    /// Bytes of those.
    pub in_bytes: u64,
    /// Sent, or queued for a stream.
    pub out_packets: u64,
    /// Bytes of those.
    pub out_bytes: u64,
}

/// All that a worker counts, or the sum over workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayCounters {
    /// Decisions.
    pub turn: Counters,
    /// Traffic.
    pub io: IoCounters,
    /// DTLS associations.
    pub dtls: DtlsCounters,
    /// Stream connections, of all workers together.
    pub streams: StreamCounters,
}

impl IoCounters {
    pub(crate) const fn of_stream(&mut self, transport: Transport) -> &mut Traffic {
        match transport {
            Transport::Tcp => &mut self.tcp,
            Transport::Tls => &mut self.tls,
        }
    }
}

impl Traffic {
    /// Adds what was sent.
    pub(crate) const fn add_out(&mut self, other: &Self) {
        self.out_packets += other.out_packets;
        self.out_bytes += other.out_bytes;
    }

    fn add(&mut self, other: &Self) {
        self.in_packets += other.in_packets;
        self.in_bytes += other.in_bytes;
        self.out_packets += other.out_packets;
        self.out_bytes += other.out_bytes;
    }
}

impl RelayCounters {
    /// Adds another worker's numbers.
    pub(crate) fn add(&mut self, other: &Self) {
        self.turn.add(&other.turn);
        self.io.udp.add(&other.io.udp);
        self.io.tcp.add(&other.io.tcp);
        self.io.tls.add(&other.io.tls);
        self.io.dtls.add(&other.io.dtls);
        self.dtls.add(&other.dtls);
        self.io.send_failures += other.io.send_failures;
        self.io.quic_packets += other.io.quic_packets;
        self.io.quic_drops += other.io.quic_drops;
        self.io.lost_arrivals += other.io.lost_arrivals;
        self.io.lost_notices += other.io.lost_notices;
        self.io.gone_receivers += other.io.gone_receivers;
        self.io.too_long += other.io.too_long;
    }
}

/// The writing end: publishes at most every [`PUBLISH_INTERVAL`] and never leaves the last change unpublished
/// for longer.
pub(crate) struct Publisher {
    shared: Arc<Mutex<RelayCounters>>,
    published: Duration,
    dirty: bool,
    /// When it was last told that passwords are being guessed, and how many had not been looked at then.
    told: Option<Duration>,
    over_failures: u64,
}

impl Publisher {
    pub(crate) fn new() -> (Self, Arc<Mutex<RelayCounters>>) {
        let shared = Arc::default();
        let publisher = Self {
            shared: Arc::clone(&shared),
            published: Duration::ZERO,
            dirty: false,
            told: None,
            over_failures: 0,
        };
        (publisher, shared)
    }

    /// Notes that something was counted.
    pub(crate) const fn touch(&mut self) {
        self.dirty = true;
    }

    /// Publishes, if it is time.
    pub(crate) fn publish(&mut self, now: Duration, turn: &Counters, io: &IoCounters, dtls: DtlsCounters) {
        if self.due().is_none_or(|due| now < due) {
            return;
        }
        let counters = RelayCounters { turn: turn.clone(), io: *io, dtls, ..RelayCounters::default() };
        *self.shared.lock().expect("nobody panics while holding counters") = counters;
        self.published = now;
        self.dirty = false;
        self.tell_of_guesses(now, turn);
    }

    /// Says that passwords are being guessed, now and then.
    fn tell_of_guesses(&mut self, now: Duration, turn: &Counters) {
        let over = turn.drops[DropReason::OverFailures as usize];
        let is_due = self.told.is_none_or(|told| now >= told + GUESSES_INTERVAL);
        if over > self.over_failures && is_due {
            let dropped = over - self.over_failures;
            tracing::warn!(dropped, "passwords are being guessed; most are not looked at");
            (self.told, self.over_failures) = (Some(now), over);
        }
    }

    /// When [`Publisher::publish`] wants to be called.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.dirty.then(|| self.published + PUBLISH_INTERVAL)
    }
}
