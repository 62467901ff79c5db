//! What the relay should do, as simply as it can be said: who holds what until when, and who may deliver to
//! whom at this moment. No workers, no routes, no notices: that is what is being tested. RFC 8656 §7-§12, the
//! design's relay.md §1.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use turn_core::{DropReason, Now, PeerPolicy, Side};

use crate::client::Heard;

/// All seats of a small world. A seat is a client address with whoever sits there at the moment.
///
/// Each request says what code it expects, `None` for success, and does to the model what success does.
pub struct Model {
    policy: PeerPolicy,
    seats: Vec<Seat>,
    ended: BTreeSet<u8>,
}

impl Model {
    /// A relay without clients, whose credentials all have this policy, `Partner` or `Appliance`.
    pub const fn new(policy: PeerPolicy) -> Self {
        Self { policy, seats: Vec::new(), ended: BTreeSet::new() }
    }

    /// Somebody takes a new seat.
    pub fn sit(&mut self, who: Identity) {
        self.seats.push(Seat { who, held: None });
    }

    /// Somebody else takes a seat; what its last holder had stays there until it runs out.
    pub fn replace(&mut self, seat: usize, who: Identity) {
        self.seats[seat].who = who;
    }

    /// Forgets what has run out.
    pub fn handle_deadline(&mut self, now: Now) {
        for seat in &mut self.seats {
            seat.held.take_if(|held| held.expires <= now.mono);
        }
    }

    /// Allocate; on success tell [`Model::hold`] which address it was.
    pub fn allocate(&self, seat: usize, now: Now) -> Option<u16> {
        self.unauthenticated(seat, now).or_else(|| self.seats[seat].held.as_ref().map(|_| 437))
    }

    /// The allocation that a seat was given.
    pub fn hold(&mut self, seat: usize, now: Now, relayed: SocketAddr, lifetime_s: u32) {
        let expires = now.mono + lifetime(lifetime_s);
        let owner = self.seats[seat].who;
        let (permitted, channels) = (Duration::ZERO, BTreeMap::new());
        self.seats[seat].held = Some(Held { owner, relayed, expires, permitted, channels });
    }

    /// Refresh; of 0 seconds: delete.
    pub fn refresh(&mut self, seat: usize, now: Now, lifetime_s: u32) -> Option<u16> {
        let code = self.unentitled(seat, now);
        if code.is_none() {
            let held = &mut self.seats[seat].held;
            held.take_if(|_| lifetime_s == 0);
            if let Some(held) = held {
                held.expires = now.mono + lifetime(lifetime_s);
            }
        }
        code
    }

    /// CreatePermission for the relay's address, the only one that a closed relay permits.
    pub fn permit(&mut self, seat: usize, now: Now) -> Option<u16> {
        let code = self.unentitled(seat, now);
        if let (None, Some(held)) = (code, &mut self.seats[seat].held) {
            held.permitted = now.mono + FIVE_MINUTES;
        }
        code
    }

    /// ChannelBind to a relayed address.
    pub fn bind(&mut self, seat: usize, now: Now, number: u16, peer: SocketAddr) -> Option<u16> {
        if let Some(code) = self.unentitled(seat, now) {
            return Some(code);
        }
        let held = self.seats[seat].held.as_mut()?;
        held.channels.retain(|_, (_, expires)| now.mono < *expires + FIVE_MINUTES);
        let is_tied = held.channels.iter().any(|(n, (to, _))| (*n == number) != (*to == peer));
        if is_tied {
            return Some(400);
        }
        held.permitted = now.mono + FIVE_MINUTES;
        held.channels.insert(number, (peer, now.mono + FIVE_MINUTES * 2));
        None
    }

    /// The matcher ends a session.
    pub fn end_session(&mut self, session: u8) {
        self.ended.insert(session);
        for seat in &mut self.seats {
            seat.held.take_if(|held| held.owner.session == session);
        }
    }

