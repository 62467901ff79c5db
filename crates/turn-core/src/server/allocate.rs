//! Allocate: a relayed address for a client. RFC 8656 §7.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use stun_wire::{AddressFamily, AttributeType, Class, ErrorCode, Message, MessageWriter, Method};

use super::authenticate::Request;
use super::{Answered, Server};
use crate::address::{FiveTuple, LocalIp, Prefix, RelayedAddr};
use crate::allocation::{Allocation, NewAllocation, RelaySocket};
use crate::bandwidth::Meter;
use crate::directory::{Claim, Heard};
use crate::limits::ALLOCATION_LIFETIME_MIN;
use crate::policy::PeerPolicy;
use crate::ports::Parity;
use crate::reservations::Token;
use crate::route::Notice;
use crate::slots::Slots;
use crate::verdict::Event;

impl Server {
    pub(super) fn allocate(
        &mut self,
        now: Duration,
        request: &Request<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, ErrorCode> {
        if let Some(&slots) = self.by_tuple.get(&request.tuple) {
            return self.allocate_again(slots, now, request, reply);
        }
        let message = request.message;
        let is_tcp = match message.find(AttributeType::REQUESTED_TRANSPORT) {
            Some(&[UDP, _, _, _]) => false,
            Some(&[TCP, _, _, _]) => self.admit_tcp(request).map(|()| true)?,
            Some(&[_, _, _, _]) => return Err(ErrorCode::UnsupportedTransportProtocol),
            _ => return Err(ErrorCode::BadRequest),
        };
        if message.find(AttributeType::ADDRESS_ERROR_CODE).is_some() {
            return Err(ErrorCode::BadRequest);
        }
        let is_mobile = self.wants_ticket(request)?;
        let lifetime = self.lifetime(message)?.unwrap_or(ALLOCATION_LIFETIME_MIN);
        let peers = self.credentials.peers(request.identity);
        let grants = match message.find(AttributeType::RESERVATION_TOKEN) {
            Some(token) => Grants { found: vec![self.redeem(request, token, now)?], lacks: None },
            None => self.grant_all(request, families(message)?, parity(message)?, now)?,
        };
        let meter = match self.admit(request, &grants.found, now) {
            Ok(meter) => meter,
            Err(code) => {
                for Grant { relayed, reserved, .. } in grants.found {
                    self.give_back(relayed.0.port(), now);
                    self.cancel_reservation(reserved, relayed, now);
                }
                return Err(code);
            }
        };
        for Grant { relayed, relay, reserved, heard } in grants.found {
            let new = NewAllocation {
                tuple: request.tuple,
                relayed,
                made: now,
                expires: now + lifetime,
                made_by: message.transaction_id(),
                relay,
            };
            let mut allocation = Allocation::new(new, request.identity, peers, request.key.clone(), heard);
            allocation.hear(now);
            allocation.meter.clone_from(&meter);
            allocation.lacks = grants.lacks;
            allocation.reserved = reserved;
            allocation.tcp = is_tcp.then(Box::default);
            let slot = self.insert(allocation);
            self.open_relay(slot);
        }
        if is_mobile {
            self.begin_mobility(request.tuple, now);
        }
        if !peers.is_closed() {
            return Ok(Answered::Later);
        }
        let slots = self.by_tuple[&request.tuple];
        request.succeed(reply, |writer| self.describe(slots, now, writer));
        Ok(Answered::Now)
    }

    /// Answers an Allocate once all of its relay sockets are there.
    pub(super) fn answer_allocate_later(&mut self, slot: usize, now: Duration) {
        let allocation = &self.allocations[slot];
        let slots = self.by_tuple[&allocation.tuple];
        if self.is_opening(slots) {
            return;
        }
        let mut message = Vec::new();
        let mut writer =
            MessageWriter::new(&mut message, Class::Success, Method::ALLOCATE, allocation.made_by);
        self.describe(slots, now, &mut writer);
        writer.integrity(&allocation.key);
        self.events.push_back(Event::Send { to: allocation.tuple, message });
        self.counters.successes += 1;
    }

    /// No relay socket can be had for an allocation: it ends. Where the client asked for both families it may
    /// have the other one.
    pub(super) fn give_up_relay(&mut self, slot: usize, now: Duration) {
        let Allocation { reserved, relayed, .. } = self.allocations[slot];
        self.cancel_reservation(reserved, relayed, now);
        let allocation = &self.allocations[slot];
        if let Some(twin) = self.twin(slot) {
            self.allocations[twin].lacks = Some((allocation.family(), ErrorCode::InsufficientCapacity));
            self.remove(slot, now);
            return self.answer_allocate_later(twin, now);
        }
        let mut message = Vec::new();
        MessageWriter::new(&mut message, Class::Error, Method::ALLOCATE, allocation.made_by)
            .error_code(ErrorCode::InsufficientCapacity)
            .integrity(&allocation.key);
        self.events.push_back(Event::Send { to: allocation.tuple, message });
        self.counters.errors += 1;
        self.remove(slot, now);
    }

    /// Gives a waiting allocation another port, because its last one could not be bound. `false`: none is
    /// left, or it has to give way.
    pub(super) fn retry_relay(&mut self, slot: usize, ip: IpAddr, attempts: u8, now: Duration) -> bool {
        let Allocation { relayed: old, reserved: token, identity, .. } = self.allocations[slot];
        let parity = match token {
            Some(_) => Parity::EvenWithNext,
            None if old.0.port().is_multiple_of(2) => Parity::Even,
            None => Parity::Any,
        };
        let Some(port) = self.take_port(PeerPolicy::Public, parity, now) else { return false };
        let new = RelayedAddr(SocketAddr::new(old.0.ip(), port));
        self.cancel_reservation(token, old, now);
        let reserved = token.and_then(|_| self.reserve_next(identity, new, ip, now));
        let side = self.allocations[slot].side();
        let is_whole = token.is_some() == reserved.is_some();
        if !is_whole || side.is_some_and(|side| !self.directory().readdress(side, old, new)) {
            self.cancel_reservation(reserved, new, now);
            self.allocations[slot].reserved = None;
            self.give_back(port, now);
            return false;
        }
        let allocation = &mut self.allocations[slot];
        allocation.reserved = reserved;
        allocation.relayed = new;
        allocation.relay = RelaySocket::Opening { ip, attempts };
        self.by_port.swap_remove(&old.0.port());
        self.by_port.insert(port, slot);
        self.give_back(old.0.port(), now);
        self.open_relay(slot);
        true
    }

    /// LIFETIME as it is granted: 0 stays 0, anything else lies between ten minutes and the configured
    /// maximum.
    pub(super) fn lifetime(&self, message: &Message<'_>) -> Result<Option<Duration>, ErrorCode> {
        let Some(value) = message.find(AttributeType::LIFETIME) else { return Ok(None) };
        let seconds = u32::from_be_bytes(value.try_into().map_err(|_| ErrorCode::BadRequest)?);
        let asked = Duration::from_secs(u64::from(seconds));
        Ok(Some(asked.clamp(ALLOCATION_LIFETIME_MIN, self.lifetime_max)))
    }

    /// A 5-tuple that has an allocation: a retransmission gets the answer again, another request 437.
    fn allocate_again(
        &mut self,
        slots: Slots,
        now: Duration,
        request: &Request<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, ErrorCode> {
        let allocation = &self.allocations[slots.first()];
        if allocation.made_by != request.message.transaction_id() || allocation.identity != request.identity {
            return Err(ErrorCode::AllocationMismatch);
        }
        if self.is_opening(slots) {
            return Ok(Answered::Later);
        }
        for slot in slots.iter() {
            self.allocations[slot].hear(now);
        }
        request.succeed(reply, |writer| self.describe(slots, now, writer));
        Ok(Answered::Now)
    }

    /// Asks for the relay socket of an allocation that needs one.
    fn open_relay(&mut self, slot: usize) {
        let Allocation { relay, relayed, tuple, ref tcp, .. } = self.allocations[slot];
        let RelaySocket::Opening { ip, .. } = relay else { return };
        let (ip, port) = (LocalIp(ip), relayed.0.port());
        self.events.push_back(match tcp {
            Some(_) => Event::Listen { client: tuple, ip, port },
            None => Event::OpenRelay { ip, port },
        });
    }

    fn is_opening(&self, slots: Slots) -> bool {
        slots.iter().any(|slot| matches!(self.allocations[slot].relay, RelaySocket::Opening { .. }))
    }

    /// Takes a relayed address of each family that was asked for; where there are two, one is enough.
    ///
    /// # Errors
    /// Why it could not be had; 508 where both were asked for and neither could.
    fn grant_all(
        &mut self,
        request: &Request<'_>,
        (first, other): (AddressFamily, Option<AddressFamily>),
        parity: Parity,
        now: Duration,
    ) -> Result<Grants, ErrorCode> {
        let (mut found, mut refused) = (Vec::new(), Vec::new());
        for family in [Some(first), other].into_iter().flatten() {
            match self.grant(request, family, parity, now) {
                Ok(grant) => found.push(grant),
                Err(code) => refused.push((family, code)),
            }
        }
        match (found.as_slice(), refused.as_slice()) {
            ([], [(_, code)]) => Err(*code),
            //= RFC 8656 §7.2: "the server checks if it can allocate relayed transport addresses of both
            //= address types. If the server cannot satisfy the request, then the server rejects the request
            //= with a 508 (Insufficient Capacity) error"
            ([], _) => Err(ErrorCode::InsufficientCapacity),
            (_, lacks) => Ok(Grants { lacks: lacks.first().copied(), found }),
        }
    }

    /// # Errors
    /// 440 where we have no address of the family, 508 where all numbers are in use.
    fn grant(
        &mut self,
        request: &Request<'_>,
        family: AddressFamily,
        parity: Parity,
        now: Duration,
    ) -> Result<Grant, ErrorCode> {
        let peers = self.credentials.peers(request.identity);
        let (public, local) =
            self.relayed_ip(family, &request.tuple, peers).ok_or(ErrorCode::AddressFamilyNotSupported)?;
        let port = self.take_port(peers, parity, now).ok_or(ErrorCode::InsufficientCapacity)?;
        let relayed = RelayedAddr(SocketAddr::new(public, port));
        let mut reserved = None;
        if parity == Parity::EvenWithNext {
            reserved = self.reserve_next(request.identity, relayed, local, now);
            if reserved.is_none() {
                self.give_back(port, now);
                return Err(ErrorCode::InsufficientCapacity);
            }
        }
        Ok(Grant { relayed, relay: RelaySocket::of(peers, local), reserved, heard: Heard::default() })
    }

    /// Asks the directory to count the allocations; others of the same side may have to end for them. Returns
    /// what their packets are charged to.
    fn admit(
        &mut self,
        request: &Request<'_>,
        grants: &[Grant],
        now: Duration,
    ) -> Result<Option<Arc<Meter>>, ErrorCode> {
        let prefix = Prefix::of(request.tuple.client);
        let relayed: Vec<_> = grants.iter().map(|it| (it.relayed, Arc::clone(&it.heard))).collect();
        let claim = Claim { identity: request.identity, prefix, relayed: &relayed };
        let mut directory = self.directory();
        let admitted = directory.admit(claim, now)?;
        for ip in relayed.iter().map(|(relayed, _)| relayed.0.ip()) {
            if self.addresses.own_ips.contains(&ip) {
                directory.relay_at(ip);
            }
        }
        drop(directory);
        for relayed in admitted.gives_way {
            self.tell(relayed.worker(self.workers), Notice::GiveWay(relayed));
        }
        Ok(admitted.meter)
    }

    /// The address that peers are told and the one a relay socket is bound to: the external one of the
    /// family, else the one the client reached, else the first of ours. A relay socket at a loopback address
    /// is of use to those only who came by one; where no socket is needed, any address is a name. Who is
    /// elsewhere and came by one came by a proxy here: it was that which reached it.
    fn relayed_ip(
        &self,
        family: AddressFamily,
        tuple: &FiveTuple,
        peers: PeerPolicy,
    ) -> Option<(IpAddr, IpAddr)> {
        let (LocalIp(reached), is_here) = (tuple.local, tuple.client.0.ip().is_loopback());
        let takes_loopback = peers.is_closed() || (is_here && reached.is_loopback());
        let is_usable = |ip: &IpAddr| AddressFamily::of(*ip) == family && (is_here || !ip.is_loopback());
        let reached = Some(reached).filter(is_usable);
        let fits = |ip: &IpAddr| {
            AddressFamily::of(*ip) == family && !is_link_local(*ip) && (takes_loopback || !ip.is_loopback())
        };
        let first = || self.addresses.own_ips.iter().copied().find(fits);
        let local = reached.or_else(first);
        let of_family = || self.external.iter().filter(|external| external.family() == family);
        let of_reached = of_family().find(|external| external.local.is_some() && external.local == reached);
        match of_reached.or_else(|| of_family().next()) {
            Some(external) => Some((external.public, external.local.or(local)?)),
            None => local.map(|local| (local, local)),
        }
    }

    fn take_port(&mut self, peers: PeerPolicy, parity: Parity, now: Duration) -> Option<u16> {
        self.fetch_lent(now);
        let pool = if peers.is_closed() { &mut self.closed_numbers } else { &mut self.public_ports };
        pool.take(parity, now, &mut self.random)
    }

    /// The attributes of a success response, RFC 8656 §7.2.
    fn describe(&self, slots: Slots, now: Duration, writer: &mut MessageWriter<'_>) {
        for slot in slots.iter() {
            writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, self.allocations[slot].relayed.0);
        }
        let allocation = &self.allocations[slots.first()];
        let left = allocation.expires.saturating_sub(now).as_secs();
        writer
            .u32(AttributeType::LIFETIME, u32::try_from(left).unwrap_or(u32::MAX))
            .xor_address(AttributeType::XOR_MAPPED_ADDRESS, allocation.tuple.client.0);
        if let Some(token) = allocation.reserved {
            writer.attribute(AttributeType::RESERVATION_TOKEN, &token);
        }
        self.describe_ticket(slots, writer);
        if let Some((family, code)) = allocation.lacks {
            let [_, _, class, number] = code.to_bytes();
            writer.attribute(AttributeType::ADDRESS_ERROR_CODE, &[family.to_byte(), 0, class, number]);
        }
    }
}

/// A relayed address that was taken for a request.
pub(super) struct Grant {
    pub(super) relayed: RelayedAddr,
    pub(super) relay: RelaySocket,
    /// The token of the next port.
    pub(super) reserved: Option<Token>,
    pub(super) heard: Heard,
}

/// All that were, at least one; and the family that is missing, and why.
struct Grants {
    found: Vec<Grant>,
    lacks: Option<(AddressFamily, ErrorCode)>,
}

/// The family that is asked for, and the other one, if that is wanted too.
///
/// # Errors
/// 440 for a family that does not exist; 400 for a malformed value, for both attributes at once, and for an
/// additional family that is not IPv6.
fn families(message: &Message<'_>) -> Result<(AddressFamily, Option<AddressFamily>), ErrorCode> {
    let requested = requested_family(message)?;
    let wants_pair = matches!(message.find(AttributeType::EVEN_PORT), Some(&[flags]) if flags & 0x80 != 0);
    match (requested, additional_family(message)) {
        //= RFC 8656 §7.2: "The server checks if the request contains an EVEN-PORT attribute with the R bit
        //= set to 1. If yes, and the request also contains an ADDITIONAL-ADDRESS-FAMILY attribute, the server
        //= rejects the request with a 400 (Bad Request) error"
        (_, Some(_)) if wants_pair => Err(ErrorCode::BadRequest),
        (None, Some(&[2, _, _, _])) => Ok((AddressFamily::Ipv4, Some(AddressFamily::Ipv6))),
        (_, Some(_)) => Err(ErrorCode::BadRequest),
        (requested, None) => Ok((requested.unwrap_or(AddressFamily::Ipv4), None)),
    }
}

/// ADDITIONAL-ADDRESS-FAMILY, under either of its numbers.
pub(super) fn additional_family<'m>(message: &Message<'m>) -> Option<&'m [u8]> {
    let of_coturn = || message.find(AttributeType::ADDITIONAL_ADDRESS_FAMILY_OF_COTURN);
    message.find(AttributeType::ADDITIONAL_ADDRESS_FAMILY).or_else(of_coturn)
}

