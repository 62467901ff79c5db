//! The error codes that this server sends. Not their reason phrases, which are never sent. RFC 8489 §14.8.

/// A STUN or TURN error code, RFC 8489 §14.8, RFC 8656 §19 and RFC 6062 §6.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum ErrorCode {
    /// 300: another server is to be asked; ALTERNATE-SERVER names it.
    TryAlternate = 300,
    /// 400: malformed, or not allowed in this state.
    BadRequest = 400,
    /// 401: no or wrong credentials.
    Unauthenticated = 401,
    /// 403: the peer address is not allowed.
    Forbidden = 403,
    /// 405: allocations do not move here, RFC 8016 §3.1.2.
    MobilityForbidden = 405,
    /// 420: a comprehension-required attribute is not known here.
    UnknownAttribute = 420,
    /// 437: this 5-tuple has, or lacks, an allocation.
    AllocationMismatch = 437,
    /// 438: the nonce is no longer, or never was, valid.
    StaleNonce = 438,
    /// 440: no relayed address of the family asked for.
    AddressFamilyNotSupported = 440,
    /// 441: the allocation belongs to other credentials.
    WrongCredentials = 441,
    /// 442: this transport is not relayed, or not for this user.
    UnsupportedTransportProtocol = 442,
    /// 443: the peer's family is not the allocation's.
    PeerAddressFamilyMismatch = 443,
    /// 446: there is a connection to this peer, or one is being made, RFC 6062 §6.3.
    ConnectionAlreadyExists = 446,
    /// 447: the peer cannot be reached, RFC 6062 §6.3.
    ConnectionTimeoutOrFailure = 447,
    /// 486: this user has as many allocations as it may.
    AllocationQuotaReached = 486,
    /// 508: the server has no room.
    InsufficientCapacity = 508,
}

impl ErrorCode {
    /// The value of an ERROR-CODE attribute without a reason phrase.
    pub const fn to_bytes(self) -> [u8; 4] {
        let code = self as u16;
        [0, 0, (code / 100) as u8, (code % 100) as u8]
    }
}
