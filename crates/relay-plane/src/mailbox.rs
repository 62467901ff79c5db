//! What is told to a worker from outside its thread. Not packets: those of datagram clients never change
//! threads, but for the few of one that has moved and is still heard where it was and those that come by an
//! inherited socket, and those of stream clients lie in their [`Link`].

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use mio::Waker;
use turn_core::{FiveTuple, Handover, Notice, Rules, SessionId, SharedSecret};

use crate::inlet::Arrivals;
use crate::limits::{
    ARRIVALS_BYTES_MAX, ENDINGS_MAX, NOTICES_MAX, PASSED_ON_BYTES_MAX, PEERS_WAITING_MAX, STREAMS_WAITING_MAX,
};
use crate::pulse::Pulse;
use crate::socket::Socket;
use crate::streams::Link;
use crate::tcp::TcpLetter;

/// The sending end; clones reach the same worker.
#[derive(Clone)]
pub(crate) struct Mailbox {
    inner: Arc<Inner>,
}

impl Mailbox {
    /// A mailbox whose worker sleeps on `waker`.
    pub(crate) fn new(waker: Waker) -> Self {
        Self { inner: Arc::new(Inner { letters: Mutex::default(), pulse: Pulse::new(waker) }) }
    }

    /// Whether its worker comes to take letters.
    pub(crate) fn pulse(&self) -> &Pulse {
        &self.inner.pulse
    }

    /// Leaves letters of another worker, in their order and all at once. Returns those for which there is no
    /// room.
    pub(crate) fn post(&self, letters: impl IntoIterator<Item = Letter>) -> Vec<Letter> {
        let mut waiting = self.lock();
        // Who left the first has woken the worker, and it has not come yet.
        let is_first = waiting.from_workers.is_empty();
        let refused = letters.into_iter().filter_map(|letter| waiting.put(letter)).collect();
        let wakes = is_first && !waiting.from_workers.is_empty();
        drop(waiting);
        if wakes {
            self.wake();
        }
        refused
    }

    /// Leaves datagrams of clients, which are gone from `arrivals` if they were taken. Where too many bytes
    /// wait they are lost.
    pub(crate) fn hand_in(&self, arrivals: &mut Arrivals) {
        let mut letters = self.lock();
        if letters.arrivals.bytes() + arrivals.bytes() > ARRIVALS_BYTES_MAX {
            letters.lost_arrivals += arrivals.count();
            return;
        }
        // Who left the first has woken the worker, and it has not come yet.
        let is_first = letters.arrivals.is_empty();
        letters.arrivals.append(arrivals);
        drop(letters);
        if is_first {
            self.wake();
        }
    }

    /// Leaves word that a session ended; `false` where too many wait.
    pub(crate) fn end_session(&self, session: SessionId, until_unix_s: u64) -> bool {
        let mut letters = self.lock();
        if letters.endings.len() >= ENDINGS_MAX {
            return false;
        }
        letters.endings.push_back((session, until_unix_s));
        drop(letters);
        self.wake();
        true
    }

    /// Leaves word of a new stream; `false` where too many wait.
    pub(crate) fn open_stream(&self, link: Arc<Link>) -> bool {
        let mut letters = self.lock();
        if letters.opened >= STREAMS_WAITING_MAX {
            return false;
        }
        letters.opened += 1;
        letters.streams.push_back(StreamLetter::Opened(link));
        drop(letters);
        self.wake();
        true
    }

    /// Leaves word of a stream that is known: at most one letter of each kind waits for each.
    pub(crate) fn tell_of_stream(&self, letter: StreamLetter) {
        let mut letters = self.lock();
        // Who left the first has woken the worker, and it has not come yet.
        let is_first = letters.streams.is_empty();
        letters.streams.push_back(letter);
        drop(letters);
        if is_first {
            self.wake();
        }
    }

    /// Leaves word of a connection with a peer. Where too many peers wait, one more is closed; all else is
    /// said once for each connection.
    pub(crate) fn tell_of_tcp(&self, letter: TcpLetter) {
        let mut letters = self.lock();
        if matches!(letter, TcpLetter::Accepted { .. }) {
            if letters.accepted >= PEERS_WAITING_MAX {
                return;
            }
            letters.accepted += 1;
        }
        letters.tcp.push_back(letter);
        drop(letters);
        self.wake();
    }

    /// Leaves word that newcomers go to these servers.
    pub(crate) fn drain(&self, alternates: &[SocketAddr]) {
        self.lock().drain = Some(alternates.to_vec());
        self.wake();
    }

    /// Leaves the secrets that are shared with other software from here on.
    pub(crate) fn replace_secrets(&self, secrets: &[SharedSecret]) {
        self.lock().secrets = Some(secrets.to_vec());
        self.wake();
    }

    /// Leaves the rules about addresses that hold from here on.
    pub(crate) fn replace_rules(&self, rules: &Rules) {
        self.lock().rules = Some(rules.clone());
        self.wake();
    }

    /// Leaves the addresses that are this machine's from here on.
    pub(crate) fn replace_own_ips(&self, own_ips: &[IpAddr]) {
        self.lock().own_ips = Some(own_ips.to_vec());
        self.wake();
    }

    /// Asks the worker to return from its loop.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.wake();
    }

    /// Takes everything.
    pub(crate) fn take(&self) -> Letters {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.inner.letters.lock().expect("nobody panics while holding a mailbox")
    }

    fn wake(&self) {
        if let Err(error) = self.inner.pulse.wake() {
            tracing::error!(%error, "a worker cannot be woken");
        }
    }
}

