//! The bounds of this layer; not those of a server's state.

/// Bytes of a STUN header, RFC 8489 §5.
pub const HEADER_BYTES: usize = 20;

/// Bytes of an attribute's type and length, RFC 8489 §14.
pub const ATTRIBUTE_HEADER_BYTES: usize = 4;

/// Bytes of a ChannelData header, RFC 8656 §12.4.
pub const CHANNEL_DATA_HEADER_BYTES: usize = 4;

/// Attributes in one message. Real messages carry about ten; a datagram of empty attributes could carry
/// 16,000.
pub const ATTRIBUTES_MAX: usize = 64;

/// Bytes of a USERNAME, RFC 8489 §14.3: at most 508, so that it fits a packet with everything else.
pub const USERNAME_BYTES_MAX: usize = 508;

/// Bytes of a REALM or NONCE value, RFC 8489 §14.9 and §14.10.
pub const REALM_BYTES_MAX: usize = 763;

/// Bytes of the largest frame on a stream: a STUN message of the greatest length that its field can say.
/// ChannelData with its padding is shorter.
pub const STREAM_FRAME_BYTES_MAX: usize = HEADER_BYTES + 65_532;

const _: () = assert!(CHANNEL_DATA_HEADER_BYTES + 65_536 <= STREAM_FRAME_BYTES_MAX);
const _: () = assert!(ATTRIBUTES_MAX * ATTRIBUTE_HEADER_BYTES < u16::MAX as usize);
