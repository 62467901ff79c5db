//! One allocation with its permissions, channels and routes. Not how it is made or found. RFC 8656 §3.2, §9,
//! §12.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stun_wire::{AddressFamily, ChannelNumber, ErrorCode, IntegrityKey, TransactionId};

use crate::address::{FiveTuple, PeerAddr, Prefix, RelayedAddr};
use crate::bandwidth::Meter;
use crate::connections::Connections;
use crate::credentials::{Identity, SessionId, Side};
use crate::directory::Heard;
use crate::limits::{
    CHANNEL_LIFETIME, PEERINGS_MAX, PEERINGS_OFFERED_MAX, PERMISSION_LIFETIME, PERMISSIONS_MAX,
    ROUTE_ASK_INTERVAL,
};
use crate::pace::Pace;
use crate::peerings::{Channel, Peering, Peerings};
use crate::policy::{PeerPolicy, PeerVerdict, Scope};
use crate::reservations::Token;
use crate::route::{Offer, Route};

/// A relayed transport address, lent to one client for a time. What every packet touches stands first, from a
/// cache line's beginning.
#[repr(C, align(64))]
pub(crate) struct Allocation {
    /// What its packets are charged to, if anything is limited.
    pub(crate) meter: Option<Arc<Meter>>,
    /// When the client was last heard, in seconds since start.
    heard_s: u32,
    /// For `public`: whether the relay socket is there yet.
    pub(crate) relay: RelaySocket,
    peerings: Peerings,
    pub(crate) relayed: RelayedAddr,
    permissions: Vec<Permission>,
    pub(crate) tuple: FiveTuple,
    pub(crate) identity: Identity,
    pub(crate) peers: PeerPolicy,
    pub(crate) key: IntegrityKey,
    pub(crate) expires: Duration,
    /// The Allocate that made it: a retransmission of it gets the same answer.
    pub(crate) made_by: TransactionId,
    /// `heard_s` as the directory sees it: memory of its own, and not touched by every packet.
    heard: Heard,
    /// The token of the next port, which was reserved with this one.
    pub(crate) reserved: Option<Token>,
    /// The family that was asked for besides this one and could not be had, and why.
    pub(crate) lacks: Option<(AddressFamily, ErrorCode)>,
    /// The network it was made from, for which it counts wherever it moves.
    pub(crate) prefix: Prefix,
    /// When it made its last offer.
    told: Duration,
    /// Where it relays TCP: its connections.
    pub(crate) tcp: Option<Box<Connections>>,
    /// Since when it is there.
    pub(crate) made: Duration,
    /// Of the requests of its client.
    pub(crate) pace: Pace,
}

impl Allocation {
    pub(crate) fn new(
        request: NewAllocation,
        identity: Identity,
        peers: PeerPolicy,
        key: IntegrityKey,
        heard: Heard,
    ) -> Self {
        let NewAllocation { tuple, relayed, made, expires, made_by, relay } = request;
        Self {
            meter: None,
            heard_s: 0,
            relay,
            peerings: Peerings::default(),
            relayed,
            permissions: Vec::new(),
            tuple,
            identity,
            peers,
            key,
            expires,
            made_by,
            heard,
            reserved: None,
            lacks: None,
            prefix: Prefix::of(tuple.client),
            told: Duration::ZERO,
            tcp: None,
            made,
            pace: Pace::default(),
        }
    }

    /// Installs or refreshes a permission.
    ///
    /// # Errors
    /// 508 where all are taken by live ones.
    pub(crate) fn permit(&mut self, ip: IpAddr, now: Duration) -> Result<(), ErrorCode> {
        let expires = now + PERMISSION_LIFETIME;
        if let Some(permission) = self.permissions.iter_mut().find(|permission| permission.ip == ip) {
            permission.expires = expires;
            return Ok(());
        }
        self.permissions.retain(|permission| now < permission.expires);
        if self.permissions.len() >= PERMISSIONS_MAX {
            return Err(ErrorCode::InsufficientCapacity);
        }
        if self.permissions.is_empty() {
            // One is usual, and four would be the least that a list makes room for.
            self.permissions.reserve_exact(1);
        }
        self.permissions.push(Permission { ip, expires });
        Ok(())
    }

