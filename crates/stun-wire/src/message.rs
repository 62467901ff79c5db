//! A checked STUN message in somebody's buffer. Not its meaning. RFC 8489 §5, §6.3, §14.

use std::fmt;

use subtle::ConstantTimeEq as _;

use crate::attribute::{Attribute, AttributeType, Attributes};
use crate::header::{Class, MAGIC_COOKIE, Method, TransactionId, split_message_type};
use crate::integrity::{self, Integrity, IntegrityKey, SHA1_BYTES, SHA256_BYTES, SHA256_BYTES_MIN};
use crate::limits::{ATTRIBUTE_HEADER_BYTES, ATTRIBUTES_MAX, HEADER_BYTES};

/// A datagram that is a well-formed STUN message: header, cookie, length and attribute chain agree, and the
/// FINGERPRINT, where there is one, is last and right.
///
/// Whether the sender knows a key is not known until [`Message::verify_integrity`] says so.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
    /// Where MESSAGE-INTEGRITY starts, if there is one.
    sha1_at: Option<usize>,
    /// Where MESSAGE-INTEGRITY-SHA256 starts, if there is one, and the bytes of its value.
    sha256_at: Option<(usize, usize)>,
    /// The end of the attributes that count: those behind message integrity do not, RFC 8489 §9.
    covered_end: usize,
}