/// What had been left since the last time.
#[derive(Default)]
pub(crate) struct Letters {
    /// In the order in which each worker left them.
    pub(crate) from_workers: VecDeque<Letter>,
    passed_on_bytes: usize,
    pub(crate) endings: VecDeque<(SessionId, u64)>,
    /// In the order in which they were left.
    pub(crate) streams: VecDeque<StreamLetter>,
    opened: usize,
    pub(crate) tcp: VecDeque<TcpLetter>,
    accepted: usize,
    /// By way of the sockets that all workers share.
    pub(crate) arrivals: Arrivals,
    pub(crate) lost_arrivals: u64,
    pub(crate) drain: Option<Vec<SocketAddr>>,
    pub(crate) secrets: Option<Vec<SharedSecret>>,
    pub(crate) rules: Option<Rules>,
    pub(crate) own_ips: Option<Vec<IpAddr>>,
    pub(crate) stop: bool,
}

impl Letters {
    /// One more from a worker; it comes back where there is no room for it. Allocations that are handed over,
    /// and notices that must not be lost, are few and always taken.
    fn put(&mut self, letter: Letter) -> Option<Letter> {
        let has_room = match &letter {
            Letter::Notice(notice) => self.from_workers.len() < NOTICES_MAX || !notice.may_be_lost(),
            Letter::Handover(..) => true,
            // The letters' own bytes count too.
            Letter::Datagram(_, datagram) => {
                let bytes = self.passed_on_bytes + datagram.len() + size_of::<Letter>();
                let has_room = bytes <= PASSED_ON_BYTES_MAX;
                self.passed_on_bytes = if has_room { bytes } else { self.passed_on_bytes };
                has_room
            }
        };
        if !has_room {
            return Some(letter);
        }
        self.from_workers.push_back(letter);
        None
    }
}

/// What happens to a stream.
pub(crate) enum StreamLetter {
    /// It is there.
    Opened(Arc<Link>),
    /// Its owner has something to take.
    Ready(Arc<Link>),
    /// It is gone.
    Closed(Arc<Link>),
}

/// What one worker leaves for another.
pub(crate) enum Letter {
    Notice(Notice),
    Handover(Handover, Vec<(u16, Socket)>),
    Datagram(FiveTuple, Vec<u8>),
}

struct Inner {
    letters: Mutex<Letters>,
    pulse: Pulse,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mio::{Events, Poll, Token};
    use turn_core::{ClientAddr, ListenerId, LocalIp, Offer, RelayedAddr, Route, Scope};

    use super::*;

    fn mailbox() -> (Poll, Mailbox) {
        let poll = Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), Token(0)).unwrap();
        (poll, Mailbox::new(waker))
    }

    #[test]
    fn datagrams_without_a_byte_have_a_bound_too() {
        let (_poll, mailbox) = mailbox();
        let tuple = FiveTuple {
            client: ClientAddr(([192, 0, 2, 1], 5_000).into()),
            local: LocalIp([127, 0, 0, 1].into()),
            listener: ListenerId(0),
        };
        let empty = || Letter::Datagram(tuple, Vec::new());
        let taken = PASSED_ON_BYTES_MAX / size_of::<Letter>();
        assert_eq!(mailbox.post((0..100_000).map(|_| empty())).len(), 100_000 - taken);
        assert_eq!(mailbox.take().from_workers.len(), taken);
        assert!(mailbox.post([Letter::Datagram(tuple, vec![0; 1_000])]).is_empty(), "all were taken");
    }

    #[test]
    fn what_must_not_be_lost_is_taken_however_much_waits() {
        let (mut poll, mailbox) = mailbox();
        let relayed = |port: u16| RelayedAddr(([192, 0, 2, 1], port).into());
        let offer = |port: u16| {
            let tuple = FiveTuple {
                client: ClientAddr(([192, 0, 2, 1], 5_000).into()),
                local: LocalIp([127, 0, 0, 1].into()),
                listener: ListenerId(0),
            };
            let route = Route { to: tuple, channel: None, deadline: Duration::ZERO };
            let (owner, from) = (relayed(port), relayed(5_000));
            let made = Duration::ZERO;
            Notice::Offer(Offer { owner, scope: Scope::Anyone, from, route, made, wants_answer: false })
        };
        let refused = mailbox.post((0..10_000).map(|port| Letter::Notice(offer(port))));
        assert_eq!(refused.len(), 10_000 - NOTICES_MAX);
        // They come back in their order, to whoever may know better.
        let first = refused.first().map(|letter| match letter {
            Letter::Notice(Notice::Offer(offer)) => usize::from(offer.owner.0.port()),
            _ => panic!("another letter"),
        });
        assert_eq!(first, Some(NOTICES_MAX));
        for port in 0..1_000 {
            assert!(mailbox.post([Letter::Notice(Notice::GiveWay(relayed(port)))]).is_empty());
        }
        assert_eq!(mailbox.take().from_workers.len(), NOTICES_MAX + 1_000);
        let mut events = Events::with_capacity(8);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert_eq!(events.iter().count(), 1);
    }

    #[test]
    fn arrivals_without_a_byte_have_a_bound_too() {
        let (mut poll, mailbox) = mailbox();
        let mut handed_in = 0;
        while mailbox.lock().lost_arrivals == 0 {
            let mut arrivals = Arrivals::of_empty_datagrams(100);
            mailbox.hand_in(&mut arrivals);
            handed_in += 100;
            assert!(handed_in < 1_000_000, "there is no bound");
        }
        let letters = mailbox.take();
        assert_eq!(letters.arrivals.count() + letters.lost_arrivals, handed_in);
        assert!(letters.arrivals.bytes() <= ARRIVALS_BYTES_MAX);
        // Once for all of them.
        let mut events = Events::with_capacity(8);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert_eq!(events.iter().count(), 1);
    }
}
