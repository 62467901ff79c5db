//! What an allocation keeps about its peers: which channel stands for each, and by which way it is reached.
//! Not the permissions, which are for addresses. RFC 8656 §12.

use std::time::Duration;

use stun_wire::ChannelNumber;

use crate::address::PeerAddr;
use crate::limits::CHANNEL_REUSE_DELAY;
use crate::policy::PeerVerdict;
use crate::route::Route;

/// A list of peers whose first stands inside the allocation: most have one or two, and a packet to the first
/// touches no memory but the allocation's. A place is a number below [`Peerings::len`].
#[derive(Default)]
#[repr(C)]
pub(crate) struct Peerings {
    first: Option<Peering>,
    /// Empty where there is no first.
    others: Vec<Peering>,
}

impl Peerings {
    /// Adds a peer; returns its place.
    pub(crate) fn push(&mut self, peering: Peering) -> usize {
        match &mut self.first {
            Some(_) => {
                if self.others.is_empty() {
                    // Two are usual, and four would be the least that a list makes room for.
                    self.others.reserve_exact(1);
                }
                self.others.push(peering);
            }
            first => *first = Some(peering),
        }
        self.len() - 1
    }

    /// Forgets the peers of which this is false. The others keep their order, not their places.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Peering) -> bool) {
        self.others.retain(&keep);
        if self.first.as_ref().is_some_and(|first| !keep(first)) {
            self.first = (!self.others.is_empty()).then(|| self.others.remove(0));
        }
    }

    /// What is kept about the peer at `at`, to be changed.
    pub(crate) fn at_mut(&mut self, at: usize) -> &mut Peering {
        match at.checked_sub(1) {
            None => self.first.as_mut().expect("a place is below the length"),
            Some(at) => &mut self.others[at],
        }
    }

    /// What is kept about the peer at `at`.
    pub(crate) fn at(&self, at: usize) -> &Peering {
        match at.checked_sub(1) {
            None => self.first.as_ref().expect("a place is below the length"),
            Some(at) => &self.others[at],
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// All of them, by place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Peering> {
        self.first.iter().chain(&self.others)
    }
}

/// What an allocation keeps about one peer; in this order, so that what a packet needs stands together.
#[repr(C)]
pub(crate) struct Peering {
    pub(crate) channel: Option<Channel>,
    pub(crate) route: Option<Route>,
    pub(crate) via: PeerVerdict,
    pub(crate) peer: PeerAddr,
    /// When its worker was last asked for a route.
    pub(crate) asked: Option<Duration>,
    /// When the peer made the offer that brought the route.
    pub(crate) made: Duration,
    /// Until when the peer was last told that it may send to the client.
    pub(crate) offered: Duration,
}

impl Peering {
    pub(crate) const fn new(peer: PeerAddr, via: PeerVerdict) -> Self {
        let never = Duration::ZERO;
        Self { channel: None, route: None, via, peer, asked: None, made: never, offered: never }
    }

    /// Whether it cannot be forgotten yet.
    pub(crate) fn is_in_use(&self, now: Duration) -> bool {
        self.channel.is_some_and(|channel| channel.is_tied(now)) || self.is_routed(now)
    }

    /// Whether either of the two holds a route to the other, as far as is known here: then it has to learn
    /// when that ends.
    pub(crate) fn is_routed(&self, now: Duration) -> bool {
        now < self.offered || !self.lacks_route(now)
    }

    /// Whether there is no way to the peer.
    pub(crate) fn lacks_route(&self, now: Duration) -> bool {
        !self.route.is_some_and(|route| route.is_live(now))
    }
}

/// A channel binding, RFC 8656 §12.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Channel {
    pub(crate) number: ChannelNumber,
    pub(crate) expires: Duration,
}

impl Channel {
    /// Whether number and peer still belong together: while the binding holds and five minutes longer.
    pub(crate) fn is_tied(&self, now: Duration) -> bool {
        now < self.expires + CHANNEL_REUSE_DELAY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peering(port: u16) -> Peering {
        Peering::new(PeerAddr(([192, 0, 2, 1], port).into()), PeerVerdict::Relayed)
    }

    fn ports(peerings: &Peerings) -> Vec<u16> {
        peerings.iter().map(|peering| peering.peer.0.port()).collect()
    }

    #[test]
    fn it_is_a_list_whatever_is_forgotten() {
        // Each of the sixteen choices of four.
        for kept in 0..16_u16 {
            let mut peerings = Peerings::default();
            let places: Vec<usize> = (0..4).map(|port| peerings.push(peering(port))).collect();
            assert_eq!(places, [0, 1, 2, 3]);
            peerings.retain(|peering| kept >> peering.peer.0.port() & 1 == 1);
            let expected: Vec<u16> = (0..4).filter(|port| kept >> port & 1 == 1).collect();
            assert_eq!(ports(&peerings), expected);
            assert_eq!(peerings.len(), expected.len());
            let place = peerings.push(peering(9));
            assert_eq!(place, expected.len());
            assert_eq!(peerings.at(place).peer.0.port(), 9);
            assert_eq!(peerings.at_mut(0).peer.0.port(), *expected.first().unwrap_or(&9));
        }
    }

    #[test]
    fn what_a_packet_needs_of_a_peer_fits_two_cache_lines() {
        let end = std::mem::offset_of!(Peering, via) + size_of::<PeerVerdict>();
        assert!(end <= 128, "{end} bytes");
        assert_eq!(std::mem::offset_of!(Peerings, first), 0);
    }
}
