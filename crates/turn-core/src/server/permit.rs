//! CreatePermission and ChannelBind: which peers a client wants to hear. RFC 8656 §9, §10, §12.

use std::net::IpAddr;
use std::time::Duration;

use stun_wire::{AddressFamily, AttributeType, ChannelNumber, ErrorCode, Message, decode_xor_address};

use super::authenticate::Request;
use super::{Answered, Server};
use crate::address::PeerAddr;
use crate::limits::PEERS_PER_REQUEST_MAX;
use crate::policy::PeerVerdict;
use crate::slots::Slots;

impl Server {
    pub(super) fn create_permission(
        &mut self,
        now: Duration,
        request: &Request<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, ErrorCode> {
        let slots = self.slots_of(request)?;
        self.follow(slots, &request.tuple, now);
        let peers = self.peers_of(slots, request.message)?;
        let policy = self.allocations[slots.first()].peers;
        //= RFC 8656 §10.2: "The server MAY impose restrictions on the IP address allowed in the
        //= XOR-PEER-ADDRESS attribute; if a value is not allowed, the server rejects the request with a 403
        //= (Forbidden) error"
        let may_permit = |&(_, peer): &(usize, PeerAddr)| {
            let is_relayed = self.directory().relays_at(peer.0.ip());
            self.addresses.allows_permission(policy, peer.0.ip(), is_relayed)
        };
        if !peers.iter().all(may_permit) {
            return Err(ErrorCode::Forbidden);
        }
        let ips_of = |slot| -> Vec<IpAddr> {
            peers.iter().filter(|(of, _)| *of == slot).map(|(_, peer)| peer.0.ip()).collect()
        };
        if !slots.iter().all(|slot| self.allocations[slot].has_room_for(&ips_of(slot), now)) {
            return Err(ErrorCode::InsufficientCapacity);
        }
        for (slot, peer) in &peers {
            self.allocations[*slot].hear(now);
            self.allocations[*slot].permit(peer.0.ip(), now)?;
            if self.allocations[*slot].tcp.is_none() {
                self.expect_peer(*slot, *peer, now);
            }
        }
        for slot in slots.iter() {
            let of_slot = peers.iter().filter(|(of, _)| *of == slot);
            let named: Vec<PeerAddr> = of_slot.map(|(_, peer)| *peer).collect();
            self.renew_offers(slot, &named, now);
        }
        request.succeed(reply, |_| {});
        Ok(Answered::Now)
    }

    pub(super) fn channel_bind(
        &mut self,
        now: Duration,
        request: &Request<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, ErrorCode> {
        let slots = self.slots_of(request)?;
        self.follow(slots, &request.tuple, now);
        let number = request
            .message
            .find(AttributeType::CHANNEL_NUMBER)
            .and_then(ChannelNumber::from_attribute)
            .filter(|number| self.old_channels || number.is_rfc_8656())
            .ok_or(ErrorCode::BadRequest)?;
        let (slot, peer) = self.peers_of(slots, request.message)?[0];
        if self.allocations[slot].tcp.is_some() {
            return Err(ErrorCode::BadRequest);
        }
        let is_tied_to_twin = self.twin(slot).is_some_and(|twin| self.allocations[twin].ties(number, now));
        if peer.0.port() == 0 || is_tied_to_twin {
            return Err(ErrorCode::BadRequest);
        }
        let via = self.judge(slot, peer);
        let is_nobodys = || via == PeerVerdict::Relayed && !self.directory().relays_at(peer.0.ip());
        if via == PeerVerdict::Refused || is_nobodys() {
            return Err(ErrorCode::Forbidden);
        }
        self.allocations[slot].hear(now);
        let is_new = !self.allocations[slot].ties(number, now);
        let at = self.allocations[slot].bind(number, peer, via, now)?;
        self.by_tuple.forget_way(&self.allocations[slot].tuple);
        self.offer_channel(slot, at, is_new, now);
        self.renew_offers(slot, &[peer], now);
        request.succeed(reply, |_| {});
        Ok(Answered::Now)
    }

    /// What a peer address is to the allocation in `slot`: the one question that every path asks.
    pub(super) fn judge(&self, slot: usize, peer: PeerAddr) -> PeerVerdict {
        let allocation = &self.allocations[slot];
        // A closed relay grants this like every address of its own, and no route comes of it.
        if !allocation.peers.is_closed() && peer == allocation.relayed.as_peer() {
            return PeerVerdict::Refused;
        }
        let is_relay_port = self.relay_ports.contains(&peer.0.port());
        self.addresses.peer(allocation.peers, peer, is_relay_port)
    }

    /// A permission names a port too. Where that is a relayed address here, the way to it can be prepared
    /// before the first packet; for the permission itself the port means nothing.
    fn expect_peer(&mut self, slot: usize, peer: PeerAddr, now: Duration) {
        let via = self.judge(slot, peer);
        if via.goes_by_route() {
            // Where all places are taken the first packet asks.
            let _ = self.allocations[slot].peering(peer, via, now);
        }
    }

    /// All XOR-PEER-ADDRESSes of a request, at least one, each with the allocation of its family.
    ///
    /// # Errors
    /// 400 where one is malformed or there are none, 443 where there is no allocation of its family, 508
    /// where there are too many.
    pub(super) fn peers_of(
        &self,
        slots: Slots,
        message: &Message<'_>,
    ) -> Result<Vec<(usize, PeerAddr)>, ErrorCode> {
        let values = message.attributes().filter(|it| it.kind == AttributeType::XOR_PEER_ADDRESS);
        let mut peers = Vec::new();
        for attribute in values {
            let peer = decode_xor_address(attribute.value, message.transaction_id())
                .map_err(|_| ErrorCode::BadRequest)?;
            let slot = self
                .of_family(slots, AddressFamily::of(peer.ip()))
                .ok_or(ErrorCode::PeerAddressFamilyMismatch)?;
            peers.push((slot, PeerAddr(peer)));
        }
        if peers.is_empty() {
            return Err(ErrorCode::BadRequest);
        }
        //= RFC 8656 §10.2: "If the request is valid, but the server is unable to satisfy the request due to
        //= some capacity limit or similar, then a 508 (Insufficient Capacity) error is returned"
        if peers.len() > PEERS_PER_REQUEST_MAX {
            return Err(ErrorCode::InsufficientCapacity);
        }
        Ok(peers)
    }
}
