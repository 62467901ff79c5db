//! Tags: what the matcher remembers instead of an address, to know a misbehaving place again for a while.
//!
//! A tag is a keyed hash. The keys are random, live in memory and are replaced; what was noted under a key
//! that is gone names nothing any more. Whoever can read the memory of the process can try all IPv4
//! addresses.

use std::net::IpAddr;
use std::time::Duration;

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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tag([u8; 16]);

impl Tag {
    /// Before all others.
    pub(crate) const NOWHERE: Self = Self([0; 16]);
    /// Behind all others.
    pub(crate) const LAST: Self = Self([0xff; 16]);
}

/// A place and the network that it belongs to, under the key of now.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Of the IPv4 /24 or IPv6 /48.
    pub(crate) wide: Tag,
    /// Of the IPv4 address or IPv6 /64.
    pub(crate) near: Tag,
}

impl Place {
    /// Of those whose address tells nothing.
    pub(crate) const NOWHERE: Self = Self { wide: Tag::NOWHERE, near: Tag::NOWHERE };
}

/// The tags of one client, under the key of its coming and the next: its address is not kept, and it may stay
/// until the next is in use. One that stays even longer is known by the last it has.
#[derive(Clone, Copy)]
pub(crate) struct Tags {
    /// Of the first place's key; the second one's is the next.
    epoch: u64,
    places: [Place; 2],
    /// Under the key before, while that one was kept.
    near_before: Option<Tag>,
}

impl Tags {
    /// Under the key of its coming, and the next.
    pub(crate) fn places(&self) -> [Place; 2] {
        self.places
    }

    /// All by which its place may be known.
    pub(crate) fn near(&self) -> impl Iterator<Item = Tag> {
        self.places.map(|place| place.near).into_iter().chain(self.near_before)
    }
}

/// The key of now, the next, and the one before for as long as a ban may outlive it.
pub(crate) struct TagKeys {
    /// Counts the changes.
    epoch: u64,
    current: Key,
    next: Key,
    before: Option<Key>,
}

struct Key {
    secret: Zeroizing<[u8; 32]>,
    since: Duration,
}

impl TagKeys {
    /// With two secrets: of the first key, and of the one after it.
    pub(crate) fn new(secrets: [[u8; 32]; 2]) -> Self {
        let [current, next] = secrets.map(|secret| Key::new(secret, Duration::ZERO));
        Self { epoch: 0, current, next, before: None }
    }

    /// Goes on to the next key, and takes the secret of the one after it; the old one still knows bans again,
    /// until [`TagKeys::forget`].
    pub(crate) fn rotate(&mut self, secret: [u8; 32], now: Duration) {
        self.epoch += 1;
        let next = std::mem::replace(&mut self.next, Key::new(secret, now));
        self.before = Some(std::mem::replace(&mut self.current, next));
    }

    /// Forgets the key before.
    pub(crate) fn forget(&mut self) {
        self.before = None;
    }

    /// How many keys there are.
    pub(crate) fn count(&self) -> u64 {
        2 + u64::from(self.before.is_some())
    }

    /// Since when the oldest of them is there.
    pub(crate) fn since(&self) -> Duration {
        self.before.as_ref().unwrap_or(&self.current).since
    }

    /// The tags of a client that comes now.
    pub(crate) fn tags(&self, origin: Origin) -> Tags {
        let place = |key: &Key| Place {
            wide: key.tag(b"wide", origin.wide()),
            near: key.tag(b"near", origin.near()),
        };
        Tags {
            epoch: self.epoch,
            places: [place(&self.current), place(&self.next)],
            near_before: self.before.as_ref().map(|key| key.tag(b"near", origin.near())),
        }
    }

    /// Where a client comes from, under the key of now.
    pub(crate) fn place(&self, tags: &Tags) -> Place {
        if tags.epoch == self.epoch { tags.places[0] } else { tags.places[1] }
    }
}

impl Key {
    fn new(secret: [u8; 32], since: Duration) -> Self {
        Self { secret: Zeroizing::new(secret), since }
    }

    fn tag(&self, label: &[u8; 4], prefix: u128) -> Tag {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.secret[..]).expect("HMAC takes keys of any length");
        mac.update(label);
        mac.update(&prefix.to_be_bytes());
        let mut short = [0; 16];
        short.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        Tag(short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(keys: &TagKeys, address: &str) -> Tags {
        keys.tags(Origin::from(address.parse::<IpAddr>().unwrap()))
    }

    #[test]
    fn a_household_and_a_network_have_one_tag_each() {
        let keys = TagKeys::new([[1; 32], [2; 32]]);
        let same = |one: &str, other: &str| {
            let (one, other) = (keys.place(&tags(&keys, one)), keys.place(&tags(&keys, other)));
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
    fn who_came_under_the_key_before_is_known_under_the_key_of_now() {
        let mut keys = TagKeys::new([[1; 32], [2; 32]]);
        let old = tags(&keys, "192.0.2.1");
        let first = keys.place(&old);
        keys.rotate([3; 32], Duration::from_secs(9));
        let new = tags(&keys, "192.0.2.1");
        assert!(keys.place(&old) != first && keys.place(&old) == keys.place(&new));
        assert!(new.near().any(|tag| tag == first.near), "and a ban of the key before holds");
        keys.rotate([4; 32], Duration::from_secs(18));
        assert!(keys.place(&old) != keys.place(&tags(&keys, "192.0.2.1")));
    }

    #[test]
    fn an_old_key_is_forgotten_when_told() {
        let mut keys = TagKeys::new([[1; 32], [2; 32]]);
        let old = keys.place(&tags(&keys, "192.0.2.1"));
        keys.rotate([3; 32], Duration::from_secs(9));
        assert_eq!((keys.count(), keys.since()), (3, Duration::ZERO));
        keys.forget();
        assert_eq!(keys.count(), 2);
        assert!(tags(&keys, "192.0.2.1").near().all(|tag| tag != old.near));
        keys.rotate([4; 32], Duration::from_secs(18));
        keys.forget();
        assert_eq!(keys.since(), Duration::from_secs(9));
    }
}
