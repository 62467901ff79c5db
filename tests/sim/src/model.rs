//! What the relay should do, as simply as it can be said: who holds what until when, where they are, and
//! who may deliver to whom at this moment. No workers, no routes, no notices, no hand-overs: that is what is
//! being tested. RFC 8656 §7-§12, RFC 8016 §3.2, relay.md §1.

mod holding;
mod numbers;
mod wish;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use turn_core::{AllocationLimits, DropReason, Now, PeerPolicy};

pub use self::holding::Identity;
use self::holding::{Holding, Part, family};
use self::numbers::Numbers;
pub use self::wish::{Prospect, Wish};
use crate::client::{Granted, Heard};
use crate::setup::Setup;
use crate::world::{RELAY_PORT, RELAY_V4, RELAY_V6};

/// All seats of a small world. A seat is a client address with whoever sits there at the moment.
///
/// Each request says what code it expects, `None` for success, and does to the model what success does.
pub struct Model {
    policy: PeerPolicy,
    limits: AllocationLimits,
    relay_ports: RangeInclusive<u16>,
    seats: Vec<Identity>,
    holdings: Vec<Holding>,
    numbers: Numbers,
    /// Every ticket that anybody was ever told.
    told: BTreeSet<Vec<u8>>,
    ended: BTreeSet<u8>,
    /// What the operator has closed to `public` credentials.
    denied: Vec<IpAddr>,
    moves: u64,
    displaced: u64,
}

impl Model {
    /// The relay of such a setup, without clients.
    pub fn new(setup: &Setup) -> Self {
        Self {
            policy: setup.session_peers,
            limits: setup.limits,
            relay_ports: setup.relay_ports.clone(),
            seats: Vec::new(),
            holdings: Vec::new(),
            numbers: Numbers::default(),
            told: BTreeSet::new(),
            ended: BTreeSet::new(),
            denied: Vec::new(),
            moves: 0,
            displaced: 0,
        }
    }

    /// Somebody takes a new seat, in a network of its own.
    pub fn sit(&mut self, who: Identity) {
        self.seats.push(who);
    }

    /// Somebody else takes a seat; what its last holder had stays there until it runs out.
    pub fn replace(&mut self, seat: usize, who: Identity) {
        self.seats[seat] = who;
    }

    /// Forgets what has run out.
    pub fn handle_deadline(&mut self, now: Now) {
        self.end(now.mono, |_, part| part.expires <= now.mono);
        self.numbers.lapse(now.mono);
    }

    /// Allocate. On success tell [`Model::hold`] what it brought.
    ///
    /// # Errors
    /// The code it expects.
    pub fn allocate(&mut self, seat: usize, now: Now, wish: &Wish) -> Result<Prospect, u16> {
        if let Some(code) = self.unauthenticated(seat, now) {
            return Err(code);
        }
        if self.at(seat).is_some() {
            return Err(437);
        }
        let families = if *wish == Wish::Both { vec![1, 2] } else { vec![wish.family()] };
        let mut prospect = Prospect { seat, families, exactly: None, is_even: wish.is_even() };
        if let Wish::Token(token) = wish {
            let relayed = self.numbers.redeem(token, self.seats[seat]).ok_or(508_u16)?;
            (prospect.families, prospect.exactly) = (vec![family(relayed)], Some(relayed));
        }
        let code = self.exceeded(seat, prospect.families.len());
        if let (Some(_), Some(relayed)) = (code, prospect.exactly) {
            self.numbers.rest(relayed.port(), now.mono);
        }
        if let Some(code) = code {
            return Err(code);
        }
        self.make_room(self.seats[seat], prospect.families.len(), now.mono);
        Ok(prospect)
    }

