//! What one Allocate brought, as the model knows it. Not whether somebody may have it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use turn_core::Side;

/// An allocation, or one of each family, on one client address.
pub(super) struct Holding {
    pub(super) owner: Identity,
    /// The seat it was made from, for whose network it counts.
    pub(super) made_at: usize,
    /// The seat where it is served.
    pub(super) here: usize,
    /// The seat it has moved to, until somebody is heard there.
    pub(super) next: Option<usize>,
    /// The ticket that moves it, if it was told one.
    pub(super) ticket: Option<Vec<u8>>,
    pub(super) parts: Vec<Part>,
}

impl Holding {
    /// Whether it is reached from this seat.
    pub(super) fn is_at(&self, seat: usize) -> bool {
        self.here == seat || self.next == Some(seat)
    }

    /// Its allocation of a family.
    pub(super) fn part(&self, of: u8) -> Option<&Part> {
        self.parts.iter().find(|part| part.family() == of)
    }

    /// The same, to be changed.
    pub(super) fn part_mut(&mut self, of: u8) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.family() == of)
    }
}

/// The allocation of one family.
pub(super) struct Part {
    pub(super) relayed: SocketAddr,
    pub(super) expires: Duration,
    /// Until when each address may send to it.
    pub(super) permitted: BTreeMap<IpAddr, Duration>,
    /// Peer and end by number; ended ones stay for as long as they are tied.
    pub(super) channels: BTreeMap<u16, (SocketAddr, Duration)>,
    /// The second in which its client was heard last.
    pub(super) heard_s: u64,
}

impl Part {
    pub(super) const fn new(relayed: SocketAddr, expires: Duration, now: Duration) -> Self {
        let heard_s = now.as_secs();
        Self { relayed, expires, permitted: BTreeMap::new(), channels: BTreeMap::new(), heard_s }
    }

    pub(super) const fn hear(&mut self, now: Duration) {
        self.heard_s = now.as_secs();
    }

    pub(super) fn permit(&mut self, peer: SocketAddr, now: Duration) {
        self.permitted.insert(peer.ip(), now + PERMISSION);
    }

    pub(super) fn bind(&mut self, number: u16, peer: SocketAddr, now: Duration) {
        self.permit(peer, now);
        self.channels.insert(number, (peer, now + CHANNEL));
    }

    /// Ends what there is with these addresses; how many channels that are.
    pub(super) fn close(&mut self, denied: &[IpAddr], now: Duration) -> usize {
        self.permitted.retain(|ip, _| !denied.contains(ip));
        let concerned =
            self.channels.values_mut().filter(|(peer, until)| denied.contains(&peer.ip()) && now < *until);
        concerned.map(|(_, until)| *until = now).count()
    }

    /// Forgets which channels were tied.
    pub(super) fn untie(&mut self, now: Duration) {
        self.channels.retain(|_, (_, expires)| now < *expires + TIED);
    }

    pub(super) fn permits(&self, peer: SocketAddr, now: Duration) -> bool {
        self.permitted.get(&peer.ip()).is_some_and(|until| now < *until)
    }

    /// The peer that a channel stands for at this moment.
    pub(super) fn peer_on(&self, number: u16, now: Duration) -> Option<SocketAddr> {
        self.channels.get(&number).filter(|(_, until)| now < *until).map(|(peer, _)| *peer)
    }

    /// The channel that stands for a peer at this moment.
    pub(super) fn channel_of(&self, peer: SocketAddr, now: Duration) -> Option<u16> {
        let mut bound = self.channels.iter().filter(|(_, (_, until))| now < *until);
        bound.find(|(_, (to, _))| *to == peer).map(|(number, _)| *number)
    }

    pub(super) const fn family(&self) -> u8 {
        family(self.relayed)
    }

    /// Every moment at which something about it changes by itself.
    pub(super) fn edges(&self) -> impl Iterator<Item = Duration> {
        let channels = self.channels.values().flat_map(|(_, until)| [*until, *until + TIED]);
        [self.expires].into_iter().chain(self.permitted.values().copied()).chain(channels)
    }
}

/// Whose credential somebody has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The session.
    pub session: u8,
    /// Its side.
    pub side: Side,
    /// The second at which the credential is worth nothing any more.
    pub expires_unix_s: u64,
}

/// 1 or 2, as in REQUESTED-ADDRESS-FAMILY.
pub(super) const fn family(address: SocketAddr) -> u8 {
    if address.is_ipv4() { 1 } else { 2 }
}

/// RFC 8656 §9
const PERMISSION: Duration = Duration::from_secs(300);

/// RFC 8656 §12
const CHANNEL: Duration = Duration::from_secs(600);

/// How long number and peer belong together when a binding has ended, RFC 8656 §12.
const TIED: Duration = Duration::from_secs(300);
