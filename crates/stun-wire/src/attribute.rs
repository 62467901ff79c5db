//! Attributes: their types and a walk over those of a checked message. Not their meaning. RFC 8489 §14.

use std::fmt;

use crate::limits::ATTRIBUTE_HEADER_BYTES;

/// An attribute's type, RFC 8489 §18.3 and RFC 8656 §18.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeType(pub u16);

impl AttributeType {
    /// RFC 8489 §14.1
    pub const MAPPED_ADDRESS: Self = Self(0x0001);
    /// RFC 5780 §7.2
    pub const CHANGE_REQUEST: Self = Self(0x0003);
    /// RFC 8489 §14.3
    pub const USERNAME: Self = Self(0x0006);
    /// RFC 8489 §14.5
    pub const MESSAGE_INTEGRITY: Self = Self(0x0008);
    /// RFC 8489 §14.8
    pub const ERROR_CODE: Self = Self(0x0009);
    /// RFC 8489 §14.13
    pub const UNKNOWN_ATTRIBUTES: Self = Self(0x000A);
    /// RFC 8656 §18.1
    pub const CHANNEL_NUMBER: Self = Self(0x000C);
    /// RFC 8656 §18.2
    pub const LIFETIME: Self = Self(0x000D);
    /// RFC 8656 §18.3
    pub const XOR_PEER_ADDRESS: Self = Self(0x0012);
    /// RFC 8656 §18.4
    pub const DATA: Self = Self(0x0013);
    /// RFC 8489 §14.9
    pub const REALM: Self = Self(0x0014);
    /// RFC 8489 §14.10
    pub const NONCE: Self = Self(0x0015);
    /// RFC 8656 §18.5
    pub const XOR_RELAYED_ADDRESS: Self = Self(0x0016);
    /// RFC 8656 §18.6
    pub const REQUESTED_ADDRESS_FAMILY: Self = Self(0x0017);
    /// RFC 8656 §18.7
    pub const EVEN_PORT: Self = Self(0x0018);
    /// RFC 8656 §18.8
    pub const REQUESTED_TRANSPORT: Self = Self(0x0019);
    /// RFC 8656 §18.9
    pub const DONT_FRAGMENT: Self = Self(0x001A);
    /// RFC 8489 §14.6
    pub const MESSAGE_INTEGRITY_SHA256: Self = Self(0x001C);
    /// RFC 8489 §14.12
    pub const PASSWORD_ALGORITHM: Self = Self(0x001D);
    /// RFC 8489 §14.4
    pub const USERHASH: Self = Self(0x001E);
    /// RFC 8489 §14.2
    pub const XOR_MAPPED_ADDRESS: Self = Self(0x0020);
    /// RFC 8656 §18.10
    pub const RESERVATION_TOKEN: Self = Self(0x0022);
    /// RFC 8445 §16.1
    pub const PRIORITY: Self = Self(0x0024);
    /// RFC 8445 §16.1
    pub const USE_CANDIDATE: Self = Self(0x0025);
    /// RFC 5780 §7.6
    pub const PADDING: Self = Self(0x0026);
    /// RFC 5780 §7.5
    pub const RESPONSE_PORT: Self = Self(0x0027);
    /// RFC 6062 §6.2.1
    pub const CONNECTION_ID: Self = Self(0x002A);
    /// RFC 8656 §18.11
    pub const ADDITIONAL_ADDRESS_FAMILY: Self = Self(0x8000);
    /// RFC 8656 §18.12
    pub const ADDRESS_ERROR_CODE: Self = Self(0x8001);
    /// RFC 8489 §14.11
    pub const PASSWORD_ALGORITHMS: Self = Self(0x8002);
    /// RFC 8656 §18.13
    pub const ICMP: Self = Self(0x8004);
    /// RFC 8489 §14.14
    pub const SOFTWARE: Self = Self(0x8022);
    /// RFC 8489 §14.15
    pub const ALTERNATE_SERVER: Self = Self(0x8023);
    /// RFC 8489 §14.7
    pub const FINGERPRINT: Self = Self(0x8028);
    /// RFC 5780 §7.3
    pub const RESPONSE_ORIGIN: Self = Self(0x802B);
    /// RFC 5780 §7.4
    pub const OTHER_ADDRESS: Self = Self(0x802C);
    /// RFC 8016 §3.3
    pub const MOBILITY_TICKET: Self = Self(0x8030);
    /// ADDITIONAL-ADDRESS-FAMILY as coturn numbers it, which has it from a draft of RFC 8656.
    pub const ADDITIONAL_ADDRESS_FAMILY_OF_COTURN: Self = Self(0x8032);

    /// Whether a receiver that does not know this type must refuse the message, RFC 8489 §14.
    pub const fn is_comprehension_required(self) -> bool {
        self.0 < 0x8000
    }
}

impl fmt::Debug for AttributeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttributeType({:#06x})", self.0)
    }
}

/// One attribute: its type and its value without padding.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// What it is.
    pub kind: AttributeType,
    /// Its bytes.
    pub value: &'a [u8],
}

/// Walks attributes in wire order. It ends early rather than panic where the bytes end early.
#[derive(Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// A walk over `bytes`, which start at an attribute header.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been walked yet; empty after a walk over well-formed attributes.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (head, body) = self.rest.split_first_chunk::<ATTRIBUTE_HEADER_BYTES>()?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = body.get(..length)?;
        self.rest = body.get(padded(length)..)?;
        Some(Attribute { kind: AttributeType(u16::from_be_bytes([head[0], head[1]])), value })
    }
}

/// `length` rounded up to the next multiple of four, RFC 8489 §14.
pub(crate) const fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}
