//! The fixed part of a STUN message: class, method, transaction identifier. Not the attributes. RFC 8489 §5.

use std::fmt;

/// The two class bits of the message type, RFC 8489 §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// 0b00
    Request,
    /// 0b01
    Indication,
    /// 0b10
    Success,
    /// 0b11
    Error,
}

/// The twelve method bits of the message type, RFC 8489 §5; names by RFC 8656 §17.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Method(u16);

impl Method {
    /// RFC 8489 §18.2
    pub const BINDING: Self = Self(0x001);
    /// RFC 8656 §17
    pub const ALLOCATE: Self = Self(0x003);
    /// RFC 8656 §17
    pub const REFRESH: Self = Self(0x004);
    /// RFC 8656 §17, indication only
    pub const SEND: Self = Self(0x006);
    /// RFC 8656 §17, indication only
    pub const DATA: Self = Self(0x007);
    /// RFC 8656 §17
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// RFC 8656 §17
    pub const CHANNEL_BIND: Self = Self(0x009);
    /// RFC 6062 §6.1
    pub const CONNECT: Self = Self(0x00A);
    /// RFC 6062 §6.1
    pub const CONNECTION_BIND: Self = Self(0x00B);
    /// RFC 6062 §6.1, indication only
    pub const CONNECTION_ATTEMPT: Self = Self(0x00C);

    /// A method by its number; only the lowest twelve bits count.
    pub const fn new(number: u16) -> Self {
        Self(number & 0x0FFF)
    }

    /// The method's number, 0-0xFFF.
    pub const fn number(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Method({:#05x})", self.0)
    }
}

/// The 96 bits that tie an answer to its request, RFC 8489 §5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TransactionId(pub [u8; 12]);

/// Joins class and method to the 14-bit message type: M11-M7 C1 M6-M4 C0 M3-M0, RFC 8489 §5.
pub(crate) const fn message_type(class: Class, method: Method) -> u16 {
    let m = method.0;
    let c = class as u16;
    (m & 0x00F) | ((m & 0x070) << 1) | ((m & 0xF80) << 2) | ((c & 1) << 4) | ((c & 2) << 7)
}

/// Splits a message type whose two highest bits are zero.
pub(crate) const fn split_message_type(value: u16) -> (Class, Method) {
    let method = (value & 0x000F) | ((value & 0x00E0) >> 1) | ((value & 0x3E00) >> 2);
    let class = match ((value >> 7) & 2) | ((value >> 4) & 1) {
        0 => Class::Request,
        1 => Class::Indication,
        2 => Class::Success,
        _ => Class::Error,
    };
    (class, Method(method))
}

/// The fixed value in bytes 4-7 of every STUN message, RFC 8489 §5.
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_splits_and_joins_to_itself() {
        for value in 0..0x4000_u16 {
            let (class, method) = split_message_type(value);
            assert_eq!(message_type(class, method), value);
        }
    }

    #[test]
    fn well_known_types_have_their_numbers() {
        assert_eq!(message_type(Class::Request, Method::BINDING), 0x0001);
        assert_eq!(message_type(Class::Success, Method::BINDING), 0x0101);
        assert_eq!(message_type(Class::Error, Method::ALLOCATE), 0x0113);
        assert_eq!(message_type(Class::Indication, Method::SEND), 0x0016);
        assert_eq!(message_type(Class::Indication, Method::DATA), 0x0017);
    }
}