    /// The allocation that an Allocate of `began` brought.
    ///
    /// # Panics
    /// Where it is not what was to be expected.
    pub fn hold(&mut self, prospect: &Prospect, began: Now, now: Now, lifetime_s: u32, granted: &Granted) {
        let owner = self.seats[prospect.seat];
        let relayed = granted.all_relayed();
        let families: Vec<u8> = relayed.iter().copied().map(family).collect();
        assert_eq!(families, prospect.families);
        assert!(prospect.exactly.is_none_or(|exactly| relayed == [exactly]), "it was reserved");
        assert!(!prospect.is_even || relayed.iter().all(|it| it.port().is_multiple_of(2)));
        for address in &relayed {
            let is_held = self.parts().any(|part| part.relayed.port() == address.port());
            assert!(!is_held && self.numbers.may_be_given(address.port(), now.mono), "not to be had yet");
        }
        let expires = began.mono + lifetime(lifetime_s);
        assert_eq!(granted.lifetime_s().map(u64::from), Some((expires - now.mono).as_secs()));
        if let Some(token) = granted.reservation() {
            let next = SocketAddr::new(relayed[0].ip(), relayed[0].port() + 1);
            let is_held = self.parts().any(|part| part.relayed.port() == next.port());
            assert!(!is_held && self.numbers.may_be_given(next.port(), now.mono), "not to be had yet");
            self.numbers.keep(token, owner, next, began.mono);
        }
        let (here, next, ticket) = (prospect.seat, None, None);
        let parts = relayed.iter().map(|address| Part::new(*address, expires, began.mono)).collect();
        self.holdings.push(Holding { owner, made_at: here, here, next, ticket, parts });
        self.learn_ticket(prospect.seat, granted);
    }

    /// Refresh; of 0 seconds: delete. Of one family, or of all there is.
    pub fn refresh(&mut self, seat: usize, now: Now, lifetime_s: u32, only: Option<u8>) -> Option<u16> {
        let at = match self.entitled(seat, now) {
            Ok(at) => at,
            Err(code) => return Some(code),
        };
        self.renew(at, now, lifetime_s, only)
    }

    /// Refresh with a ticket: what it stands for is at this seat too, and at no other once it is heard there.
    /// On success tell [`Model::learn_ticket`] what it brought.
    pub fn follow(
        &mut self,
        seat: usize,
        now: Now,
        ticket: &[u8],
        lifetime_s: u32,
        only: Option<u8>,
    ) -> Option<u16> {
        if let Some(code) = self.unauthenticated(seat, now) {
            return Some(code);
        }
        if !self.told.contains(ticket) {
            return Some(400);
        }
        let who = self.seats[seat];
        if let Some(at) = self.at(seat) {
            let holding = &self.holdings[at];
            let is_its_own = holding.ticket.as_deref() == Some(ticket);
            return Some(if holding.owner != who {
                441
            } else if is_its_own {
                400
            } else {
                437
            });
        }
        let named = self.holdings.iter().position(|it| it.ticket.as_deref() == Some(ticket));
        let Some(at) = named else { return Some(437) };
        if self.holdings[at].owner != who {
            return Some(441);
        }
        if only.is_some_and(|only| self.holdings[at].part(only).is_none()) {
            return Some(443);
        }
        self.holdings[at].next = Some(seat);
        self.renew(at, now, lifetime_s, only)
    }

    /// The ticket in an answer; the one before it moves nothing any more.
    ///
    /// # Panics
    /// Where it is not new.
    pub fn learn_ticket(&mut self, seat: usize, granted: &Granted) {
        let Some(ticket) = granted.ticket() else { return };
        assert!(self.told.insert(ticket.clone()), "each ticket is new");
        let at = self.at(seat).expect("a ticket is for something");
        self.holdings[at].ticket = Some(ticket);
    }

    /// CreatePermission.
    pub fn permit(&mut self, seat: usize, now: Now, peers: &[SocketAddr]) -> Option<u16> {
        let at = match self.entitled(seat, now) {
            Ok(at) => at,
            Err(code) => return Some(code),
        };
        self.arrive(at, seat);
        let holding = &self.holdings[at];
        if peers.iter().any(|peer| holding.part(family(*peer)).is_none()) {
            return Some(443);
        }
        let is_closed = |peer: &SocketAddr| match self.policy {
            PeerPolicy::Public => self.denied.contains(&peer.ip()),
            _ => !is_own(*peer),
        };
        if peers.iter().any(is_closed) {
            return Some(403);
        }
        for peer in peers {
            let part = self.holdings[at].part_mut(family(*peer))?;
            part.hear(now.mono);
            part.permit(*peer, now.mono);
        }
        None
    }

    /// ChannelBind.
    pub fn bind(&mut self, seat: usize, now: Now, number: u16, peer: SocketAddr) -> Option<u16> {
        let at = match self.entitled(seat, now) {
            Ok(at) => at,
            Err(code) => return Some(code),
        };
        self.arrive(at, seat);
        let of = family(peer);
        self.holdings[at].parts.iter_mut().for_each(|part| part.untie(now.mono));
        let Some(part) = self.holdings[at].part(of) else { return Some(443) };
        let other = self.holdings[at].part(3 - of);
        if other.is_some_and(|other| other.channels.contains_key(&number)) {
            return Some(400);
        }
        if self.judge(part, peer) == Place::Refused {
            return Some(403);
        }
        let part = self.holdings[at].part_mut(of)?;
        part.hear(now.mono);
        if part.channels.iter().any(|(n, (to, _))| (*n == number) != (*to == peer)) {
            return Some(400);
        }
        part.bind(number, peer, now.mono);
        None
    }

