//! Tags: what the matcher remembers instead of an address, to know a misbehaving place again for a while.
//!
//! A tag is a keyed hash. The keys are random, live in memory and are replaced; what was noted under a key
//! that is gone names nothing any more. Whoever can read the memory of the process can try all IPv4
//! addresses.

use std::net::IpAddr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Where a transport comes from. It is turned into tags at once and kept nowhere; it does not print.
#[derive(Clone, Copy)]
pub struct Origin(IpAddr);

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical())
    }
}

impl Origin {
    /// The IPv4 address, or the /64: one household.
    fn near(self) -> u128 {
        match self.0 {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
            IpAddr::V6(v6) => v6.to_bits() >> 64 << 64,
        }
    }

    /// The /24, or the /48: one network.
    fn wide(self) -> u128 {
        match self.0 {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits() >> 8 << 8,
            IpAddr::V6(v6) => v6.to_bits() >> 80 << 80,
        }
    }
}

/// A keyed hash of an address prefix.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tag([u8; 16]);

/// The tags of one client.
#[derive(Clone, Copy)]
pub(crate) struct Tags {
    /// Of the IPv4 address or IPv6 /64.
    pub(crate) near: Tag,
    /// The same under the key before, while that one is kept.
    pub(crate) near_before: Option<Tag>,
    /// Of the IPv4 /24 or IPv6 /48.
    pub(crate) wide: Tag,
}

/// The key of today, and the one before for as long as a ban may outlive it.
pub(crate) struct TagKeys {
    current: Key,
    before: Option<Key>,
}

type Key = Zeroizing<[u8; 32]>;

impl TagKeys {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { current: Zeroizing::new(key), before: None }
    }

    /// Replaces the key; the old one still knows bans again, until [`TagKeys::forget`].
    pub(crate) fn rotate(&mut self, key: [u8; 32]) {
        self.before = Some(std::mem::replace(&mut self.current, Zeroizing::new(key)));
    }

    /// Forgets the key before.
    pub(crate) fn forget(&mut self) {
        self.before = None;
    }

    /// The tags of a place.
    pub(crate) fn tags(&self, origin: Origin) -> Tags {
        Tags {
            near: tag(&self.current, b"near", origin.near()),
            near_before: self.before.as_ref().map(|key| tag(key, b"near", origin.near())),
            wide: tag(&self.current, b"wide", origin.wide()),
        }
    }
}

fn tag(key: &Key, label: &[u8; 4], prefix: u128) -> Tag {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key[..]).expect("HMAC takes keys of any length");
    mac.update(label);
    mac.update(&prefix.to_be_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&mac.finalize().into_bytes()[..16]);
    Tag(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(keys: &TagKeys, address: &str) -> Tags {
        keys.tags(Origin::from(address.parse::<IpAddr>().unwrap()))
    }

    #[test]
    fn a_household_and_a_network_have_one_tag_each() {
        let keys = TagKeys::new([1; 32]);
        let same = |one: &str, other: &str| {
            let (one, other) = (tags(&keys, one), tags(&keys, other));
            (one.near == other.near, one.wide == other.wide)
        };
        assert_eq!(same("192.0.2.1", "192.0.2.2"), (false, true));
        assert_eq!(same("192.0.2.1", "192.0.3.1"), (false, false));
        assert_eq!(same("192.0.2.1", "::ffff:192.0.2.1"), (true, true));
        assert_eq!(same("2001:db8::1", "2001:db8::2:0:0:1"), (true, true));
        assert_eq!(same("2001:db8::1", "2001:db8:0:1::1"), (false, true));
        assert_eq!(same("2001:db8::1", "2001:db8:1::1"), (false, false));
    }

    #[test]
    fn a_new_key_makes_new_tags_and_knows_the_old_ones_until_told() {
        let mut keys = TagKeys::new([1; 32]);
        let old = tags(&keys, "192.0.2.1");
        keys.rotate([2; 32]);
        let new = tags(&keys, "192.0.2.1");
        assert!(new.near != old.near && new.near_before == Some(old.near));
        keys.forget();
        assert!(tags(&keys, "192.0.2.1").near_before.is_none());
    }
}
