//! `Sensitive<T>`: the only way an address, a user name, a room, a token or an SDP reaches a log line or
//! an error text.
//!
//! It prints what kind of thing it holds and nothing of the thing itself. It is not encryption and does not
//! keep code that holds the value from using it: [`Sensitive::expose`] is the one door, and easy to search
//! for.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use zeroize::Zeroize;

/// A value that formats as its kind: `[ipv4]`, `[ipv6]`, `[text]`, `[bytes]`.
///
/// `Debug` and `Display` agree, so that no format string can tell more than another. Comparison and hashing
/// are those of the value.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Wraps a value; from here on it prints as its kind.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself, for work, never for text that leaves the process's own protocols.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Unwraps the value, for the same uses as [`Sensitive::expose`].
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: Zeroize> Zeroize for Sensitive<T> {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl<T> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T: Kind> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0.kind())
    }
}

impl<T: Kind> fmt::Display for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What may be told of a sensitive value: a word from a fixed list, never derived from its content beyond
/// the address family.
pub trait Kind {
    /// The word that stands in for the value.
    fn kind(&self) -> &'static str;
}

impl<T: Kind + ?Sized> Kind for &T {
    fn kind(&self) -> &'static str {
        (**self).kind()
    }
}

impl Kind for IpAddr {
    fn kind(&self) -> &'static str {
        if self.is_ipv4() { "ipv4" } else { "ipv6" }
    }
}

impl Kind for SocketAddr {
    fn kind(&self) -> &'static str {
        self.ip().kind()
    }
}

impl Kind for Ipv4Addr {
    fn kind(&self) -> &'static str {
        "ipv4"
    }
}

impl Kind for Ipv6Addr {
    fn kind(&self) -> &'static str {
        "ipv6"
    }
}

impl Kind for str {
    fn kind(&self) -> &'static str {
        "text"
    }
}

impl Kind for String {
    fn kind(&self) -> &'static str {
        "text"
    }
}

impl Kind for [u8] {
    fn kind(&self) -> &'static str {
        "bytes"
    }
}

impl Kind for Vec<u8> {
    fn kind(&self) -> &'static str {
        "bytes"
    }
}

impl<const N: usize> Kind for [u8; N] {
    fn kind(&self) -> &'static str {
        "bytes"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_prints_its_family_only() {
        let address: SocketAddr = "203.0.113.7:4242".parse().unwrap();
        let sensitive = Sensitive::new(address);
        assert_eq!(format!("{sensitive} {sensitive:?} {sensitive:#?}"), "[ipv4] [ipv4] [ipv4]");
        let address: IpAddr = "2001:db8::7".parse().unwrap();
        assert_eq!(format!("{:?}", Some(Sensitive::new(address))), "Some([ipv6])");
    }

    #[test]
    fn text_and_bytes_print_neither_content_nor_length() {
        let short = Sensitive::new(String::from("a"));
        let long = Sensitive::new("v=0\r\no=- 42".repeat(100));
        assert_eq!(format!("{short:?}"), format!("{long:?}"));
        assert_eq!(format!("{:?}", Sensitive::new([7_u8; 16])), format!("{:?}", Sensitive::new(vec![7_u8])));
    }

    #[test]
    fn zeroize_wipes_the_value() {
        let mut secret = Sensitive::new(vec![1_u8, 2, 3]);
        secret.zeroize();
        assert!(secret.expose().is_empty());
    }
}
