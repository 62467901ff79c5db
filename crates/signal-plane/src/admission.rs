//! How many there may be, in all and of one network: connections, or handshakes.
//!
//! It forgets a network when its last one ends.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::counters::Refusal;

/// Those of now.
pub(crate) struct Admission {
    total_max: usize,
    per_prefix_max: usize,
    inside: Mutex<Inside>,
    left: Notify,
}

/// The place of one of them; leaving gives it back.
pub(crate) struct Place {
    admission: Arc<Admission>,
    /// Its number in the whole, if it counts there.
    number: Option<u64>,
    prefix: Option<Prefix>,
}

#[derive(Default)]
struct Inside {
    /// Since when each is there, by numbers that are given in that order.
    since_by_number: BTreeMap<u64, Instant>,
    next: u64,
    by_prefix: HashMap<Prefix, usize>,
}

/// The network part of an address: what one customer or one site commonly has, the /24 of an IPv4 address,
/// mapped or not, or the /48 of an IPv6 one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Prefix {
    V4([u8; 3]),
    V6([u16; 3]),
}

impl Admission {
    /// `per_prefix_max`: 0 is no limit.
    pub(crate) fn new(total_max: usize, per_prefix_max: usize) -> Arc<Self> {
        Arc::new(Self { total_max, per_prefix_max, inside: Mutex::default(), left: Notify::new() })
    }

    /// Takes a place, or says why there is none.
    pub(crate) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place, Refusal> {
        let prefix = address.map(Prefix::from);
        let mut inside = self.lock();
        if inside.since_by_number.len() >= self.total_max {
            return Err(Refusal::Full);
        }
        if let Some(prefix) = prefix {
            self.count(&mut inside, prefix)?;
        }
        let number = inside.next;
        inside.next += 1;
        inside.since_by_number.insert(number, Instant::now());
        Ok(Place { admission: self.clone(), number: Some(number), prefix })
    }

    /// Takes a place of a prefix for a connection that has its place in the whole, or says why there is none.
    pub(crate) fn enter_prefix(self: &Arc<Self>, address: IpAddr) -> Result<Place, Refusal> {
        let prefix = Prefix::from(address);
        self.count(&mut self.lock(), prefix)?;
        Ok(Place { admission: self.clone(), number: None, prefix: Some(prefix) })
    }

    fn count(&self, inside: &mut Inside, prefix: Prefix) -> Result<(), Refusal> {
        let count = inside.by_prefix.entry(prefix).or_default();
        if self.per_prefix_max > 0 && *count >= self.per_prefix_max {
            return Err(Refusal::Prefix);
        }
        *count += 1;
        Ok(())
    }

    pub(crate) fn total(&self) -> usize {
        self.lock().since_by_number.len()
    }

    /// How long the oldest has been inside.
    pub(crate) fn oldest(&self) -> Option<Duration> {
        self.lock().since_by_number.first_key_value().map(|(_, since)| since.elapsed())
    }

    /// Those of this address's network.
    pub(crate) fn of_network(&self, address: IpAddr) -> usize {
        self.lock().by_prefix.get(&Prefix::from(address)).copied().unwrap_or(0)
    }

    /// Returns when nobody is inside.
    pub(crate) async fn empty(&self) {
        loop {
            let left = self.left.notified();
            if self.total() == 0 {
                return;
            }
            left.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inside> {
        // A few counters: nothing in between could be half done.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.admission.lock();
        if let Some(number) = self.number {
            inside.since_by_number.remove(&number);
        }
        if let Some(prefix) = self.prefix
            && let Some(count) = inside.by_prefix.get_mut(&prefix)
        {
            *count -= 1;
            if *count == 0 {
                inside.by_prefix.remove(&prefix);
            }
        }
        drop(inside);
        self.admission.left.notify_waiters();
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

    fn enter(admission: &Arc<Admission>, address: &str) -> Result<Place, Refusal> {
        admission.enter(Some(address.parse().unwrap()))
    }

    #[test]
    fn a_prefix_and_the_whole_have_their_caps() {
        let admission = Admission::new(3, 2);
        let first = enter(&admission, "2001:db8::1").ok();
        let _second = enter(&admission, "2001:db8:0:2::1").ok();
        assert_eq!(admission.of_network("2001:db8:0:3::1".parse().unwrap()), 2);
        assert_eq!(enter(&admission, "2001:db8::3").err(), Some(Refusal::Prefix));
        let since = admission.lock().since_by_number[&0];
        assert!(admission.oldest().is_some_and(|oldest| oldest <= since.elapsed()));
        let _third = enter(&admission, "192.0.2.1").ok();
        assert_eq!(enter(&admission, "192.0.2.2").err(), Some(Refusal::Full));
        drop(first);
        let since = admission.lock().since_by_number[&1];
        assert!(admission.oldest().is_some_and(|oldest| oldest <= since.elapsed()), "the next is the oldest");
        assert!(enter(&admission, "::ffff:192.0.2.1").is_ok());
        assert_eq!(admission.total(), 2);
    }

    #[test]
    fn who_is_known_later_counts_once_in_the_whole() {
        let admission = Admission::new(3, 1);
        let _connections = [admission.enter(None).ok(), admission.enter(None).ok()];
        let address = "192.0.2.1".parse().unwrap();
        let place = admission.enter_prefix(address).ok();
        assert_eq!(admission.enter_prefix(address).err(), Some(Refusal::Prefix));
        assert_eq!(admission.total(), 2);
        drop(place);
        assert!(admission.enter_prefix(address).is_ok());
        assert_eq!(admission.total(), 2);
    }

    #[test]
    fn who_comes_without_an_address_counts_in_the_whole_only() {
        let admission = Admission::new(2, 1);
        let _places = [admission.enter(None).ok(), admission.enter(None).ok()];
        assert_eq!(admission.total(), 2);
        assert_eq!(admission.enter(None).err(), Some(Refusal::Full));
    }
}
