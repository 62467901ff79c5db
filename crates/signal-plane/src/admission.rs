//! How many connections there may be, in all and from one address prefix.
//!
//! It forgets a prefix when its last connection ends.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::counters::Refusal;
use crate::limits::Limits;

/// The connections of now.
pub(crate) struct Admission {
    connections_max: usize,
    per_prefix_max: usize,
    inside: Mutex<Inside>,
    left: Notify,
}

/// One connection's place; leaving gives it back.
pub(crate) struct Place {
    admission: Arc<Admission>,
    prefix: Option<u128>,
}

#[derive(Default)]
struct Inside {
    total: usize,
    by_prefix: HashMap<u128, usize>,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            connections_max: limits.connections_max,
            per_prefix_max: limits.connections_per_prefix_max,
            inside: Mutex::default(),
            left: Notify::new(),
        })
    }

    /// Takes a place, or says why there is none.
    pub(crate) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place, Refusal> {
        let prefix = address.map(prefix);
        let mut inside = self.lock();
        if inside.total >= self.connections_max {
            return Err(Refusal::Full);
        }
        if let Some(prefix) = prefix {
            let count = inside.by_prefix.entry(prefix).or_default();
            if self.per_prefix_max > 0 && *count >= self.per_prefix_max {
                return Err(Refusal::Prefix);
            }
            *count += 1;
        }
        inside.total += 1;
        Ok(Place { admission: self.clone(), prefix })
    }

    pub(crate) fn connections(&self) -> usize {
        self.lock().total
    }

    /// Returns when nobody is inside.
    pub(crate) async fn empty(&self) {
        loop {
            let left = self.left.notified();
            if self.connections() == 0 {
                return;
            }
            left.await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inside> {
        // Two counters: nothing in between could be half done.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.admission.lock();
        inside.total -= 1;
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

/// An IPv4 address, mapped or not, or the /64 of an IPv6 address.
fn prefix(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits() >> 64 << 64,
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
        let limits = Limits { connections_max: 3, connections_per_prefix_max: 2, ..Limits::default() };
        let admission = Admission::new(&limits);
        let first = enter(&admission, "2001:db8::1").ok();
        let _second = enter(&admission, "2001:db8::2:0:0:1").ok();
        assert_eq!(enter(&admission, "2001:db8::3").err(), Some(Refusal::Prefix));
        let _third = enter(&admission, "192.0.2.1").ok();
        assert_eq!(enter(&admission, "192.0.2.2").err(), Some(Refusal::Full));
        drop(first);
        assert!(enter(&admission, "::ffff:192.0.2.1").is_ok());
        assert_eq!(admission.connections(), 2);
    }

    #[test]
    fn who_comes_without_an_address_counts_in_the_whole_only() {
        let limits = Limits { connections_max: 2, connections_per_prefix_max: 1, ..Limits::default() };
        let admission = Admission::new(&limits);
        let _places = [admission.enter(None).ok(), admission.enter(None).ok()];
        assert_eq!(admission.connections(), 2);
        assert_eq!(admission.enter(None).err(), Some(Refusal::Full));
    }
}
