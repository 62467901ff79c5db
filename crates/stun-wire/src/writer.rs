//! Writes STUN messages behind whatever a buffer already holds. Not what to say. RFC 8489 §5, §14.

use std::net::SocketAddr;

use crate::address::{encode_address, encode_xor_address};
use crate::attribute::{AttributeType, padded};
use crate::error_code::ErrorCode;
use crate::header::{Class, MAGIC_COOKIE, Method, TransactionId, message_type};
use crate::integrity::{self, Integrity, IntegrityKey, SHA1_BYTES, SHA256_BYTES};
use crate::limits::{ATTRIBUTE_HEADER_BYTES, HEADER_BYTES};

/// Appends one message to a `Vec`. The length field is right after every call, so dropping the writer
/// leaves a whole message; padding bytes are zero.
pub struct MessageWriter<'b> {
    out: &'b mut Vec<u8>,
    start: usize,
    id: TransactionId,
}

impl<'b> MessageWriter<'b> {
    /// Appends the header of a message without attributes.
    pub fn new(out: &'b mut Vec<u8>, class: Class, method: Method, id: TransactionId) -> Self {
        let start = out.len();
        out.extend(message_type(class, method).to_be_bytes());
        out.extend([0, 0]);
        out.extend(MAGIC_COOKIE.to_be_bytes());
        out.extend(id.0);
        Self { out, start, id }
    }

    /// Appends an attribute.
    ///
    /// # Panics
    /// Where the message would grow past 65,535 bytes, which no caller's input can bring about: values from
    /// the network come out of a datagram that is smaller.
    pub fn attribute(&mut self, kind: AttributeType, value: &[u8]) -> &mut Self {
        let length = u16::try_from(value.len()).expect("a value of at most 65,535 bytes");
        self.out.extend(kind.0.to_be_bytes());
        self.out.extend(length.to_be_bytes());
        self.out.extend_from_slice(value);
        self.out.resize(self.out.len() + padded(value.len()) - value.len(), 0);
        self.patch_length(0);
        self
    }

    /// Appends an attribute whose value is a 32-bit number.
    pub fn u32(&mut self, kind: AttributeType, value: u32) -> &mut Self {
        self.attribute(kind, &value.to_be_bytes())
    }

    /// Appends an XOR'd address.
    pub fn xor_address(&mut self, kind: AttributeType, address: SocketAddr) -> &mut Self {
        let (value, length) = encode_xor_address(address, self.id);
        self.attribute(kind, &value[..length])
    }

    /// Appends an address that is not XOR'd.
    pub fn address(&mut self, kind: AttributeType, address: SocketAddr) -> &mut Self {
        let (value, length) = encode_address(address);
        self.attribute(kind, &value[..length])
    }

    /// Appends an ERROR-CODE without a reason phrase: it would only make an answer larger.
    pub fn error_code(&mut self, code: ErrorCode) -> &mut Self {
        self.attribute(AttributeType::ERROR_CODE, &code.to_bytes())
    }

    /// Appends the attribute that `key` signs by: MESSAGE-INTEGRITY, RFC 8489 §14.5, or
    /// MESSAGE-INTEGRITY-SHA256, §14.6, which is written whole. The second may follow the first, FINGERPRINT
    /// either, and nothing else.
    pub fn integrity(&mut self, key: &IntegrityKey) -> &mut Self {
        let bytes = match key.signs() {
            Integrity::Sha1 => SHA1_BYTES,
            Integrity::Sha256 => SHA256_BYTES,
        };
        self.patch_length(ATTRIBUTE_HEADER_BYTES + bytes);
        let (header, rest) = self.out[self.start..].split_at(HEADER_BYTES);
        match key.signs() {
            Integrity::Sha1 => {
                let value = key.hmac_sha1(header, rest);
                self.attribute(AttributeType::MESSAGE_INTEGRITY, &value)
            }
            Integrity::Sha256 => {
                let value = key.hmac_sha256(header, rest);
                self.attribute(AttributeType::MESSAGE_INTEGRITY_SHA256, &value)
            }
        }
    }

    /// Appends FINGERPRINT, RFC 8489 §14.7. Nothing may follow.
    pub fn fingerprint(&mut self) -> &mut Self {
        self.patch_length(ATTRIBUTE_HEADER_BYTES + 4);
        let (header, rest) = self.out[self.start..].split_at(HEADER_BYTES);
        let value = integrity::fingerprint(header, rest);
        self.u32(AttributeType::FINGERPRINT, value)
    }

    /// Bytes of the message so far.
    pub const fn length(&self) -> usize {
        self.out.len() - self.start
    }

    /// Sets the length field to what is there plus `coming` bytes, as integrity and fingerprint want it.
    fn patch_length(&mut self, coming: usize) {
        let length = self.out.len() - self.start - HEADER_BYTES + coming;
        let length = u16::try_from(length).expect("a message of at most 65,535 bytes");
        self.out[self.start + 2..self.start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    #[test]
    fn row_59_padding_is_zero_in_a_buffer_that_held_other_bytes() {
        let mut out = vec![0xAA; 256];
        out.clear();
        MessageWriter::new(&mut out, Class::Success, Method::BINDING, TransactionId([9; 12]))
            .attribute(AttributeType::SOFTWARE, b"x");
        assert_eq!(&out[20..], &[0x80, 0x22, 0, 1, b'x', 0, 0, 0]);
    }

    #[test]
    fn messages_append_without_touching_what_is_there() {
        let mut out = vec![1, 2, 3];
        MessageWriter::new(&mut out, Class::Request, Method::BINDING, TransactionId([9; 12])).fingerprint();
        assert_eq!(out[..3], [1, 2, 3]);
        assert!(Message::parse(&out[3..]).is_ok());
    }
}
