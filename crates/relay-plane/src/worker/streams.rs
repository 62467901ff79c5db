//! What a worker does with the streams that belong to it: frames in, answers out.

use std::sync::Arc;

use stun_wire::Frame;
use stun_wire::limits::STREAM_FRAME_BYTES_MAX;
use turn_core::Now;

use super::Worker;
use crate::mailbox::StreamLetter;
use crate::streams::Link;

impl Worker {
    /// Enters the connections that are new among these.
    pub(super) fn open_streams<'a>(&mut self, letters: impl IntoIterator<Item = &'a StreamLetter>) {
        for letter in letters {
            if let StreamLetter::Opened(link) = letter {
                self.exits.streams.open(Arc::clone(link));
            }
        }
    }

    pub(super) fn read_stream_letter(&mut self, letter: StreamLetter, now: Now) {
        match letter {
            StreamLetter::Opened(_) => {}
            StreamLetter::Ready(link) => self.read_stream(&link, now),
            StreamLetter::Closed(link) => {
                self.exits.streams.close(&link);
                if link.owner == self.server.worker() {
                    self.server.handle_client_gone(now, link.tuple);
                    self.carry_out(now);
                }
            }
        }
    }

    /// Takes what a client sent. At its end its allocations end at once; what it has asked is answered.
    fn read_stream(&mut self, link: &Arc<Link>, now: Now) {
        let (frames, is_at_end) = link.take_inbound();
        let mut rest = &frames[..];
        // Its task has found the same frames before.
        while let Ok(Frame::Whole { message, taken }) = Frame::first(rest, STREAM_FRAME_BYTES_MAX) {
            self.read_frame(link, message, now);
            rest = &rest[taken..];
            if self.exits.are_full() {
                self.carry_out(now);
                self.flush();
            }
        }
        if is_at_end {
            self.server.handle_client_gone(now, link.tuple);
        }
        self.carry_out(now);
        if is_at_end {
            self.flush();
            link.finish();
        } else {
            link.set_holds_allocation(self.server.holds_allocation(&link.tuple));
        }
    }

    fn read_frame(&mut self, link: &Link, message: &[u8], now: Now) {
        let traffic = self.io.of_stream(link.transport);
        traffic.in_packets += 1;
        traffic.in_bytes += message.len() as u64;
        let mut reply = Vec::new();
        let verdict = self.server.handle_client(now, link.tuple, message, &mut reply);
        self.exits.execute(&link.tuple, verdict, &mut reply);
    }
}
