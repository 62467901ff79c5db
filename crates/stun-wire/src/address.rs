//! Transport addresses, XOR'd and plain, read and written. Not address policy. RFC 8489 §14.1, §14.2.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::header::{MAGIC_COOKIE, TransactionId};

/// The family byte of an address attribute, RFC 8489 §14.1, and of REQUESTED-ADDRESS-FAMILY, RFC 8656 §18.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressFamily {
    /// 0x01
    Ipv4,
    /// 0x02
    Ipv6,
}

impl AddressFamily {
    /// The family of a byte on the wire; none but 1 and 2 exist.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Ipv4),
            2 => Some(Self::Ipv6),
            _ => None,
        }
    }

    /// Its byte on the wire.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Ipv4 => 1,
            Self::Ipv6 => 2,
        }
    }

    /// The family of an address.
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }
}

/// Why an address attribute cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    /// The family byte is neither 1 nor 2.
    Family,
    /// The value is not 8 (IPv4) or 20 (IPv6) bytes.
    Length,
}

/// Reads the value of an XOR-MAPPED-, XOR-PEER- or XOR-RELAYED-ADDRESS.
///
/// # Errors
/// [`AddressError`], where the value has no legal form.
pub fn decode_xor_address(value: &[u8], id: TransactionId) -> Result<SocketAddr, AddressError> {
    let [_, family, port_high, port_low, ip @ ..] = value else { return Err(AddressError::Length) };
    let port = u16::from_be_bytes([*port_high, *port_low]) ^ port_mask();
    match AddressFamily::from_byte(*family).ok_or(AddressError::Family)? {
        AddressFamily::Ipv4 => {
            let octets: [u8; 4] = ip.try_into().map_err(|_| AddressError::Length)?;
            let ip = Ipv4Addr::from_bits(u32::from_be_bytes(octets) ^ MAGIC_COOKIE);
            Ok(SocketAddr::new(ip.into(), port))
        }
        AddressFamily::Ipv6 => {
            let octets: [u8; 16] = ip.try_into().map_err(|_| AddressError::Length)?;
            let ip = Ipv6Addr::from_bits(u128::from_be_bytes(octets) ^ ip_mask(id));
            Ok(SocketAddr::new(ip.into(), port))
        }
    }
}

/// Reads the value of an address that is not XOR'd: MAPPED-ADDRESS, RESPONSE-ORIGIN, OTHER-ADDRESS,
/// ALTERNATE-SERVER.
///
/// # Errors
/// [`AddressError`], where the value has no legal form.
pub fn decode_address(value: &[u8]) -> Result<SocketAddr, AddressError> {
    let [_, family, port_high, port_low, ip @ ..] = value else { return Err(AddressError::Length) };
    let port = u16::from_be_bytes([*port_high, *port_low]);
    let ip: IpAddr = match AddressFamily::from_byte(*family).ok_or(AddressError::Family)? {
        AddressFamily::Ipv4 => <[u8; 4]>::try_from(ip).map_err(|_| AddressError::Length)?.into(),
        AddressFamily::Ipv6 => <[u8; 16]>::try_from(ip).map_err(|_| AddressError::Length)?.into(),
    };
    Ok(SocketAddr::new(ip, port))
}

/// Writes the value of an address that is not XOR'd, as [`encode_xor_address`] does.
pub(crate) fn encode_address(address: SocketAddr) -> ([u8; 20], usize) {
    let mut value = [0; 20];
    value[1] = AddressFamily::of(address.ip()).to_byte();
    value[2..4].copy_from_slice(&address.port().to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => {
            value[4..8].copy_from_slice(&ip.octets());
            (value, 8)
        }
        IpAddr::V6(ip) => {
            value[4..20].copy_from_slice(&ip.octets());
            (value, 20)
        }
    }
}

/// Writes the value of an XOR'd address; returns the buffer and how much of it is used, 8 or 20 bytes.
pub(crate) fn encode_xor_address(address: SocketAddr, id: TransactionId) -> ([u8; 20], usize) {
    let mut value = [0; 20];
    value[2..4].copy_from_slice(&(address.port() ^ port_mask()).to_be_bytes());
    match address.ip() {
        IpAddr::V4(ip) => {
            value[1] = 1;
            value[4..8].copy_from_slice(&(ip.to_bits() ^ MAGIC_COOKIE).to_be_bytes());
            (value, 8)
        }
        IpAddr::V6(ip) => {
            value[1] = 2;
            value[4..20].copy_from_slice(&(ip.to_bits() ^ ip_mask(id)).to_be_bytes());
            (value, 20)
        }
    }
}

const fn port_mask() -> u16 {
    (MAGIC_COOKIE >> 16) as u16
}

fn ip_mask(id: TransactionId) -> u128 {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    mask[4..].copy_from_slice(&id.0);
    u128::from_be_bytes(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TransactionId = TransactionId([0xA7; 12]);

    #[test]
    fn addresses_survive_the_round_trip() {
        for text in ["0.0.0.0:0", "255.255.255.255:65535", "192.0.2.1:32853", "[::]:1", "[2001:db8::1]:443"] {
            let address: SocketAddr = text.parse().unwrap();
            let (value, length) = encode_xor_address(address, ID);
            assert_eq!(decode_xor_address(&value[..length], ID), Ok(address));
            let (value, length) = encode_address(address);
            assert_eq!(decode_address(&value[..length]), Ok(address));
        }
    }

    #[test]
    fn row_54_other_families_and_lengths_are_refused() {
        for family in [0, 3, 255] {
            assert_eq!(decode_xor_address(&[0, family, 0, 0, 1, 2, 3, 4], ID), Err(AddressError::Family));
            assert_eq!(decode_address(&[0, family, 0, 0, 1, 2, 3, 4]), Err(AddressError::Family));
        }
        for (family, length) in [(1, 4), (1, 20), (1, 24), (2, 4), (2, 8), (2, 24)] {
            let mut value = vec![0; length];
            value[1] = family;
            assert_eq!(decode_xor_address(&value, ID), Err(AddressError::Length), "{family} {length}");
            assert_eq!(decode_address(&value), Err(AddressError::Length), "{family} {length}");
        }
        assert_eq!(decode_xor_address(&[], ID), Err(AddressError::Length));
    }
}
