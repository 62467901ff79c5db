//! The look that a WebSocket needs: how many fragments a message has (RFC 6455 §5.4).
//!
//! The WebSocket layer puts fragments together out of our sight, and empty ones cost their sender nothing:
//! without a cap one connection could keep a core busy for ever. It reads frame headers only and judges
//! nothing else about them.

use std::io;

use crate::limits::MESSAGE_FRAGMENTS_MAX;
use crate::stream::Watch;

/// Counts fragments. Beyond the cap one read fails with `InvalidData`; after that the stream is left alone.
#[derive(Default)]
pub(crate) struct Fragments {
    counter: Counter,
    has_failed: bool,
}

impl Watch for Fragments {
    fn look(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        if !self.has_failed && !self.counter.accepts(bytes) {
            self.has_failed = true;
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(())
    }
}

/// Where in a frame the bytes stand.
#[derive(Default)]
struct Counter {
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    /// Of the payload that comes next.
    payload_bytes: u64,
    fragments: usize,
}

impl Counter {
    /// Walks over bytes; false as soon as a message has too many fragments.
    fn accepts(&mut self, mut bytes: &[u8]) -> bool {
        while let Some((first, rest)) = bytes.split_first() {
            if self.payload_bytes > 0 {
                let skipped = self.payload_bytes.min(bytes.len() as u64);
                self.payload_bytes -= skipped;
                bytes = &bytes[skipped as usize..];
                continue;
            }
            self.header[self.header_bytes] = *first;
            self.header_bytes += 1;
            bytes = rest;
            if self.header_bytes >= 2 && !self.accepts_header() {
                return false;
            }
        }
        true
    }

    fn accepts_header(&mut self) -> bool {
        let [first, second, ..] = self.header;
        let length_bytes = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask_bytes = if second & 0x80 == 0 { 0 } else { 4 };
        if self.header_bytes < 2 + length_bytes + mask_bytes {
            return true;
        }
        let extended = &self.header[2..2 + length_bytes];
        self.payload_bytes = match length_bytes {
            0 => u64::from(second & 0x7f),
            _ => extended.iter().fold(0, |length, byte| length << 8 | u64::from(*byte)),
        };
        self.header_bytes = 0;
        let (is_final, is_control) = (first & 0x80 != 0, first & 0x08 != 0);
        if !is_control {
            self.fragments = if is_final { 0 } else { self.fragments + 1 };
        }
        self.fragments < MESSAGE_FRAGMENTS_MAX
    }
}

/// Two bytes, a length of eight, a mask of four.
const HEADER_BYTES_MAX: usize = 14;

#[cfg(test)]
mod tests {
    use super::*;

    /// Each byte alone, and all at once.
    fn accepts(bytes: &[u8]) -> bool {
        let (mut alone, mut at_once) = (Counter::default(), Counter::default());
        let alone = bytes.chunks(1).all(|byte| alone.accepts(byte));
        assert_eq!(alone, at_once.accepts(bytes));
        alone
    }

    #[test]
    fn row_129_a_message_of_too_many_fragments() {
        let (start, more, end) = (b"\x01\x81\0\0\0\0x", b"\x00\x80\0\0\0\0", b"\x80\x80\0\0\0\0");
        let message = |fragments: usize| [&start[..], &more.repeat(fragments - 2), end].concat();
        assert!(accepts(&message(MESSAGE_FRAGMENTS_MAX).repeat(3)));
        assert!(!accepts(&message(MESSAGE_FRAGMENTS_MAX + 1)));
    }

    #[tokio::test]
    async fn one_read_fails_then_the_rest_can_be_read() {
        use tokio::io::AsyncReadExt as _;

        use crate::stream::Watched;
        let endless = [&b"\x01\x80\0\0\0\0"[..], &b"\x00\x80\0\0\0\0".repeat(MESSAGE_FRAGMENTS_MAX)].concat();
        let mut stream = Watched::new(endless.chain(&b"tail"[..]), Fragments::default());
        let failure = stream.read(&mut [0; 4096]).await.map_err(|error| error.kind());
        assert_eq!(failure, Err(io::ErrorKind::InvalidData));
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"tail");
    }

    #[test]
    fn lengths_of_all_sizes_and_controls_in_between() {
        let long = [&b"\x01\xfe\x01\x00\0\0\0\0"[..], &[0; 256]].concat();
        let longer = [&b"\x01\xff\0\0\0\0\0\x01\x00\x00\0\0\0\0"[..], &[0; 65_536]].concat();
        let ping = b"\x89\x81\0\0\0\0x";
        assert!(accepts(&[long, ping.repeat(100), longer, ping.repeat(100)].concat()));
    }
}
