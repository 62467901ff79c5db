//! Allocate: a relayed address for a client. RFC 8656 §7.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use stun_wire::{AddressFamily, AttributeType, Class, ErrorCode, Message, MessageWriter, Method};

use super::authenticate::Request;
use super::{Answered, Server};
use crate::address::{Prefix, RelayedAddr};
use crate::allocation::{Allocation, NewAllocation, RelaySocket};
use crate::directory::{Admission, Claim, Heard};
use crate::limits::ALLOCATION_LIFETIME_MIN;
use crate::policy::PeerPolicy;
use crate::ports::Parity;
use crate::route::Notice;
use crate::verdict::Event;

impl Server {
    pub(super) fn allocate(
        &mut self,
        now: Duration,
        request: &Request<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, ErrorCode> {
        if let Some(&slot) = self.by_tuple.get(&request.tuple) {
            return self.allocate_again(slot, now, request, reply);
        }
        let message = request.message;
        match message.find(AttributeType::REQUESTED_TRANSPORT) {
            Some(&[UDP, _, _, _]) => {}
            Some(&[_, _, _, _]) => return Err(ErrorCode::UnsupportedTransportProtocol),
            _ => return Err(ErrorCode::BadRequest),
        }
        let family = requested_family(message)?.unwrap_or(AddressFamily::Ipv4);
        let lifetime = self.lifetime(message)?.unwrap_or(ALLOCATION_LIFETIME_MIN);
        let peers = self.credentials.peers(request.identity);
        let (public, local) = self.relayed_ip(family, request).ok_or(ErrorCode::AddressFamilyNotSupported)?;
        let parity = parity(message)?;
        let port = self.take_port(peers, parity, now).ok_or(ErrorCode::InsufficientCapacity)?;
        let relayed = RelayedAddr(SocketAddr::new(public, port));
        let relay = if peers.is_closed() {
            RelaySocket::None
        } else {
            RelaySocket::Opening { ip: local, attempts: 0 }
        };
        let new = NewAllocation {
            tuple: request.tuple,
            relayed,
            expires: now + lifetime,
            made_by: message.transaction_id(),
            relay,
        };
        let heard: Heard = Arc::new(AtomicU32::new(0));
        let allocation = Allocation::new(new, request.identity, peers, request.key.clone(), heard);
        allocation.hear(now);
        if let Err(code) = self.admit(&allocation) {
            self.give_back_port(peers, port, now);
            return Err(code);
        }
        let slot = self.insert(allocation);
        if relay == RelaySocket::None {
            request.succeed(reply, |writer| self.describe(slot, now, writer));
            Ok(Answered::Now)
        } else {
            self.events.push_back(Event::open(local, port));
            Ok(Answered::Later)
        }
    }

    /// Answers the Allocate whose relay socket was awaited.
    pub(super) fn answer_allocate_later(&mut self, slot: usize, now: Duration, error: Option<ErrorCode>) {
        let allocation = &self.allocations[slot];
        let mut message = Vec::new();
        let class = if error.is_some() { Class::Error } else { Class::Success };
        let mut writer = MessageWriter::new(&mut message, class, Method::ALLOCATE, allocation.made_by);
        match error {
            Some(code) => {
                writer.error_code(code);
            }
            None => self.describe(slot, now, &mut writer),
        }
        writer.integrity(&allocation.key);
        let to = allocation.tuple;
        self.events.push_back(Event::Send { to, message });
        match error {
            Some(_) => self.counters.errors += 1,
            None => self.counters.successes += 1,
        }
    }

    /// Gives a waiting allocation another port, because its last one could not be bound. `false`: none is
    /// left.
    pub(super) fn retry_relay(&mut self, slot: usize, ip: IpAddr, attempts: u8, now: Duration) -> bool {
        let even = self.allocations[slot].relayed.0.port().is_multiple_of(2);
        let parity = if even { Parity::Even } else { Parity::Any };
        let Some(port) = self.take_port(PeerPolicy::Public, parity, now) else { return false };
        let allocation = &mut self.allocations[slot];
        let (old, side) = (allocation.relayed, allocation.side());
        let new = RelayedAddr(SocketAddr::new(old.0.ip(), port));
        allocation.relayed = new;
        allocation.relay = RelaySocket::Opening { ip, attempts };
        if let Some(side) = side {
            self.directory().readdress(side, old, new);
        }
        self.by_port.swap_remove(&old.0.port());
        self.by_port.insert(port, slot);
        self.give_back_port(PeerPolicy::Public, old.0.port(), now);
        self.events.push_back(Event::open(ip, port));
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
        &self,
        slot: usize,
        now: Duration,
        request: &Request<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, ErrorCode> {
        let allocation = &self.allocations[slot];
        if allocation.made_by != request.message.transaction_id() || allocation.identity != request.identity {
            return Err(ErrorCode::AllocationMismatch);
        }
        if matches!(allocation.relay, RelaySocket::Opening { .. }) {
            return Ok(Answered::Later);
        }
        request.succeed(reply, |writer| self.describe(slot, now, writer));
        Ok(Answered::Now)
    }

    /// Asks the directory to count the allocation; another of the same side may have to end for it.
    fn admit(&mut self, allocation: &Allocation) -> Result<(), ErrorCode> {
        let claim = Claim {
            side: allocation.side(),
            prefix: Prefix::of(allocation.tuple.client),
            relayed: allocation.relayed,
            heard: &allocation.heard,
        };
        let admission = self.directory().admit(claim);
        match admission {
            Admission::Admitted { gives_way: Some(relayed) } => {
                self.tell(relayed.worker(self.workers), Notice::GiveWay(relayed));
                Ok(())
            }
            Admission::Admitted { gives_way: None } => Ok(()),
            Admission::QuotaReached => Err(ErrorCode::AllocationQuotaReached),
            Admission::NoCapacity => Err(ErrorCode::InsufficientCapacity),
        }
    }

    /// The address that peers are told and the one a relay socket is bound to: the external one of the
    /// family, else the one the client reached, else the first of ours.
    fn relayed_ip(&self, family: AddressFamily, request: &Request<'_>) -> Option<(IpAddr, IpAddr)> {
        let reached = Some(request.tuple.local.0).filter(|ip| AddressFamily::of(*ip) == family);
        let first = || self.addresses.own_ips.iter().copied().find(|ip| AddressFamily::of(*ip) == family);
        let local = reached.or_else(first);
        match self.external.iter().find(|external| external.family() == family) {
            Some(external) => Some((external.public, external.local.or(local)?)),
            None => local.map(|local| (local, local)),
        }
    }

    fn take_port(&mut self, peers: PeerPolicy, parity: Parity, now: Duration) -> Option<u16> {
        let pool = if peers.is_closed() { &mut self.closed_numbers } else { &mut self.public_ports };
        pool.take(parity, now, &mut self.random)
    }

    fn give_back_port(&mut self, peers: PeerPolicy, port: u16, now: Duration) {
        let pool = if peers.is_closed() { &mut self.closed_numbers } else { &mut self.public_ports };
        pool.give_back(port, now);
    }

    /// The attributes of a success response, RFC 8656 §7.2.
    fn describe(&self, slot: usize, now: Duration, writer: &mut MessageWriter<'_>) {
        let allocation = &self.allocations[slot];
        let left = allocation.expires.saturating_sub(now).as_secs();
        writer
            .xor_address(AttributeType::XOR_RELAYED_ADDRESS, allocation.relayed.0)
            .u32(AttributeType::LIFETIME, u32::try_from(left).unwrap_or(u32::MAX))
            .xor_address(AttributeType::XOR_MAPPED_ADDRESS, allocation.tuple.client.0);
    }
}

/// What EVEN-PORT asks for.
///
/// # Errors
/// 508 where the next port is to be reserved too, which is not offered (RFC 8656 §7.2 leaves that to the
/// server); 400 for a value of another length.
fn parity(message: &Message<'_>) -> Result<Parity, ErrorCode> {
    match message.find(AttributeType::EVEN_PORT) {
        None => Ok(Parity::Any),
        Some(&[flags]) if flags & 0x80 == 0 => Ok(Parity::Even),
        Some(&[_]) => Err(ErrorCode::InsufficientCapacity),
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

/// The protocol number of UDP in REQUESTED-TRANSPORT, RFC 8656 §18.8.
const UDP: u8 = 17;
