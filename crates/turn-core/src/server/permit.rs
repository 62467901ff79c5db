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
        //= RFC 8656 §10.2: if any address is refused the request is, and no permission is installed
        if !peers.iter().all(|(_, peer)| self.addresses.allows_permission(policy, peer.0.ip())) {
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
            self.expect_peer(*slot, *peer, now);
        }
        for slot in slots.iter() {
            self.renew_offers(slot, &ips_of(slot), now);
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
        let is_tied_to_twin = self.twin(slot).is_some_and(|twin| self.allocations[twin].ties(number, now));
        if peer.0.port() == 0 || is_tied_to_twin {
            return Err(ErrorCode::BadRequest);
        }
        let via = self.judge(slot, peer);
        if via == PeerVerdict::Refused {
            return Err(ErrorCode::Forbidden);
        }
        self.allocations[slot].hear(now);
        self.allocations[slot].bind(number, peer, via, now)?;
        self.renew_offers(slot, &[peer.0.ip()], now);
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
        if matches!(via, PeerVerdict::Relayed | PeerVerdict::RelayedOrOutside) {
            // Where all places are taken the first packet asks.
            let _ = self.allocations[slot].peering(peer, via, now);
        }
    }

    /// All XOR-PEER-ADDRESSes of a request, at least one, each with the allocation of its family.
    ///
    /// # Errors
    /// 400 where one is malformed or there are none or too many, 443 where there is no allocation of its
    /// family.
    fn peers_of(&self, slots: Slots, message: &Message<'_>) -> Result<Vec<(usize, PeerAddr)>, ErrorCode> {
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
        if peers.is_empty() || peers.len() > PEERS_PER_REQUEST_MAX {
            return Err(ErrorCode::BadRequest);
        }
        Ok(peers)
    }
}
