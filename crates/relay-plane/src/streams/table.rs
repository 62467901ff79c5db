//! A worker's side of the streams: which there are, and what it has for them since it last sent.
//!
//! Not the connections; each has a task elsewhere, and [`Link`] lies between.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use stun_wire::pad_stream_frame;
use turn_core::FiveTuple;

use super::link::{Link, Worth};
use crate::limits::OUTBOX_BYTES_MAX;
use crate::stats::IoCounters;

/// Every stream of the appliance, with frames for some of them in one piece of memory that is used again and
/// again.
#[derive(Default)]
pub(crate) struct StreamTable {
    links: HashMap<FiveTuple, Arc<Link>>,
    bytes: Vec<u8>,
    lengths: Vec<usize>,
    runs: Vec<Run>,
    /// Frames for connections that are gone, since the last [`StreamTable::flush`].
    gone: u64,
}

impl StreamTable {
    /// Enters a new connection. One that had the 5-tuple before is over.
    pub(crate) fn open(&mut self, link: Arc<Link>) {
        self.links.insert(link.tuple, link);
    }

    /// Takes a connection out, and not one that has its 5-tuple meanwhile.
    pub(crate) fn close(&mut self, link: &Arc<Link>) {
        if self.links.get(&link.tuple).is_some_and(|other| Arc::ptr_eq(other, link)) {
            self.links.remove(&link.tuple);
        }
    }

    /// Takes all out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Arc<Link>> {
        self.links.drain().map(|(_, link)| link)
    }

    /// The connection of a 5-tuple, while it lives.
    pub(crate) fn find(&self, tuple: &FiveTuple) -> Option<&Arc<Link>> {
        self.links.get(tuple)
    }

    /// Appends a frame that `write` writes, and pads it; where the connection is gone it is counted.
    pub(crate) fn push(&mut self, to: &FiveTuple, worth: Worth, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        let is_same = self.runs.last().is_some_and(|run| run.link.tuple == *to && run.worth == worth);
        if !is_same {
            let Some(link) = self.links.get(to) else {
                self.gone += 1;
                return;
            };
            self.runs.push(Run { link: Arc::clone(link), worth, bytes: 0, frames: 0 });
        }
        write(&mut self.bytes);
        pad_stream_frame(&mut self.bytes, start);
        let length = self.bytes.len() - start;
        self.lengths.push(length);
        let run = self.runs.last_mut().expect("one was there or was pushed");
        run.bytes += length;
        run.frames += 1;
    }

    /// Hands everything to the connections.
    pub(crate) fn flush(&mut self, now: Duration, io: &mut IoCounters) {
        let (mut bytes, mut lengths) = (&self.bytes[..], &self.lengths[..]);
        for run in self.runs.drain(..) {
            let of_run;
            let cut;
            (of_run, bytes) = bytes.split_at(run.bytes);
            (cut, lengths) = lengths.split_at(run.frames);
            let traffic = io.of_stream(run.link.transport);
            traffic.out_packets += run.frames as u64;
            traffic.out_bytes += run.bytes as u64;
            run.link.send(now, run.worth, of_run, cut);
        }
        self.bytes.clear();
        self.lengths.clear();
        io.gone_receivers += std::mem::take(&mut self.gone);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= OUTBOX_BYTES_MAX
    }
}

/// Consecutive frames for one connection.
struct Run {
    link: Arc<Link>,
    worth: Worth,
    bytes: usize,
    frames: usize,
}