    /// The matcher ends a session.
    pub fn end_session(&mut self, session: u8, now: Now) {
        self.ended.insert(session);
        self.numbers.end_session(session, now.mono);
        self.end(now.mono, |holding, _| holding.session == session);
    }

    /// The operator's rules are new: these addresses are closed, and no others. How many channels that ends.
    pub fn deny(&mut self, now: Now, denied: &[IpAddr]) -> usize {
        self.denied = denied.to_vec();
        let is_public = self.policy == PeerPolicy::Public;
        let parts = self.holdings.iter_mut().flat_map(|holding| &mut holding.parts);
        parts.filter(|_| is_public).map(|part| part.close(denied, now.mono)).sum()
    }

    /// A Send indication: who gets what.
    ///
    /// # Errors
    /// Why nobody does.
    pub fn send(
        &mut self,
        seat: usize,
        now: Now,
        peer: SocketAddr,
        payload: &[u8],
    ) -> Result<Hears, DropReason> {
        let at = self.at(seat).ok_or(DropReason::NoAllocation)?;
        self.arrive(at, seat);
        self.holdings[at].part_mut(family(peer)).ok_or(DropReason::PeerRefused)?.hear(now.mono);
        let part = self.holdings[at].part(family(peer)).ok_or(DropReason::PeerRefused)?;
        if self.judge(part, peer) == Place::Refused {
            return Err(DropReason::PeerRefused);
        }
        if !part.permits(peer, now.mono) {
            return Err(DropReason::NoPermission);
        }
        self.deliver(at, part, now, peer, payload)
    }

    /// ChannelData: who gets what.
    ///
    /// # Errors
    /// Why nobody does.
    pub fn send_channel(
        &mut self,
        seat: usize,
        now: Now,
        number: u16,
        payload: &[u8],
    ) -> Result<Hears, DropReason> {
        let at = self.at(seat).ok_or(DropReason::NoAllocation)?;
        self.arrive(at, seat);
        let bound = |part: &Part| Some((part.family(), part.peer_on(number, now.mono)?));
        let (of, peer) = self.holdings[at].parts.iter().find_map(bound).ok_or(DropReason::ChannelUnbound)?;
        self.holdings[at].part_mut(of).ok_or(DropReason::ChannelUnbound)?.hear(now.mono);
        let part = self.holdings[at].part(of).ok_or(DropReason::ChannelUnbound)?;
        self.deliver(at, part, now, peer, payload)
    }

    /// A peer outside sends to an address: which seat hears what.
    pub fn send_from_outside(
        &self,
        now: Now,
        from: SocketAddr,
        to: SocketAddr,
        payload: &[u8],
    ) -> Option<(usize, Heard)> {
        if self.policy != PeerPolicy::Public {
            return None;
        }
        let (holding, part) = self.holder(to)?;
        part.permits(from, now.mono).then(|| (holding.here, wrapped(part, from, now, payload)))
    }

    /// How many allocations there are, those of two families counted as two.
    pub fn allocations(&self) -> usize {
        self.parts().count()
    }

    /// How often somebody was heard at another seat than before.
    pub const fn moves(&self) -> u64 {
        self.moves
    }

    /// How many allocations gave way to others of their side.
    pub const fn displaced(&self) -> u64 {
        self.displaced
    }

    /// Whether there is nothing that could run out.
    pub fn is_empty(&self) -> bool {
        self.holdings.is_empty() && self.numbers.is_quiet()
    }

    /// The ports behind which there have to be sockets.
    pub fn sockets(&self) -> BTreeSet<u16> {
        let has_sockets = self.policy == PeerPolicy::Public;
        self.parts().filter(|_| has_sockets).map(|part| part.relayed.port()).collect()
    }

    /// When something changes by itself next.
    pub fn next_edge(&self, now: Duration) -> Option<Duration> {
        let edges = self.parts().flat_map(Part::edges).chain(self.numbers.edges());
        edges.filter(|edge| now < *edge).min()
    }

    /// The relayed addresses that are reached from a seat.
    pub fn relayed(&self, seat: usize) -> Vec<SocketAddr> {
        self.held(seat).map(|part| part.relayed).collect()
    }

