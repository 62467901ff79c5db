//! How the bytes of a fuzzer become datagrams and choices. Not what is checked about them.

use stun_wire::limits::{ATTRIBUTES_MAX, HEADER_BYTES};
use stun_wire::{AttributeType, IntegrityKey, MAGIC_COOKIE, Message, MessageWriter};

/// A supply of choices that ends when its bytes do.
pub(crate) struct Tape<'a>(&'a [u8]);

impl<'a> Tape<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte; `None` at the end.
    pub(crate) const fn next(&mut self) -> Option<u8> {
        let Some((first, rest)) = self.0.split_first() else { return None };
        self.0 = rest;
        Some(*first)
    }

    /// The next byte, 0 at the end.
    pub(crate) fn byte(&mut self) -> u8 {
        self.next().unwrap_or_default()
    }

    pub(crate) fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    pub(crate) fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// The next so many bytes, fewer at the end.
    pub(crate) fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// One of several, of which there is at least one.
    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::from(self.byte()) % of.len()]
    }
}

/// The datagram that an input stands for. Its first byte says what is mended, because no fuzzer guesses a
/// cookie, a CRC or a MAC often enough to get behind them.
pub(crate) fn datagram_of(data: &[u8]) -> Vec<u8> {
    let Some((&how, bytes)) = data.split_first() else { return Vec::new() };
    let mut bytes = bytes[..bytes.len().min(DATAGRAM_BYTES_MAX)].to_vec();
    if how & MEND_HEADER != 0 && bytes.len() >= HEADER_BYTES {
        mend_header(&mut bytes);
    }
    if how & (SIGN | FINGERPRINT) == 0 {
        return bytes;
    }
    let Ok(message) = Message::parse(&bytes) else { return bytes };
    if message.attributes().count() + 2 > ATTRIBUTES_MAX || bytes.len() + 32 > DATAGRAM_BYTES_MAX {
        return bytes;
    }
    let mut out = Vec::new();
    let mut writer = rewrite(&message, &mut out);
    if how & SIGN != 0 {
        writer.integrity(&key());
    }
    if how & FINGERPRINT != 0 {
        writer.fingerprint();
    }
    out
}

/// Writes a message's attributes once more; those that seal it are left out.
pub(crate) fn rewrite<'b>(message: &Message<'_>, out: &'b mut Vec<u8>) -> MessageWriter<'b> {
    let mut writer = MessageWriter::new(out, message.class(), message.method(), message.transaction_id());
    for attribute in message.attributes() {
        writer.attribute(attribute.kind, attribute.value);
    }
    writer
}

/// Whether an attribute's value depends on the message around it.
pub(crate) const fn is_seal(kind: AttributeType) -> bool {
    matches!(
        kind,
        AttributeType::MESSAGE_INTEGRITY
            | AttributeType::MESSAGE_INTEGRITY_SHA256
            | AttributeType::FINGERPRINT
    )
}

/// The key that [`datagram_of`] signs with.
pub(crate) fn key() -> IntegrityKey {
    IntegrityKey::short_term(PASSWORD.as_bytes())
}

fn mend_header(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len() / 4 * 4);
    let length = u16::try_from(bytes.len() - HEADER_BYTES).expect("no more than a datagram");
    bytes[0] &= 0x3F;
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
}

/// Its password.
pub(crate) const PASSWORD: &str = "fuzz";

/// The largest payload of UDP over IPv4.
const DATAGRAM_BYTES_MAX: usize = 65_507;

const MEND_HEADER: u8 = 1;
const SIGN: u8 = 2;
const FINGERPRINT: u8 = 4;