    /// Room for that many new permissions, counting those of `ips` that exist as old.
    pub(crate) fn has_room_for(&self, ips: &[IpAddr], now: Duration) -> bool {
        let live = self.permissions.iter().filter(|permission| now < permission.expires);
        let (mut count, mut new): (usize, Vec<IpAddr>) = (0, ips.to_vec());
        for permission in live {
            count += 1;
            new.retain(|ip| *ip != permission.ip);
        }
        new.sort_unstable();
        new.dedup();
        count + new.len() <= PERMISSIONS_MAX
    }

    /// Binds a channel, or refreshes the same binding, and its permission with it, RFC 8656 §12.2.
    ///
    /// # Errors
    /// 400 where the number or the peer is, or was within five minutes, bound otherwise; 508 where there is
    /// no room.
    pub(crate) fn bind(
        &mut self,
        number: ChannelNumber,
        peer: PeerAddr,
        via: PeerVerdict,
        now: Duration,
    ) -> Result<usize, ErrorCode> {
        for peering in self.peerings.iter() {
            let tied = peering.channel.filter(|channel| channel.is_tied(now));
            let Some(channel) = tied else { continue };
            //= RFC 8656 §12.2: "The channel number is not currently bound to a different transport address
            //= (same transport address is OK); ... The transport address is not currently bound to a
            //= different channel number"
            if (channel.number == number) != (peering.peer == peer) {
                return Err(ErrorCode::BadRequest);
            }
        }
        // A refusal changes nothing: the places come first.
        if !self.has_room_for(&[peer.0.ip()], now) {
            return Err(ErrorCode::InsufficientCapacity);
        }
        let at = self.peering(peer, via, now).ok_or(ErrorCode::InsufficientCapacity)?;
        self.permit(peer.0.ip(), now)?;
        self.peerings.at_mut(at).channel = Some(Channel { number, expires: now + CHANNEL_LIFETIME });
        Ok(at)
    }

    /// The place of the peering with `peer`, made if there is none; `None` where all places are in use.
    pub(crate) fn peering(&mut self, peer: PeerAddr, via: PeerVerdict, now: Duration) -> Option<usize> {
        if let Some(at) = self.find_peer(peer) {
            return Some(at);
        }
        if self.peerings.len() >= PEERINGS_MAX {
            self.peerings.retain(|peering| peering.is_in_use(now));
        }
        (self.peerings.len() < PEERINGS_MAX).then(|| self.peerings.push(Peering::new(peer, via)))
    }

    /// Takes the way that another allocation offers; `None` where it is a stranger's and there are many,
    /// where the rules have closed the way to it, or where a newer offer was faster.
    pub(crate) fn take_offer(&mut self, offer: &Offer, now: Duration) -> Option<usize> {
        let peer = offer.owner.as_peer();
        let at = match self.find_peer(peer) {
            Some(at) => at,
            None => {
                if self.peerings.len() >= PEERINGS_OFFERED_MAX {
                    self.peerings.retain(|peering| peering.is_in_use(now));
                }
                if self.peerings.len() >= PEERINGS_OFFERED_MAX {
                    return None;
                }
                self.peering(peer, PeerVerdict::Relayed, now)?
            }
        };
        let peering = self.peerings.at_mut(at);
        if offer.made < peering.made || peering.via == PeerVerdict::Refused {
            return None;
        }
        peering.route = Some(offer.route);
        peering.made = offer.made;
        Some(at)
    }

    /// Forgets the permissions of addresses of which this is false.
    pub(crate) fn keep_permissions(&mut self, may: impl Fn(IpAddr) -> bool) {
        self.permissions.retain(|permission| may(permission.ip));
    }