    /// What may be reached from a seat once everybody permits it, `others` outside included.
    pub fn reachable(&self, seat: usize, others: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
        let Some(holding) = self.at(seat).map(|at| &self.holdings[at]) else { return Vec::new() };
        let relayed = self.holdings.iter().filter(|other| self.may_meet(holding, other));
        let relayed = relayed.flat_map(|other| &other.parts).map(|part| part.relayed);
        let others = others.filter(|_| self.policy == PeerPolicy::Public);
        relayed.chain(others).filter(|peer| holding.part(family(*peer)).is_some()).collect()
    }

    /// Relayed addresses whose packets are permitted at a seat.
    pub fn permitted(&self, seat: usize, now: Duration) -> Vec<SocketAddr> {
        let permits = |peer: &SocketAddr| {
            let part = self.at(seat).and_then(|at| self.holdings[at].part(family(*peer)));
            part.is_some_and(|part| part.permits(*peer, now))
        };
        let mut reachable = self.reachable(seat, std::iter::empty());
        reachable.retain(permits);
        reachable
    }

    /// Where the holder of a relayed address is.
    pub fn seat_of(&self, relayed: SocketAddr) -> Option<usize> {
        self.holder(relayed).map(|(holding, _)| holding.here)
    }

    /// Whether a seat's occupant has a credential that is good.
    pub fn is_welcome(&self, seat: usize, now: Now) -> bool {
        self.unauthenticated(seat, now).is_none()
    }

    /// Whether a seat's occupant is the one who holds something there.
    pub fn is_entitled(&self, seat: usize, now: Now) -> bool {
        self.entitled(seat, now).is_ok()
    }

    /// The channel numbers that were used from a seat, ended ones included for as long as they are tied.
    pub fn channels(&self, seat: usize) -> Vec<u16> {
        self.held(seat).flat_map(|part| part.channels.keys().copied()).collect()
    }

    /// Tokens that are worth something, and to whom.
    pub fn tokens(&self) -> Vec<(Vec<u8>, Identity)> {
        self.numbers.tokens().map(|(token, owner)| (token.to_vec(), owner)).collect()
    }

    /// Tickets that move something, whose, and where from.
    pub fn tickets(&self) -> Vec<(Vec<u8>, Identity, usize)> {
        self.holdings.iter().filter_map(|it| Some((it.ticket.clone()?, it.owner, it.here))).collect()
    }

    /// What is held at a seat, or has moved there.
    fn at(&self, seat: usize) -> Option<usize> {
        self.holdings.iter().position(|holding| holding.is_at(seat))
    }

    fn held(&self, seat: usize) -> impl Iterator<Item = &Part> {
        self.at(seat).into_iter().flat_map(|at| &self.holdings[at].parts)
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        self.holdings.iter().flat_map(|holding| &holding.parts)
    }

    fn holder(&self, relayed: SocketAddr) -> Option<(&Holding, &Part)> {
        let parts = self.holdings.iter().flat_map(|it| it.parts.iter().map(move |part| (it, part)));
        parts.into_iter().find(|(_, part)| part.relayed == relayed)
    }

    /// Somebody is heard at a seat: whoever moved there is there from now on, and nowhere else.
    fn arrive(&mut self, at: usize, seat: usize) {
        let holding = &mut self.holdings[at];
        if holding.next.take_if(|next| *next == seat).is_some() {
            holding.here = seat;
            self.moves += 1;
        }
    }

    fn renew(&mut self, at: usize, now: Now, lifetime_s: u32, only: Option<u8>) -> Option<u16> {
        let is_meant = |part: &Part| only.is_none_or(|only| part.family() == only);
        let mut meant = self.holdings[at].parts.iter_mut().filter(|part| is_meant(part)).peekable();
        if meant.peek().is_none() {
            return Some(443);
        }
        for part in meant {
            part.hear(now.mono);
            part.expires = now.mono + if lifetime_s == 0 { Duration::ZERO } else { lifetime(lifetime_s) };
        }
        self.handle_deadline(now);
        None
    }

    fn deliver(
        &self,
        sender: usize,
        from: &Part,
        now: Now,
        peer: SocketAddr,
        payload: &[u8],
    ) -> Result<Hears, DropReason> {
        if self.judge(from, peer) == Place::Outside {
            return Ok(Hears::Peer { from: from.relayed, to: peer });
        }
        let (receiver, to) = self.holder(peer).ok_or(DropReason::NoRoute)?;
        if !self.may_meet(&self.holdings[sender], receiver) || !to.permits(from.relayed, now.mono) {
            return Err(DropReason::NoRoute);
        }
        Ok(Hears::Seat(receiver.here, wrapped(to, from.relayed, now, payload)))
    }

