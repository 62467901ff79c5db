//! Outgoing datagrams of one batch, joined into bursts where consecutive ones go the same way. Not sockets.

use std::net::{IpAddr, SocketAddr};

use crate::limits::{BURST_BYTES_MAX, OUTBOX_BYTES_MAX};
use crate::socket::Burst;

/// Datagrams to be sent, in one piece of memory that is used again and again.
#[derive(Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    runs: Vec<Run>,
}

impl Outbox {
    /// Appends a datagram that `write` writes. `segments_max`: how many the socket sends at once.
    pub(crate) fn push(&mut self, way: Way, segments_max: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        let length = self.bytes.len() - start;
        if let Some(run) = self.runs.last_mut()
            && run.takes(&way, length, segments_max)
        {
            run.length += length;
            run.segments += 1;
            run.is_closed = length < run.segment;
            return;
        }
        self.runs.push(Run { way, start, length, segment: length, segments: 1, is_closed: false });
    }

    /// Takes out all bursts, in order.
    pub(crate) fn drain(&mut self, mut send: impl FnMut(Exit, Burst<'_>, usize)) {
        for run in &self.runs {
            let burst = Burst {
                to: run.way.to,
                from: run.way.from,
                whole: run.way.whole,
                contents: &self.bytes[run.start..run.start + run.length],
                segment: run.segment,
            };
            send(run.way.exit, burst, run.segments);
        }
        self.runs.clear();
        self.bytes.clear();
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= OUTBOX_BYTES_MAX
    }
}

/// Which socket a datagram leaves by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The listener at this place.
    Listener(u8),
    /// The relay socket with this port.
    Relay(u16),
}

/// All that tells the receiver of one datagram from that of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) exit: Exit,
    pub(crate) to: SocketAddr,
    pub(crate) from: Option<IpAddr>,
    /// Whether it must not be fragmented.
    pub(crate) whole: bool,
}

/// Consecutive datagrams of one way: all of one length but the last, which may be shorter.
struct Run {
    way: Way,
    start: usize,
    length: usize,
    segment: usize,
    segments: usize,
    is_closed: bool,
}

impl Run {
    fn takes(&self, way: &Way, length: usize, segments_max: usize) -> bool {
        !self.is_closed
            && self.way == *way
            && length > 0
            && length <= self.segment
            && self.segments < segments_max
            && self.length + length <= BURST_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(port: u16) -> Way {
        Way { exit: Exit::Listener(0), to: ([127, 0, 0, 1], port).into(), from: None, whole: false }
    }

    /// Pushes datagrams of (way, length) and returns (way, segment, total, datagrams) of each burst.
    fn bursts(datagrams: &[(u16, usize)], segments_max: usize) -> Vec<(u16, usize, usize, usize)> {
        let mut outbox = Outbox::default();
        for (number, &(port, length)) in datagrams.iter().enumerate() {
            outbox.push(way(port), segments_max, |out| out.resize(out.len() + length, number as u8));
        }
        let mut bursts = Vec::new();
        outbox.drain(|_, burst, segments| {
            bursts.push((burst.to.port(), burst.segment, burst.contents.len(), segments));
        });
        bursts
    }

    #[test]
    fn consecutive_equal_datagrams_become_one_burst() {
        assert_eq!(bursts(&[(1, 100), (1, 100), (1, 100)], 64), [(1, 100, 300, 3)]);
    }

    #[test]
    fn a_shorter_datagram_ends_a_burst_and_a_longer_one_starts_the_next() {
        let sizes = [(1, 100), (1, 60), (1, 60), (1, 100)];
        assert_eq!(bursts(&sizes, 64), [(1, 100, 160, 2), (1, 60, 60, 1), (1, 100, 100, 1)]);
    }

    #[test]
    fn other_receivers_and_full_bursts_start_anew() {
        assert_eq!(bursts(&[(1, 9), (2, 9), (1, 9)], 64).len(), 3);
        assert_eq!(bursts(&[(1, 9), (1, 9), (1, 9)], 2), [(1, 9, 18, 2), (1, 9, 9, 1)]);
        assert_eq!(bursts(&[(1, 40_000), (1, 40_000)], 64).len(), 2);
    }

    #[test]
    fn empty_datagrams_are_never_joined() {
        assert_eq!(bursts(&[(1, 0), (1, 0)], 64), [(1, 0, 0, 1), (1, 0, 0, 1)]);
    }
}
