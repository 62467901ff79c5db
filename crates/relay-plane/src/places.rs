//! So many in all, and so many of each network: who may have a place, and that it is free again afterwards.
//!
//! Not what a place is for, and no memory of a network whose last place is free.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::births::{Births, Present};

/// Places of one kind.
pub(crate) struct Places {
    max: usize,
    per_prefix_max: usize,
    taken: Mutex<Taken>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// All are taken.
    All,
    /// The network has its share.
    Prefix,
}

/// One of them, until it is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    birth: u64,
    /// None while it is not known whose it is.
    prefix: Option<Prefix>,
}

#[derive(Default)]
struct Taken {
    births: Births,
    by_prefix: HashMap<Prefix, usize>,
}

/// The network part that limits are counted by: what one customer or one site commonly has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Prefix {
    V4([u8; 3]),
    V6([u16; 3]),
}

impl Places {
    pub(crate) fn new(max: usize, per_prefix_max: usize) -> Arc<Self> {
        Arc::new(Self { max, per_prefix_max, taken: Mutex::default() })
    }

    /// A place for a client at this address; `None`: for one that [`Place::settle`] will tell of. A network
    /// that has its share is told so even when all are taken.
    pub(crate) fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place, Full> {
        let prefix = address.map(Prefix::from);
        let mut taken = self.lock();
        if let Some(prefix) = prefix {
            self.has_share(&taken, prefix)?;
        }
        if taken.births.count().count >= self.max as u64 {
            return Err(Full::All);
        }
        let birth = taken.births.begin();
        if let Some(prefix) = prefix {
            *taken.by_prefix.entry(prefix).or_default() += 1;
        }
        Ok(Place { places: Arc::clone(self), birth, prefix })
    }

    /// Those that are taken.
    pub(crate) fn taken(&self) -> Present {
        self.lock().births.count()
    }

    fn has_share(&self, taken: &Taken, prefix: Prefix) -> Result<(), Full> {
        let of_prefix = taken.by_prefix.get(&prefix).copied().unwrap_or(0);
        if of_prefix < self.per_prefix_max { Ok(()) } else { Err(Full::Prefix) }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Nothing in between could be half done.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Counts it for the network of its client, who is known now.
    pub(crate) fn settle(&mut self, address: IpAddr) -> Result<(), Full> {
        let prefix = Prefix::from(address);
        let mut taken = self.places.lock();
        self.places.has_share(&taken, prefix)?;
        *taken.by_prefix.entry(prefix).or_default() += 1;
        self.prefix = Some(prefix);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.births.end(self.birth);
        let Some(prefix) = self.prefix else { return };
        let left = taken.by_prefix.get_mut(&prefix).expect("a settled place has counted its prefix");
        *left -= 1;
        if *left == 0 {
            taken.by_prefix.remove(&prefix);
        }
    }
}

impl From<IpAddr> for Prefix {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let [a, b, c, _] = address.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(address) => {
                let [a, b, c, ..] = address.segments();
                Self::V6([a, b, c])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Option<IpAddr> {
        Some(address.parse().unwrap())
    }

    #[test]
    fn a_network_takes_its_share_and_leaves_the_rest_to_others() {
        let places = Places::new(3, 2);
        let mut held: Vec<_> =
            ["192.0.2.1", "192.0.2.2"].map(|address| places.take(at(address)).unwrap()).into();
        assert_eq!(places.take(at("::ffff:192.0.2.3")).err(), Some(Full::Prefix));
        held.push(places.take(at("2001:db8::1")).unwrap());
        assert_eq!(places.take(at("198.51.100.1")).err(), Some(Full::All));
        assert_eq!(places.take(at("192.0.2.4")).err(), Some(Full::Prefix));
        assert_eq!((places.taken().count, places.lock().by_prefix.len()), (3, 2));
        held.clear();
        assert_eq!((places.taken().count, places.lock().by_prefix.len()), (0, 0));
    }

    #[test]
    fn who_is_known_later_counts_for_the_network_then() {
        let places = Places::new(4, 1);
        let mut first = places.take(None).unwrap();
        let mut second = places.take(None).unwrap();
        assert_eq!(first.settle(at("2001:db8:0:1::1").unwrap()), Ok(()));
        assert_eq!(second.settle(at("2001:db8:0:2::1").unwrap()), Err(Full::Prefix));
        drop(second);
        assert_eq!(places.taken().count, 1);
        drop(first);
        assert!(places.take(at("2001:db8::1")).is_ok());
    }
}