    /// What a peer address is to an allocation.
    fn judge(&self, part: &Part, peer: SocketAddr) -> Place {
        match self.policy {
            _ if is_own(peer) && peer.port() == RELAY_PORT => Place::Refused,
            PeerPolicy::Public if self.denied.contains(&peer.ip()) => Place::Refused,
            PeerPolicy::Public if is_own(peer) => {
                let may_be = self.relay_ports.contains(&peer.port()) && peer != part.relayed;
                if may_be { Place::Relayed } else { Place::Refused }
            }
            PeerPolicy::Public => Place::Outside,
            _ if is_own(peer) => Place::Relayed,
            _ => Place::Refused,
        }
    }

    fn may_meet(&self, one: &Holding, other: &Holding) -> bool {
        match self.policy {
            PeerPolicy::Partner => {
                one.owner.session == other.owner.session && one.owner.side != other.owner.side
            }
            _ => !std::ptr::eq(one, other),
        }
    }

    /// Ends what a side has too much for so many more: what was silent for the longest, of several the
    /// oldest.
    fn make_room(&mut self, owner: Identity, more: usize, now: Duration) {
        loop {
            let is_its = |it: &&Holding| (it.owner.session, it.owner.side) == (owner.session, owner.side);
            let held: Vec<&Part> = self.holdings.iter().filter(is_its).flat_map(|it| &it.parts).collect();
            if self.limits.per_side == 0 || held.len() + more <= self.limits.per_side as usize {
                return;
            }
            let silent = held.iter().min_by_key(|part| part.heard_s).map(|part| part.relayed);
            self.end(now, |_, part| Some(part.relayed) == silent);
            self.displaced += 1;
        }
    }

    /// Why there is no room for so many more of a seat's network.
    fn exceeded(&self, seat: usize, more: usize) -> Option<u16> {
        let of_network = self.holdings.iter().filter(|it| it.made_at == seat).map(|it| it.parts.len());
        let is_too_many = self.limits.per_side != 0 && more > self.limits.per_side as usize;
        if of_network.sum::<usize>() + more > self.limits.per_prefix as usize || is_too_many {
            return Some(486);
        }
        (self.allocations() + more > self.limits.total as usize).then_some(508)
    }

    fn unauthenticated(&self, seat: usize, now: Now) -> Option<u16> {
        let who = self.seats[seat];
        (who.expires_unix_s <= now.unix_s || self.ended.contains(&who.session)).then_some(401)
    }

    /// What a request of a seat's occupant is about, or its code.
    fn entitled(&self, seat: usize, now: Now) -> Result<usize, u16> {
        if let Some(code) = self.unauthenticated(seat, now) {
            return Err(code);
        }
        let at = self.at(seat).ok_or(437_u16)?;
        if self.holdings[at].owner == self.seats[seat] { Ok(at) } else { Err(441) }
    }

    /// Ends the allocations of which this is true, and lets their numbers rest.
    fn end(&mut self, now: Duration, is_over: impl Fn(&Identity, &Part) -> bool) {
        for Holding { owner, parts, .. } in &mut self.holdings {
            for part in parts.extract_if(.., |part| is_over(owner, part)) {
                self.numbers.rest(part.relayed.port(), now.min(part.expires));
            }
        }
        self.holdings.retain(|holding| !holding.parts.is_empty());
    }
}

/// Who gets what somebody sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Hears {
    /// Whoever sits there.
    Seat(usize, Heard),
    /// A peer outside, from a relayed address.
    Peer {
        /// The relayed address.
        from: SocketAddr,
        /// The peer.
        to: SocketAddr,
    },
}

/// What a peer address is to an allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Refused,
    Relayed,
    Outside,
}

/// A payload as the holder of `part` gets it.
fn wrapped(part: &Part, from: SocketAddr, now: Now, payload: &[u8]) -> Heard {
    match part.channel_of(from, now.mono) {
        Some(number) => Heard::channel(number, payload),
        None => Heard::data(from, payload),
    }
}

fn is_own(address: SocketAddr) -> bool {
    [RELAY_V4, RELAY_V6].contains(&address.ip())
}

fn lifetime(asked_s: u32) -> Duration {
    Duration::from_secs(asked_s.clamp(600, 3600).into())
}