/// What EVEN-PORT asks for.
///
/// # Errors
/// 400 for a value of another length.
fn parity(message: &Message<'_>) -> Result<Parity, ErrorCode> {
    match message.find(AttributeType::EVEN_PORT) {
        None => Ok(Parity::Any),
        Some(&[flags]) if flags & 0x80 == 0 => Ok(Parity::Even),
        Some(&[_]) => Ok(Parity::EvenWithNext),
        Some(_) => Err(ErrorCode::BadRequest),
    }
}

/// REQUESTED-ADDRESS-FAMILY, if it is there.
///
/// # Errors
/// 440 for a family that does not exist, 400 for a value of another length.
pub(super) fn requested_family(message: &Message<'_>) -> Result<Option<AddressFamily>, ErrorCode> {
    match message.find(AttributeType::REQUESTED_ADDRESS_FAMILY) {
        None => Ok(None),
        Some(&[family, _, _, _]) => {
            AddressFamily::from_byte(family).map(Some).ok_or(ErrorCode::AddressFamilyNotSupported)
        }
        Some(_) => Err(ErrorCode::BadRequest),
    }
}

/// Whether an address means something on one link only: nobody could be told it as theirs.
const fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// The protocol number of UDP in REQUESTED-TRANSPORT, RFC 8656 §18.8.
const UDP: u8 = 17;

/// That of TCP, RFC 6062 §4.1.
const TCP: u8 = 6;