    /// A Send indication: which seat hears what.
    ///
    /// # Errors
    /// Why nobody does.
    pub fn send(
        &self,
        seat: usize,
        now: Now,
        peer: SocketAddr,
        payload: &[u8],
    ) -> Result<(usize, Heard), DropReason> {
        let held = self.seats[seat].held.as_ref().ok_or(DropReason::NoAllocation)?;
        if held.permitted <= now.mono {
            return Err(DropReason::NoPermission);
        }
        self.deliver(held, now, peer, payload)
    }

    /// ChannelData: which seat hears what.
    ///
    /// # Errors
    /// Why nobody does.
    pub fn send_channel(
        &self,
        seat: usize,
        now: Now,
        number: u16,
        payload: &[u8],
    ) -> Result<(usize, Heard), DropReason> {
        let held = self.seats[seat].held.as_ref().ok_or(DropReason::NoAllocation)?;
        let (peer, _) = held
            .channels
            .get(&number)
            .filter(|(_, expires)| now.mono < *expires)
            .ok_or(DropReason::ChannelUnbound)?;
        self.deliver(held, now, *peer, payload)
    }

    /// How many allocations there are.
    pub fn allocations(&self) -> usize {
        self.seats.iter().filter(|seat| seat.held.is_some()).count()
    }

    /// The relayed address that a seat holds.
    pub fn relayed(&self, seat: usize) -> Option<SocketAddr> {
        self.seats[seat].held.as_ref().map(|held| held.relayed)
    }

    /// The channel numbers that a seat has used, ended ones included for as long as they are tied.
    pub fn channels(&self, seat: usize) -> Vec<u16> {
        self.seats[seat].held.iter().flat_map(|held| held.channels.keys().copied()).collect()
    }

    fn deliver(
        &self,
        from: &Held,
        now: Now,
        peer: SocketAddr,
        payload: &[u8],
    ) -> Result<(usize, Heard), DropReason> {
        let holder = self.seats.iter().enumerate().find_map(|(at, seat)| {
            let held = seat.held.as_ref()?;
            (held.relayed == peer).then_some((at, held))
        });
        let (at, to) = holder.ok_or(DropReason::NoRoute)?;
        if !self.may_meet(from, to) || to.permitted <= now.mono {
            return Err(DropReason::NoRoute);
        }
        let channel =
            to.channels.iter().find(|(_, (peer, until))| *peer == from.relayed && now.mono < *until);
        Ok(match channel {
            Some((number, _)) => (at, Heard::channel(*number, payload)),
            None => (at, Heard::data(from.relayed, payload)),
        })
    }

    fn may_meet(&self, one: &Held, other: &Held) -> bool {
        match self.policy {
            PeerPolicy::Partner => {
                one.owner.session == other.owner.session && one.owner.side != other.owner.side
            }
            _ => one.relayed != other.relayed,
        }
    }

    fn unauthenticated(&self, seat: usize, now: Now) -> Option<u16> {
        let who = self.seats[seat].who;
        (who.expires_unix_s <= now.unix_s || self.ended.contains(&who.session)).then_some(401)
    }

    fn unentitled(&self, seat: usize, now: Now) -> Option<u16> {
        self.unauthenticated(seat, now).or_else(|| match &self.seats[seat].held {
            None => Some(437),
            Some(held) => (held.owner != self.seats[seat].who).then_some(441),
        })
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

/// A client address.
struct Seat {
    who: Identity,
    held: Option<Held>,
}

/// An allocation.
struct Held {
    owner: Identity,
    relayed: SocketAddr,
    expires: Duration,
    /// Until when the relay's address is permitted.
    permitted: Duration,
    /// Peer and end by number; ended ones stay for as long as they are tied.
    channels: BTreeMap<u16, (SocketAddr, Duration)>,
}

fn lifetime(asked_s: u32) -> Duration {
    Duration::from_secs(asked_s.clamp(600, 3600).into())
}

const FIVE_MINUTES: Duration = Duration::from_secs(300);
