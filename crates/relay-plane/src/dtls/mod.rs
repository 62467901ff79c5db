//! TURN over DTLS: who gets an association, until when, and what passes through it. RFC 6347, RFC 8656 §3.1.
//!
//! Until a client has shown by a cookie that it receives at its address, nothing is kept of it and it is sent
//! less than it sent. Each association belongs to the worker that receives its datagrams; the others find it
//! to send.

mod association;
mod cookies;
mod hello;
mod provider;
mod table;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::sign::CertifiedKey;
use turn_core::FiveTuple;

pub(crate) use self::association::Unsealed;
pub use self::association::{Pieces, Taken};
pub use self::table::Associations;

use self::association::{Association, Library};
use self::cookies::Cookies;
use self::hello::{ClientHello, handshake_alert, verify_request, version_alert};
use self::table::Admitted;
use crate::clock::Clock;
use crate::limits::{DTLS_HANDSHAKES_PER_PREFIX_S_MAX, DTLS_HANDSHAKES_S_MAX, STREAM_UNPROVED_AGE_MAX};
use crate::places::Prefix;
use crate::web::Caps;

/// What a relay needs to know to speak DTLS.
pub struct Config {
    /// UDP addresses for TURN over DTLS alone. It is spoken on [`crate::Config::web`] too.
    pub listen: Vec<SocketAddr>,
    /// The certificate that the next handshake gets. Without one whose key is ECDSA on P-256 or P-384 there
    /// is no handshake.
    pub certificate: Certificate,
    /// How many associations at once.
    pub caps: Caps,
}

/// Where certificates come from.
pub type Certificate = Arc<dyn Fn() -> Arc<CertifiedKey> + Send + Sync>;

/// Whether handshakes can be signed with a certificate's key.
pub fn can_use(certified: &CertifiedKey) -> bool {
    provider::scheme(&*certified.key).is_some()
}

/// Sums since the start, except `open`, `networks` and `second`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DtlsCounters {
    /// Associations now, handshakes included.
    pub open: u64,
    /// Clients that were asked for a cookie.
    pub asked: u64,
    /// Handshakes that were finished.
    pub accepted: u64,
    /// Handshakes that failed or took too long.
    pub failed: u64,
    /// Clients of an old version; and those with a good cookie for whom there was no room, or no time.
    pub refused: u64,
    /// Associations closed because they had no allocation for too long.
    pub idle: u64,
    /// Networks whose handshakes are counted, that of this second.
    pub networks: u64,
    /// When that second began.
    pub second: Option<Duration>,
}

impl DtlsCounters {
    /// Adds another worker's numbers.
    pub(crate) fn add(&mut self, other: &Self) {
        self.open += other.open;
        self.asked += other.asked;
        self.accepted += other.accepted;
        self.failed += other.failed;
        self.refused += other.refused;
        self.idle += other.idle;
        self.networks += other.networks;
        self.second = self.second.into_iter().chain(other.second).min();
    }
}

/// One worker's associations; no sockets.
///
/// After [`Dtls::handle_datagram`] and [`Dtls::handle_deadline`], [`Dtls::taken`] has what is to be sent and
/// what was said. [`Dtls::handle_deadline`] is called until it has nothing, no later than
/// [`Dtls::next_deadline`]; times are since the clock's start.
pub struct Dtls {
    library: Library,
    certificate: Certificate,
    all: Arc<Associations>,
    own: HashMap<FiveTuple, Own>,
    /// When something is to be done for which of them. The number keeps those of one moment apart.
    due: BTreeMap<(Duration, u64), FiveTuple>,
    next_number: u64,
    cookies: Cookies,
    begun: Begun,
    clock: Clock,
    /// What the last call left.
    pub taken: Taken,
    counters: DtlsCounters,
}

/// What a datagram or a deadline did to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing ended.
    Lives,
    /// Its association ended, and the allocations with it.
    Ended,
}

struct Own {
    association: Arc<Association>,
    random: [u8; 32],
    due: Option<(Duration, u64)>,
    admitted: Admitted,
}

/// Handshakes begun in the second that began then: a client that begins again and again on its port holds one
/// place only, and would take the time of all others.
#[derive(Default)]
struct Begun {
    since: Duration,
    total: u32,
    by_prefix: HashMap<Prefix, u32>,
}

