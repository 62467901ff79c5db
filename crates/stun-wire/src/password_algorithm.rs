//! Password algorithms: how a key is made from a password, by number on the wire. Not the making, nor which
//! of them a server offers. RFC 8489 §14.11, §14.12, §18.5.

/// A way to make a long-term key, RFC 8489 §18.5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum PasswordAlgorithm {
    /// 0x0001: what clients use that know of no choice.
    Md5 = 1,
    /// 0x0002
    Sha256 = 2,
}

impl PasswordAlgorithm {
    /// Reads the value of a PASSWORD-ALGORITHM; `None` where it is malformed or names an algorithm that does
    /// not exist here, or gives it parameters, which neither has.
    pub fn decode(value: &[u8]) -> Option<Self> {
        match *value {
            [high, low, 0, 0] => Self::from_number(u16::from_be_bytes([high, low])),
            _ => None,
        }
    }

    /// The value of a PASSWORD-ALGORITHM, or an entry of PASSWORD-ALGORITHMS: the number and no parameters.
    pub const fn encode(self) -> [u8; 4] {
        let [high, low] = (self as u16).to_be_bytes();
        [high, low, 0, 0]
    }

    const fn from_number(number: u16) -> Option<Self> {
        match number {
            1 => Some(Self::Md5),
            2 => Some(Self::Sha256),
            _ => None,
        }
    }
}

/// Walks the value of a PASSWORD-ALGORITHMS in the sender's order of preference. An entry that is not known
/// here is `None`, and so is, as the last, one that reaches past the end.
#[derive(Clone)]
pub struct PasswordAlgorithms<'a> {
    rest: &'a [u8],
}

impl<'a> PasswordAlgorithms<'a> {
    /// A walk over the attribute's value.
    pub const fn new(value: &'a [u8]) -> Self {
        Self { rest: value }
    }

    /// The entry in front and what is behind it.
    fn split(&self) -> Option<(&'a [u8], &'a [u8])> {
        let &[_, _, high, low] = self.rest.first_chunk::<4>()?;
        let entry_bytes = 4 + usize::from(u16::from_be_bytes([high, low]));
        let entry = self.rest.get(..entry_bytes)?;
        Some((entry, self.rest.get(entry_bytes.next_multiple_of(4)..)?))
    }
}

impl Iterator for PasswordAlgorithms<'_> {
    type Item = Option<PasswordAlgorithm>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (entry, rest) = self.split().unwrap_or_default();
        self.rest = rest;
        Some(PasswordAlgorithm::decode(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::PasswordAlgorithm::{Md5, Sha256};
    use super::*;

    fn walk(value: &[u8]) -> Vec<Option<PasswordAlgorithm>> {
        PasswordAlgorithms::new(value).collect()
    }

    #[test]
    fn algorithms_survive_the_round_trip_in_order() {
        let value = [Sha256.encode(), Md5.encode()].concat();
        assert_eq!(walk(&value), [Some(Sha256), Some(Md5)]);
        assert_eq!(walk(&[]), []);
    }

    #[test]
    fn entries_that_are_unknown_are_walked_over() {
        let value = [&[0, 9, 0, 3, b'a', b'b', b'c', 0][..], &Sha256.encode()].concat();
        assert_eq!(walk(&value), [None, Some(Sha256)]);
        assert_eq!(PasswordAlgorithm::decode(&[0, 2, 0, 4, 0, 0, 0, 0]), None);
        assert_eq!(PasswordAlgorithm::decode(&[0, 2]), None);
    }

    #[test]
    fn an_entry_past_the_end_is_the_last() {
        for value in [&[0, 1][..], &[0, 1, 0], &[0, 1, 0, 1], &[0, 1, 0, 5, 0, 0, 0, 0], &[0, 1, 0xFF, 0xFF]]
        {
            assert_eq!(walk(value), [None], "{value:?}");
        }
    }
}