impl<'a> Message<'a> {
    /// Checks that `datagram` is exactly one STUN message.
    ///
    /// # Errors
    /// [`ParseError`] says what is wrong first; all of them are answered with silence.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        let header = datagram.first_chunk::<HEADER_BYTES>().ok_or(ParseError::Truncated)?;
        if header[0] & 0xC0 != 0 {
            return Err(ParseError::NotStun);
        }
        if header[4..8] != MAGIC_COOKIE.to_be_bytes() {
            return Err(ParseError::Cookie);
        }
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if !length.is_multiple_of(4) || length + HEADER_BYTES != datagram.len() {
            return Err(ParseError::Length);
        }
        let mut message =
            Self { bytes: datagram, sha1_at: None, sha256_at: None, covered_end: datagram.len() };
        message.check_attributes()?;
        Ok(message)
    }

    /// Request, indication, success or error.
    pub fn class(&self) -> Class {
        self.kind().0
    }

    /// What is asked for.
    pub fn method(&self) -> Method {
        self.kind().1
    }

    /// The 96 bits that an answer repeats.
    pub fn transaction_id(&self) -> TransactionId {
        TransactionId(self.bytes[8..HEADER_BYTES].try_into().expect("twelve bytes of a checked header"))
    }

    /// Bytes of the whole message.
    pub const fn length(&self) -> usize {
        self.bytes.len()
    }

    /// The attributes that count, in wire order: those behind message integrity are left out, so that nothing
    /// appended to a signed message has an effect.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(&self.bytes[HEADER_BYTES..self.covered_end])
    }

    /// The value of the first attribute of a type; later ones of the same type are ignored, RFC 8489 §14.
    pub fn find(&self, kind: AttributeType) -> Option<&'a [u8]> {
        self.attributes().find(|attribute| attribute.kind == kind).map(|attribute| attribute.value)
    }

    /// Whether the message carries that integrity attribute, right or wrong.
    pub const fn has(&self, integrity: Integrity) -> bool {
        match integrity {
            Integrity::Sha1 => self.sha1_at.is_some(),
            Integrity::Sha256 => self.sha256_at.is_some(),
        }
    }

    /// Whether the message carries any integrity attribute, right or wrong.
    pub const fn has_integrity(&self) -> bool {
        self.sha1_at.is_some() || self.sha256_at.is_some()
    }

    /// Whether the message was signed with `key`: by MESSAGE-INTEGRITY-SHA256 where it has one, else by
    /// MESSAGE-INTEGRITY. `false` where it has neither. Constant time in the value.
    pub fn verify_integrity(&self, key: &IntegrityKey) -> bool {
        //= RFC 8489 §9.2.4: "If the MESSAGE-INTEGRITY-SHA256 attribute is present, compute the value for the
        //= message integrity as described in Section 14.6, using the password associated with the username.
        //= Otherwise, using the same password, compute the value for the MESSAGE-INTEGRITY attribute as
        //= described in Section 14.5"
        if let Some((at, value_bytes)) = self.sha256_at {
            let value_at = at + ATTRIBUTE_HEADER_BYTES;
            let header = self.header_with_length(value_at + value_bytes);
            let expected = key.hmac_sha256(&header, &self.bytes[HEADER_BYTES..at]);
            //= RFC 8489 §14.6: "The value must be the full 32 bytes unless the STUN Usage explicitly
            //= specifies that truncation is allowed"
            // None does that is spoken here. Slices of different lengths are not equal.
            expected.ct_eq(&self.bytes[value_at..value_at + value_bytes]).into()
        } else if let Some(at) = self.sha1_at {
            let value_at = at + ATTRIBUTE_HEADER_BYTES;
            let header = self.header_with_length(value_at + SHA1_BYTES);
            let expected = key.hmac_sha1(&header, &self.bytes[HEADER_BYTES..at]);
            expected.ct_eq(&self.bytes[value_at..value_at + SHA1_BYTES]).into()
        } else {
            false
        }
    }

    fn kind(&self) -> (Class, Method) {
        split_message_type(u16::from_be_bytes([self.bytes[0], self.bytes[1]]))
    }

    /// The header as it was when the attribute that ends at `end` was computed: its length counts up to
    /// there.
    fn header_with_length(&self, end: usize) -> [u8; HEADER_BYTES] {
        let mut header: [u8; HEADER_BYTES] =
            self.bytes[..HEADER_BYTES].try_into().expect("a checked header of twenty bytes");
        let length = u16::try_from(end - HEADER_BYTES).expect("within a message, whose length is 16 bits");
        header[2..4].copy_from_slice(&length.to_be_bytes());
        header
    }

    fn check_attributes(&mut self) -> Result<(), ParseError> {
        let mut attributes = Attributes::new(&self.bytes[HEADER_BYTES..]);
        let mut count = 0;
        let mut at = HEADER_BYTES;
        while let Some(attribute) = attributes.next() {
            count += 1;
            if count > ATTRIBUTES_MAX {
                return Err(ParseError::TooManyAttributes);
            }
            let next_at = self.bytes.len() - attributes.rest().len();
            self.check_attribute(attribute, at, next_at)?;
            at = next_at;
        }
        if attributes.rest().is_empty() { Ok(()) } else { Err(ParseError::Attribute) }
    }

    fn check_attribute(
        &mut self,
        attribute: Attribute<'a>,
        at: usize,
        next_at: usize,
    ) -> Result<(), ParseError> {
        match attribute.kind {
            //= RFC 8489 §9: "agents MUST ignore all attributes that follow MESSAGE-INTEGRITY, with the
            //= exception of the MESSAGE-INTEGRITY-SHA256 and FINGERPRINT attributes. Similarly, agents MUST
            //= ignore all attributes that follow the MESSAGE-INTEGRITY-SHA256 attribute if the
            //= MESSAGE-INTEGRITY attribute is not present, with the exception of the FINGERPRINT attribute"
            AttributeType::MESSAGE_INTEGRITY if !self.has_integrity() => {
                if attribute.value.len() != SHA1_BYTES {
                    return Err(ParseError::Integrity);
                }
                self.sha1_at = Some(at);
                self.covered_end = at;
            }
            AttributeType::MESSAGE_INTEGRITY_SHA256 if self.sha256_at.is_none() => {
                let value_bytes = attribute.value.len();
                let legal = (SHA256_BYTES_MIN..=SHA256_BYTES).contains(&value_bytes);
                if !legal || !value_bytes.is_multiple_of(4) {
                    return Err(ParseError::Integrity);
                }
                self.sha256_at = Some((at, value_bytes));
                self.covered_end = self.covered_end.min(at);
            }
            AttributeType::FINGERPRINT => {
                //= RFC 8489 §14.7: "When present, the FINGERPRINT attribute MUST be the last attribute in the
                //= message"
                if next_at != self.bytes.len() {
                    return Err(ParseError::Fingerprint);
                }
                let header = self.header_with_length(next_at);
                let expected = integrity::fingerprint(&header, &self.bytes[HEADER_BYTES..at]);
                if attribute.value != expected.to_be_bytes() {
                    return Err(ParseError::Fingerprint);
                }
                self.covered_end = self.covered_end.min(at);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Tells class and method only: a message holds addresses and names.
impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({:?} {:?})", self.class(), self.method())
    }
}

/// Why a datagram is not a STUN message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParseError {
    /// An attribute reaches past the end, or lacks its padding.
    Attribute,
    /// Bytes 4-7 are not the magic cookie: RFC 3489 is not spoken here.
    Cookie,
    /// FINGERPRINT is wrong, or not last.
    Fingerprint,
    /// MESSAGE-INTEGRITY is not 20 bytes, or MESSAGE-INTEGRITY-SHA256 not 16, 20, 24, 28 or 32.
    Integrity,
    /// The length field disagrees with the datagram, or is no multiple of four.
    Length,
    /// One of the two highest bits is set.
    NotStun,
    /// Fewer than 20 bytes.
    Truncated,
    /// More than [`ATTRIBUTES_MAX`].
    TooManyAttributes,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::MessageWriter;

    fn signed() -> Vec<u8> {
        signed_by(&IntegrityKey::short_term(b"key"))
    }

    fn signed_by(key: &IntegrityKey) -> Vec<u8> {
        let mut out = Vec::new();
        let mut writer =
            MessageWriter::new(&mut out, Class::Request, Method::REFRESH, TransactionId([3; 12]));
        writer.attribute(AttributeType::USERNAME, b"user").u32(AttributeType::LIFETIME, 600);
        writer.integrity(key);
        out
    }

    fn set_length(message: &mut [u8]) {
        let length = u16::try_from(message.len() - HEADER_BYTES).unwrap();
        message[2..4].copy_from_slice(&length.to_be_bytes());
    }

    #[test]
    fn row_45_every_truncation_is_refused() {
        let whole = signed();
        for end in 0..whole.len() {
            assert!(Message::parse(&whole[..end]).is_err(), "{end} bytes");
            let mut with_right_length = whole[..end].to_vec();
            if end >= HEADER_BYTES {
                set_length(&mut with_right_length);
                if let Ok(message) = Message::parse(&with_right_length) {
                    assert!(!message.verify_integrity(&IntegrityKey::short_term(b"key")), "{end} bytes");
                }
            }
        }
    }

    #[test]
    fn row_46_lengths_that_disagree_are_refused() {
        let whole = signed();
        for length in [0, 1, 2, 3, 43, 45, 48, 0xFFEC, 0xFFFC, 0xFFFF_u16] {
            let mut bytes = whole.clone();
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
            assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Length), "{length}");
        }
    }

    #[test]
    fn row_47_attributes_past_the_end_or_past_the_cap_are_refused() {
        let mut bytes = signed();
        bytes[22..24].copy_from_slice(&0xFFFF_u16.to_be_bytes());
        assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Attribute));
        for (count, verdict) in [(64, None), (65, Some(ParseError::TooManyAttributes))] {
            let mut bytes = signed()[..HEADER_BYTES].to_vec();
            bytes.extend([0x80, 0x01, 0, 0].repeat(count));
            set_length(&mut bytes);
            assert_eq!(Message::parse(&bytes).err(), verdict, "{count} attributes");
        }
    }

    #[test]
    fn row_28_integrity_of_another_length_is_refused() {
        for length in [0_u8, 16, 19, 21, 31, 33] {
            let mut bytes = signed()[..HEADER_BYTES].to_vec();
            bytes.extend([0, 8, 0, length]);
            bytes.extend(vec![0; usize::from(length).next_multiple_of(4)]);
            set_length(&mut bytes);
            assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Integrity), "{length}");
        }
    }

    #[test]
    fn row_28_sha256_is_taken_whole_only() {
        let key = IntegrityKey::short_term(b"key").signing_by(Integrity::Sha256);
        let mut whole = signed()[..HEADER_BYTES].to_vec();
        for length in (0..=40_u8).chain([64, 255]) {
            whole.truncate(HEADER_BYTES);
            let mac_at = HEADER_BYTES + ATTRIBUTE_HEADER_BYTES;
            let end = mac_at + usize::from(length).next_multiple_of(4);
            whole[2..4].copy_from_slice(&u16::try_from(end - HEADER_BYTES).unwrap().to_be_bytes());
            let mac = key.hmac_sha256(&whole, &[]);
            whole.extend([0, 0x1C, 0, length]);
            whole.extend(&mac[..usize::from(length).min(SHA256_BYTES)]);
            whole.resize(end, 0);
            let verified = Message::parse(&whole).map(|message| message.verify_integrity(&key));
            let expected = match length {
                16 | 20 | 24 | 28 => Ok(false),
                32 => Ok(true),
                _ => Err(ParseError::Integrity),
            };
            assert_eq!(verified, expected, "{length}");
        }
    }

    #[test]
    fn row_28_a_second_integrity_attribute_has_no_effect() {
        let key = IntegrityKey::short_term(b"key");
        let mut bytes = signed();
        bytes.extend([0, 8, 0, 3, 1, 2, 3, 0]);
        set_length(&mut bytes);
        assert!(Message::parse(&bytes).unwrap().verify_integrity(&key));
    }

    #[test]
    fn where_both_are_there_the_stronger_counts() {
        let key = IntegrityKey::short_term(b"key");
        let both = |second: &[u8]| {
            let mut out = Vec::new();
            MessageWriter::new(&mut out, Class::Request, Method::REFRESH, TransactionId([3; 12]))
                .attribute(AttributeType::USERNAME, b"user")
                .u32(AttributeType::LIFETIME, 600)
                .integrity(&key)
                .integrity(&IntegrityKey::short_term(second).signing_by(Integrity::Sha256))
                .fingerprint();
            out
        };
        let right = both(b"key");
        let message = Message::parse(&right).unwrap();
        assert!(message.has(Integrity::Sha1) && message.has(Integrity::Sha256));
        assert!(message.verify_integrity(&key));
        assert_eq!(message.attributes().count(), 2);
        assert!(!Message::parse(&both(b"other")).unwrap().verify_integrity(&key));
    }

    #[test]
    fn row_29_attributes_behind_integrity_have_no_effect() {
        let mut bytes = signed();
        bytes.extend([0, 0x0D, 0, 4, 0, 0, 0, 0]);
        set_length(&mut bytes);
        let message = Message::parse(&bytes).unwrap();
        assert!(message.verify_integrity(&IntegrityKey::short_term(b"key")));
        assert_eq!(message.find(AttributeType::LIFETIME), Some(&600_u32.to_be_bytes()[..]));
        assert_eq!(message.attributes().count(), 2);
    }

    #[test]
    fn row_27_a_wrong_byte_anywhere_fails_integrity() {
        for integrity in [Integrity::Sha1, Integrity::Sha256] {
            let key = IntegrityKey::short_term(b"key").signing_by(integrity);
            let whole = signed_by(&key);
            assert!(Message::parse(&whole).unwrap().verify_integrity(&key));
            for at in (0..whole.len()).filter(|at| !(2..8).contains(at)) {
                let mut bytes = whole.clone();
                bytes[at] ^= 1;
                let verified = Message::parse(&bytes).is_ok_and(|message| message.verify_integrity(&key));
                assert!(!verified, "{integrity:?} byte {at}");
            }
        }
    }

    #[test]
    fn row_50_and_51_wrong_cookie_and_wrong_fingerprint_are_refused() {
        let mut bytes = signed();
        bytes[4] ^= 1;
        assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Cookie));
        let mut out = Vec::new();
        MessageWriter::new(&mut out, Class::Request, Method::BINDING, TransactionId([1; 12])).fingerprint();
        assert!(Message::parse(&out).is_ok());
        let mut wrong = out.clone();
        wrong[27] ^= 1;
        assert_eq!(Message::parse(&wrong).err(), Some(ParseError::Fingerprint));
        let mut not_last = out.clone();
        not_last.extend([0x80, 0x01, 0, 0]);
        set_length(&mut not_last);
        assert_eq!(Message::parse(&not_last).err(), Some(ParseError::Fingerprint));
    }
}
