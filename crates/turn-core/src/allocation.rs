//! One allocation with its permissions, channels and routes. Not how it is made or found. RFC 8656 §3.2, §9,
//! §12.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stun_wire::{AddressFamily, ChannelNumber, ErrorCode, IntegrityKey, TransactionId};

use crate::address::{FiveTuple, PeerAddr, Prefix, RelayedAddr};
use crate::bandwidth::Meter;
use crate::credentials::{Identity, SessionId, Side};
use crate::directory::Heard;
use crate::limits::{
    CHANNEL_LIFETIME, PEERINGS_MAX, PEERINGS_OFFERED_MAX, PERMISSION_LIFETIME, PERMISSIONS_MAX,
    ROUTE_ASK_INTERVAL,
};
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
    offered: Duration,
}

impl Allocation {
    pub(crate) fn new(
        request: NewAllocation,
        identity: Identity,
        peers: PeerPolicy,
        key: IntegrityKey,
        heard: Heard,
    ) -> Self {
        let NewAllocation { tuple, relayed, expires, made_by, relay } = request;
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
            offered: Duration::ZERO,
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
            //= RFC 8656 §12.2: the channel number is not currently bound to a different transport address;
            //= the transport address is not currently bound to a different channel number
            if (channel.number == number) != (peering.peer == peer) {
                return Err(ErrorCode::BadRequest);
            }
        }
        self.permit(peer.0.ip(), now)?;
        let at = self.peering(peer, via, now).ok_or(ErrorCode::InsufficientCapacity)?;
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

    /// Takes the way that another allocation offers; `None` where it is a stranger's and there are many, or
    /// where a newer offer was faster.
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
        if offer.made < peering.made {
            return None;
        }
        peering.route = Some(offer.route);
        peering.made = offer.made;
        Some(at)
    }

    /// The time of its next offer: now, and later than that of the last.
    pub(crate) fn stamp(&mut self, now: Duration) -> Duration {
        self.offered = now.max(self.offered + Duration::from_nanos(1));
        self.offered
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

    /// The places of all peerings that go by a route.
    pub(crate) fn routed(&self) -> impl Iterator<Item = usize> {
        (0..self.peerings.len()).filter(|&at| self.peerings.at(at).via != PeerVerdict::Outside)
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
    pub(crate) expires: Duration,
    pub(crate) made_by: TransactionId,
    pub(crate) relay: RelaySocket,
}

/// The socket behind a relayed address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