    /// From now on the peer at `at` is reached by this way. Where that is none, its channel and its route
    /// end; the channel's number and the peer stay tied as after any end.
    pub(crate) fn reroute(&mut self, at: usize, via: PeerVerdict, now: Duration) {
        let peering = self.peerings.at_mut(at);
        peering.via = via;
        if via == PeerVerdict::Refused {
            peering.route = None;
            if let Some(channel) = &mut peering.channel {
                channel.expires = channel.expires.min(now);
            }
        }
    }

    /// Notes that the peer at `at` is told until when it may send, in the past: not at all. Returns the time
    /// of this offer: now, and later than that of the last.
    pub(crate) fn tell(&mut self, at: usize, deadline: Duration, now: Duration) -> Duration {
        self.peerings.at_mut(at).offered = deadline;
        self.told = now.max(self.told + Duration::from_nanos(1));
        self.told
    }

    /// Notes that the peer at `at` has no way to the client any more.
    pub(crate) fn forget_offer(&mut self, at: usize) {
        self.peerings.at_mut(at).offered = Duration::ZERO;
    }

    /// Notes that the peer at `at` is being asked for a route; `false` where that was done a moment ago.
    pub(crate) fn may_ask(&mut self, at: usize, now: Duration) -> bool {
        let asked = &mut self.peerings.at_mut(at).asked;
        let may = asked.is_none_or(|asked| now >= asked + ROUTE_ASK_INTERVAL);
        if may {
            *asked = Some(now);
        }
        may
    }

    /// Notes that the client was heard.
    pub(crate) fn hear(&mut self, now: Duration) {
        let second = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        if self.heard_s != second {
            self.heard_s = second;
            self.heard.store(second, Ordering::Relaxed);
        }
    }

    /// Whether this second's packets have been noted.
    #[cfg(debug_assertions)]
    pub(crate) fn was_heard(&self, now: Duration) -> bool {
        u64::from(self.heard_s) == now.as_secs()
    }

    /// When the permission for `ip` ends, if it still holds.
    pub(crate) fn permitted_until(&self, ip: IpAddr, now: Duration) -> Option<Duration> {
        let permission = self.permissions.iter().find(|permission| permission.ip == ip)?;
        (now < permission.expires).then_some(permission.expires)
    }

    pub(crate) fn find_peer(&self, peer: PeerAddr) -> Option<usize> {
        self.peerings.iter().position(|peering| peering.peer == peer)
    }

    /// The place of the peering that a channel number stands for, while the binding holds.
    pub(crate) fn find_channel(&self, number: ChannelNumber, now: Duration) -> Option<usize> {
        self.peerings
            .iter()
            .position(|peering| peering.channel.is_some_and(|it| it.number == number && now < it.expires))
    }

    /// Whether a channel number is bound, or was a moment ago, to any peer.
    pub(crate) fn ties(&self, number: ChannelNumber, now: Duration) -> bool {
        let mut channels = self.peerings.iter().filter_map(|peering| peering.channel);
        channels.any(|channel| channel.number == number && channel.is_tied(now))
    }

    /// What is kept about the peer at `at`.
    pub(crate) fn at(&self, at: usize) -> &Peering {
        self.peerings.at(at)
    }

    /// The places of all peerings.
    pub(crate) fn places(&self) -> std::ops::Range<usize> {
        0..self.peerings.len()
    }

    /// The places of all peerings that go by a route.
    pub(crate) fn routed(&self) -> impl Iterator<Item = usize> {
        self.places().filter(|&at| self.peerings.at(at).via.goes_by_route())
    }

    pub(crate) fn scope(&self) -> Scope {
        Scope::new(self.identity, self.peers)
    }

    /// The session and side it counts for.
    pub(crate) const fn side(&self) -> Option<(SessionId, Side)> {
        self.identity.side()
    }

    pub(crate) fn family(&self) -> AddressFamily {
        AddressFamily::of(self.relayed.0.ip())
    }

