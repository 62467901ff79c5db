//! What the network says about a packet that did not arrive, and which of it clients may be told.
//! Not who is told. RFC 8656 §11.5, §18.13.

use stun_wire::AddressFamily;

/// An ICMP error about a datagram that left a relay socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// Its type, of ICMP or ICMPv6 as the datagram was of IPv4 or IPv6.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The largest packet that the next link takes, where the error is about that; else 0.
    pub mtu: u32,
}

impl IcmpError {
    /// Whether clients are told of this type.
    pub(crate) const fn is_for_clients(self, family: AddressFamily) -> bool {
        //= RFC 8656 §11.5: "the server verifies that the type is either 3 or 11 for an ICMPv4 [RFC0792]
        //= packet or either 1, 2, or 3 for an ICMPv6 [RFC4443] packet"
        match family {
            AddressFamily::Ipv4 => matches!(self.kind, 3 | 11),
            AddressFamily::Ipv6 => matches!(self.kind, 1..=3),
        }
    }

    /// The value of the ICMP attribute; types that clients are told of fit into its seven bits.
    pub(crate) const fn to_bytes(self) -> [u8; 8] {
        // RFC 8656 §18.13 draws seven bits of type and nine of code.
        let [type_and_code_high, code_low] = ((self.kind as u16) << 9 | self.code as u16).to_be_bytes();
        let [a, b, c, d] = self.mtu.to_be_bytes();
        [0, 0, type_and_code_high, code_low, a, b, c, d]
    }
}