impl Begun {
    /// Forgets who began in a second that is over.
    fn lapse(&mut self, now: Duration) {
        if self.until().is_some_and(|until| until <= now) {
            self.total = 0;
            self.by_prefix.clear();
        }
    }

    /// When there is something to forget.
    fn until(&self) -> Option<Duration> {
        (!self.by_prefix.is_empty()).then(|| self.since + Duration::from_secs(1))
    }

    /// Counts one more, if there is time for it.
    fn may(&mut self, now: Duration, client: IpAddr) -> bool {
        self.lapse(now);
        if self.total == 0 {
            self.since = now;
        }
        if self.total >= DTLS_HANDSHAKES_S_MAX {
            return false;
        }
        let of_prefix = self.by_prefix.entry(Prefix::from(client)).or_default();
        let may = *of_prefix < DTLS_HANDSHAKES_PER_PREFIX_S_MAX;
        *of_prefix += u32::from(may);
        self.total += u32::from(may);
        may
    }
}

impl Own {
    const fn is_open(&self) -> bool {
        self.admitted.handshaking.is_none()
    }
}

impl Dtls {
    /// None yet. `all` is shared by all workers.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn new(certificate: Certificate, all: Arc<Associations>, clock: Clock) -> io::Result<Self> {
        Ok(Self {
            library: Library::new(),
            certificate,
            all,
            own: HashMap::new(),
            due: BTreeMap::new(),
            next_number: 0,
            cookies: Cookies::new()?,
            begun: Begun::default(),
            clock,
            taken: Taken::default(),
            counters: DtlsCounters::default(),
        })
    }

    /// A datagram whose first byte says DTLS.
    pub fn handle_datagram(&mut self, now: Duration, tuple: &FiveTuple, datagram: &[u8]) -> Fate {
        self.taken.clear();
        if ClientHello::begins(datagram) {
            return match ClientHello::parse(datagram) {
                Some(hello) => self.read_hello(now, tuple, &hello),
                None => Fate::Lives,
            };
        }
        self.read(now, tuple, datagram)
    }

    /// Does what is due for one client, if anything is. `holds`: whether a client has an allocation.
    pub fn handle_deadline(
        &mut self,
        now: Duration,
        holds: impl Fn(&FiveTuple) -> bool,
    ) -> Option<(FiveTuple, Fate)> {
        self.taken.clear();
        self.begun.lapse(now);
        let (&(at, _), &tuple) = self.due.first_key_value()?;
        if now < at {
            return None;
        }
        self.set_due(&tuple, None);
        let own = self.own.get(&tuple)?;
        if own.is_open() {
            if holds(&tuple) {
                // Its release sets the next deadline.
                return Some((tuple, Fate::Lives));
            }
            own.association.close(&mut self.taken);
            self.counters.idle += 1;
            self.remove(&tuple);
            return Some((tuple, Fate::Ended));
        }
        let waited = own.association.wait(self.clock.at(now), &mut self.taken);
        Some((tuple, self.settle(now, &tuple, waited.is_ok())))
    }

    /// The last allocation of a client ended.
    pub fn handle_released(&mut self, now: Duration, tuple: &FiveTuple) {
        self.set_due(tuple, Some(now + STREAM_UNPROVED_AGE_MAX));
    }

    /// Ends one association, with a good-bye in [`Dtls::taken`]; nothing if there is none.
    pub fn close_one(&mut self) -> Option<FiveTuple> {
        self.taken.clear();
        let (&tuple, own) = self.own.iter().next()?;
        own.association.close(&mut self.taken);
        self.remove(&tuple);
        Some(tuple)
    }

    /// When [`Dtls::handle_deadline`] is due, for a client or to forget whose handshakes began.
    pub fn next_deadline(&self) -> Option<Duration> {
        let due = self.due.first_key_value().map(|((at, _), _)| *at);
        [due, self.begun.until()].into_iter().flatten().min()
    }

    /// What was counted so far.
    pub fn counters(&self) -> DtlsCounters {
        DtlsCounters {
            open: self.own.len() as u64,
            networks: self.begun.by_prefix.len() as u64,
            second: self.begun.until().map(|_| self.begun.since),
            ..self.counters
        }
    }

    fn read_hello(&mut self, now: Duration, tuple: &FiveTuple, hello: &ClientHello<'_>) -> Fate {
        if self.own.get(tuple).is_some_and(|own| own.random == *hello.random) {
            return self.read(now, tuple, hello.datagram());
        }
        if !hello.is_new_enough {
            self.taken.records.push(&version_alert());
            self.counters.refused += 1;
            return Fate::Lives;
        }
        let Some(cookie) = self.cookies.proved(now, tuple, hello.random, hello.cookie) else {
            self.taken.records.push(&verify_request(&self.cookies.make(now, tuple, hello.random)));
            self.counters.asked += 1;
            return Fate::Lives;
        };
        let Some(admitted) = self.all.admit(tuple).filter(|_| self.begun.may(now, tuple.client.0.ip()))
        else {
            self.counters.refused += 1;
            return Fate::Lives;
        };
        let certified = (self.certificate)();
        let Some(association) = self.library.begin(self.clock.at(now), hello, cookie, &certified) else {
            self.taken.records.push(&handshake_alert());
            self.counters.failed += 1;
            return Fate::Lives;
        };
        //= RFC 6347 §4.2.8: "it SHOULD proceed with a new handshake but MUST NOT destroy the existing
        //= association until the client has demonstrated reachability either by completing a cookie exchange
        //= or by completing a complete handshake"
        let fate = self.remove(tuple);
        let own = Own { association: Arc::new(association), random: *hello.random, due: None, admitted };
        self.all.enter(*tuple, Arc::clone(&own.association));
        let waited = own.association.wait(self.clock.at(now), &mut self.taken);
        self.own.insert(*tuple, own);
        match self.settle(now, tuple, waited.is_ok()) {
            Fate::Lives => fate,
            Fate::Ended => Fate::Ended,
        }
    }

    fn read(&mut self, now: Duration, tuple: &FiveTuple, datagram: &[u8]) -> Fate {
        let Some(own) = self.own.get(tuple) else { return Fate::Lives };
        let read = own.association.read(self.clock.at(now), datagram, &mut self.taken);
        self.settle(now, tuple, read.is_ok())
    }

    /// After something happened to an association: it opens, goes on or ends.
    fn settle(&mut self, now: Duration, tuple: &FiveTuple, is_well: bool) -> Fate {
        let Some(own) = self.own.get_mut(tuple) else { return Fate::Lives };
        if !is_well || self.taken.is_closed {
            if !own.is_open() {
                self.counters.failed += 1;
            }
            return self.remove(tuple);
        }
        if own.is_open() {
            return Fate::Lives;
        }
        let due = if self.taken.is_open {
            own.admitted.handshaking = None;
            self.counters.accepted += 1;
            Some(now + STREAM_UNPROVED_AGE_MAX)
        } else {
            self.taken.due.map(|due| self.clock.since_start(due))
        };
        self.set_due(tuple, due);
        Fate::Lives
    }

    fn set_due(&mut self, tuple: &FiveTuple, due: Option<Duration>) {
        let Some(own) = self.own.get_mut(tuple) else { return };
        if let Some(old) = own.due.take() {
            self.due.remove(&old);
        }
        if let Some(due) = due {
            let key = (due, self.next_number);
            self.next_number += 1;
            own.due = Some(key);
            self.due.insert(key, *tuple);
        }
    }

    fn remove(&mut self, tuple: &FiveTuple) -> Fate {
        self.set_due(tuple, None);
        if self.own.remove(tuple).is_none() {
            return Fate::Lives;
        }
        self.all.leave(tuple);
        Fate::Ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_116_a_client_that_begins_again_and_again_takes_its_networks_time_only() {
        let mut begun = Begun::default();
        let (one, other) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 3, 1]));
        let at = Duration::from_secs(100);
        let allowed = (0..10_000).filter(|_| begun.may(at, one)).count();
        assert_eq!(allowed, DTLS_HANDSHAKES_PER_PREFIX_S_MAX as usize);
        assert!(begun.may(at, other) && !begun.may(at, one));
        let others = (0..=255).filter(|&network| begun.may(at, [198, 51, network, 1].into())).count();
        assert_eq!(others as u32, DTLS_HANDSHAKES_S_MAX - DTLS_HANDSHAKES_PER_PREFIX_S_MAX - 1);
        let next = at + Duration::from_secs(1);
        assert_eq!(begun.until(), Some(next), "their networks are known for no longer");
        begun.lapse(next);
        assert!(begun.by_prefix.is_empty() && begun.until().is_none());
        assert!(begun.may(next, one) && begun.by_prefix.len() == 1);
    }
}