    /// How much longer than it was told the peer at `at` may send. All of it, where what it was told is over.
    pub(crate) fn news_for(&self, at: usize, now: Duration) -> Duration {
        let (until, told) = (self.route_for(at, now).deadline, self.peerings.at(at).offered);
        match (now < until, now < told) {
            (true, false) => Duration::MAX,
            (false, false) => Duration::ZERO,
            (_, true) => until.abs_diff(told),
        }
    }

    /// The way to this client for packets of the peer at `at`, as it is at this moment.
    pub(crate) fn route_for(&self, at: usize, now: Duration) -> Route {
        let peering = self.peerings.at(at);
        let permitted = self.permitted_until(peering.peer.0.ip(), now).unwrap_or(Duration::ZERO);
        Route {
            to: self.tuple,
            channel: peering.channel.map(|channel| (channel.number, channel.expires)),
            deadline: permitted.min(self.expires),
        }
    }
}

/// What is new about an allocation besides whose it is.
pub(crate) struct NewAllocation {
    pub(crate) tuple: FiveTuple,
    pub(crate) relayed: RelayedAddr,
    pub(crate) made: Duration,
    pub(crate) expires: Duration,
    pub(crate) made_by: TransactionId,
    pub(crate) relay: RelaySocket,
}

/// The socket behind a relayed address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RelaySocket {
    /// A closed relay's address is a number only.
    None,
    /// Asked for; so many ports were tried before this one.
    Opening { ip: IpAddr, attempts: u8 },
    /// Bound.
    Open,
}

impl RelaySocket {
    /// The one that an allocation with these peers needs; it is not bound yet.
    pub(crate) const fn of(peers: PeerPolicy, ip: IpAddr) -> Self {
        if peers.is_closed() { Self::None } else { Self::Opening { ip, attempts: 0 } }
    }
}

/// Leave for an address to send to the client, whatever its port, RFC 8656 §9.
struct Permission {
    ip: IpAddr,
    expires: Duration,
}

/// What the list of all allocations takes for one.
pub(crate) const ALLOCATION_BYTES: usize = size_of::<(usize, Allocation)>();

/// What an allocation's list takes for one permission.
pub(crate) const PERMISSION_BYTES: usize = size_of::<Permission>();

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::{ClientAddr, ListenerId, LocalIp};

    fn tuple(port: u16) -> FiveTuple {
        FiveTuple {
            client: ClientAddr(([198, 51, 100, 7], port).into()),
            local: LocalIp("192.0.2.1".parse().unwrap()),
            listener: ListenerId(0),
        }
    }

    fn relayed(port: u16) -> RelayedAddr {
        RelayedAddr(([192, 0, 2, 1], port).into())
    }

    #[test]
    fn an_offer_that_was_overtaken_by_a_newer_one_changes_nothing() {
        let new = NewAllocation {
            tuple: tuple(1),
            relayed: relayed(5000),
            made: Duration::ZERO,
            expires: Duration::from_secs(600),
            made_by: TransactionId([0; 12]),
            relay: RelaySocket::None,
        };
        let key = IntegrityKey::short_term(b"");
        let mut allocation =
            Allocation::new(new, Identity::User(0), PeerPolicy::Appliance, key, Heard::default());
        let offer = |port, made_s| Offer {
            owner: relayed(5001),
            scope: Scope::Anyone,
            from: relayed(5000),
            route: Route { to: tuple(port), channel: None, deadline: Duration::from_secs(300) },
            made: Duration::from_secs(made_s),
            wants_answer: false,
        };
        // The partner has moved from its second port to its third: what it said before comes last.
        let at = allocation.take_offer(&offer(2, 1), Duration::ZERO).unwrap();
        assert_eq!(allocation.take_offer(&offer(3, 3), Duration::ZERO), Some(at));
        assert_eq!(allocation.take_offer(&offer(2, 2), Duration::ZERO), None);
        assert_eq!(allocation.at(at).route, Some(offer(3, 3).route));
    }
}
