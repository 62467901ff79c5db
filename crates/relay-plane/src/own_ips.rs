//! The addresses of this machine and those it is known by outside: read at the start, and again whenever the
//! kernel says that one has come or gone.
//!
//! What they mean for a peer is decided in `turn-core`.

use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::thread::JoinHandle;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::Socket;

use crate::limits::{EVENTS_PER_POLL, FORMER_IPS_MAX};
use crate::mailbox::Mailbox;
use crate::sys;

/// What is known of them.
pub(crate) struct OwnIps {
    /// Those of the configuration, whatever the interfaces have.
    named: Vec<IpAddr>,
    known: Vec<IpAddr>,
}

impl OwnIps {
    /// Reads them; `named` are ours too.
    ///
    /// # Errors
    /// The system does not list its interfaces.
    pub(crate) fn read(named: Vec<IpAddr>) -> io::Result<Self> {
        let mut own = Self { named, known: Vec::new() };
        own.read_again()?;
        Ok(own)
    }

    /// The addresses, first those that everybody can reach, then private ones, then loopback, then those that
    /// we have lost: allocations may still stand at them.
    pub(crate) fn known(&self) -> &[IpAddr] {
        &self.known
    }

    /// Whether anything about them is new.
    fn read_again(&mut self) -> io::Result<bool> {
        let interfaces = if_addrs::get_if_addrs()?;
        let now = in_order(interfaces.iter().map(if_addrs::Interface::ip), &self.named);
        Ok(self.take(now))
    }

    fn take(&mut self, now: Vec<IpAddr>) -> bool {
        let before = std::mem::take(&mut self.known);
        for ip in now {
            if !self.known.contains(&ip) {
                self.known.push(ip);
            }
        }
        let former = before.iter().filter(|ip| !self.known.contains(ip));
        let former: Vec<_> = former.take(FORMER_IPS_MAX).copied().collect();
        self.known.extend(former);
        self.known != before
    }
}

/// The thread that watches them. Dropping it stops it.
pub(crate) struct Watch {
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Tells these workers whenever the addresses change.
    ///
    /// # Errors
    /// The system gives no word of changes, or no thread.
    pub(crate) fn start(own: OwnIps, mailboxes: Vec<Mailbox>) -> io::Result<Self> {
        let changes = sys::address_changes()?;
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), STOP)?;
        poll.registry().register(&mut SourceFd(&changes.as_raw_fd()), Token(0), Interest::READABLE)?;
        let watcher = Watcher { own, changes, mailboxes };
        let thread = std::thread::Builder::new().name("own-ips".to_owned());
        Ok(Self { waker, thread: Some(thread.spawn(move || watcher.run(poll))?) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Where it cannot be woken it has ended.
        let _ = self.waker.wake();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the watcher of addresses had panicked");
        }
    }
}

struct Watcher {
    own: OwnIps,
    changes: Socket,
    mailboxes: Vec<Mailbox>,
}

impl Watcher {
    fn run(mut self, mut poll: Poll) {
        let mut events = Events::with_capacity(EVENTS_PER_POLL);
        loop {
            if let Err(error) = poll.poll(&mut events, None)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "addresses of this machine are not watched any more");
                return;
            }
            if events.iter().any(|event| event.token() == STOP) {
                return;
            }
            self.drain();
            match self.own.read_again() {
                Ok(true) => {
                    for mailbox in &self.mailboxes {
                        mailbox.replace_own_ips(self.own.known());
                    }
                    tracing::info!("this machine has other addresses than before; none is a peer");
                }
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the addresses of this machine cannot be read"),
            }
        }
    }

    /// Reads what the kernel said until there is no more. Where it had more to say than there was room for,
    /// it says that instead, which is word of a change as well.
    fn drain(&mut self) {
        let mut message = [0; MESSAGE_BYTES];
        loop {
            match self.changes.read(&mut message) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(0) => return,
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// "The first of ours" of a family should be one that others can reach. Those that are named only are no
/// interface's, and nothing can be bound to them.
fn in_order(interfaces: impl Iterator<Item = IpAddr>, named: &[IpAddr]) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = interfaces.collect();
    all.sort_by_key(|ip| is_private(*ip));
    all.extend(named);
    all.sort_by_key(IpAddr::is_loopback);
    all
}

/// Private use, a carrier's shared space, or unique local.
const fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || matches!(ip.octets(), [100, 64..=127, ..]),
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

const STOP: Token = Token(1);

/// What is longer is cut, and not read anyway.
const MESSAGE_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn the_first_of_a_family_is_one_that_others_can_reach() {
        let ips = |all: &[&str]| -> Vec<IpAddr> { all.iter().map(|ip| ip.parse().unwrap()).collect() };
        let interfaces = ips(&[
            "127.0.0.1",
            "::1",
            "172.17.0.1",
            "fd00::5",
            "100.64.0.5",
            "9.3.3.3",
            "2a00::5",
            "10.0.0.5",
        ]);
        let expected = ips(&[
            "9.3.3.3",
            "2a00::5",
            "172.17.0.1",
            "fd00::5",
            "100.64.0.5",
            "10.0.0.5",
            "9.4.4.4",
            "127.0.0.1",
            "::1",
        ]);
        assert_eq!(in_order(interfaces.into_iter(), &ips(&["9.4.4.4"])), expected);
    }

    #[test]
    fn an_address_that_is_lost_stays_ours_for_as_long_as_there_is_room() {
        let mut own = OwnIps { named: Vec::new(), known: Vec::new() };
        assert!(own.take(vec![ip(1), ip(2), ip(2)]));
        assert!(own.take(vec![ip(2)]));
        assert_eq!(own.known(), [ip(2), ip(1)]);
        assert!(!own.take(vec![ip(2)]));
        assert!(own.take(vec![ip(2), ip(3)]));
        assert_eq!(own.known(), [ip(2), ip(3), ip(1)]);
        for last in 4..=255 {
            own.take(vec![ip(last)]);
        }
        assert_eq!(own.known().len(), 1 + FORMER_IPS_MAX);
        assert_eq!(own.known()[..2], [ip(255), ip(254)]);
    }
}
