//! ChannelData messages and channel numbers. Not bindings. RFC 8656 §12.

use crate::limits::CHANNEL_DATA_HEADER_BYTES;

/// A channel number: 0x4000-0x4FFF by RFC 8656 §12, up to 0x7FFF by RFC 5766 §11, which clients still use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelNumber(u16);

impl ChannelNumber {
    /// A number from the wire, if it is in range.
    pub const fn new(number: u16) -> Option<Self> {
        match number {
            0x4000..=0x7FFF => Some(Self(number)),
            _ => None,
        }
    }

    /// Reads the value of a CHANNEL-NUMBER attribute: two bytes of number, two that are ignored.
    pub const fn from_attribute(value: &[u8]) -> Option<Self> {
        match value {
            [high, low, _, _] => Self::new(u16::from_be_bytes([*high, *low])),
            _ => None,
        }
    }

    /// Whether RFC 8656 has it too; its narrower range tells channels from other protocols by the first byte.
    pub const fn is_rfc_8656(self) -> bool {
        self.0 <= 0x4FFF
    }

    /// The number, 0x4000-0x7FFF.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// A ChannelData message in a datagram. Bytes behind the announced length are padding and ignored.
#[derive(Clone, Copy)]
pub struct ChannelData<'a> {
    /// Which channel.
    pub number: ChannelNumber,
    /// What to relay, 0-65,535 bytes.
    pub data: &'a [u8],
}

impl<'a> ChannelData<'a> {
    /// Reads a datagram; `None` where it is shorter than it says or the number is out of range.
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (header, rest) = datagram.split_first_chunk::<CHANNEL_DATA_HEADER_BYTES>()?;
        let number = ChannelNumber::new(u16::from_be_bytes([header[0], header[1]]))?;
        let data = rest.get(..usize::from(u16::from_be_bytes([header[2], header[3]])))?;
        Some(Self { number, data })
    }
}

/// Appends the header for `data_bytes` of data. On UDP no padding follows, RFC 8656 §12.5.
pub fn write_channel_data_header(out: &mut Vec<u8>, number: ChannelNumber, data_bytes: u16) {
    out.extend(number.0.to_be_bytes());
    out.extend(data_bytes.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_58_exactly_the_announced_length_is_data() {
        let datagram = [0x40, 0x01, 0, 3, b'a', b'b', b'c', 0];
        assert_eq!(ChannelData::parse(&datagram).unwrap().data, b"abc");
        assert_eq!(ChannelData::parse(&datagram[..7]).unwrap().data, b"abc");
        assert!(ChannelData::parse(&datagram[..6]).is_none());
        assert!(ChannelData::parse(&[0x40, 0x01, 0xFF, 0xFF, 0]).is_none());
        for end in 0..4 {
            assert!(ChannelData::parse(&datagram[..end]).is_none());
        }
    }

    #[test]
    fn row_78_numbers_out_of_range_do_not_exist() {
        for number in 0..=u16::MAX {
            assert_eq!(ChannelNumber::new(number).is_some(), (0x4000..=0x7FFF).contains(&number));
            let narrow = ChannelNumber::new(number).is_some_and(ChannelNumber::is_rfc_8656);
            assert_eq!(narrow, (0x4000..=0x4FFF).contains(&number));
        }
    }
}
