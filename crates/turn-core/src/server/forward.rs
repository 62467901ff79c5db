//! Payloads on their way: ChannelData and Send from clients, datagrams from outside peers.
//! RFC 8656 §11, §12.6, §12.7.

use std::time::Duration;

use stun_wire::{AddressFamily, AttributeType, ChannelData, Message, TransactionId, decode_xor_address};

use super::Server;
use crate::address::{FiveTuple, PeerAddr};
use crate::allocation::RelaySocket;
use crate::counters::DropReason;
use crate::policy::PeerVerdict;
use crate::verdict::{Framing, Hop, Verdict};

impl Server {
    pub(super) fn handle_channel_data<'d>(
        &mut self,
        now: Duration,
        tuple: &FiveTuple,
        datagram: &'d [u8],
    ) -> Verdict<'d> {
        let Some(&slot) = self.by_tuple.get(tuple) else { return Verdict::Drop(DropReason::NoAllocation) };
        let Some(message) = ChannelData::parse(datagram) else {
            return Verdict::Drop(DropReason::BadChannelData);
        };
        self.allocations[slot].hear(now);
        let Some(at) = self.allocations[slot].find_channel(message.number, now) else {
            return Verdict::Drop(DropReason::ChannelUnbound);
        };
        self.forward_to_peering(slot, at, now, message.data)
    }

    pub(super) fn handle_send<'d>(
        &mut self,
        now: Duration,
        tuple: &FiveTuple,
        message: &Message<'d>,
    ) -> Verdict<'d> {
        let Some(&slot) = self.by_tuple.get(tuple) else { return Verdict::Drop(DropReason::NoAllocation) };
        let Some((peer, payload)) = read_send(message) else { return Verdict::Drop(DropReason::BadMessage) };
        self.allocations[slot].hear(now);
        if AddressFamily::of(peer.0.ip()) != AddressFamily::of(self.allocations[slot].relayed.0.ip()) {
            return Verdict::Drop(DropReason::PeerRefused);
        }
        let via = self.judge(slot, peer);
        if via == PeerVerdict::Refused {
            return Verdict::Drop(DropReason::PeerRefused);
        }
        if self.allocations[slot].permitted_until(peer.0.ip(), now).is_none() {
            return Verdict::Drop(DropReason::NoPermission);
        }
        if via == PeerVerdict::Outside {
            return self.forward_outside(slot, peer, payload);
        }
        match self.allocations[slot].peering(peer, via, now) {
            Some(at) => self.forward_to_peering(slot, at, now, payload),
            None => Verdict::Drop(DropReason::NoRoute),
        }
    }

    /// Where a datagram of an outside peer goes.
    pub(super) fn hop_from_peer(
        &mut self,
        now: Duration,
        port: u16,
        peer: PeerAddr,
    ) -> Result<Hop, DropReason> {
        let &slot = self.by_port.get(&port).ok_or(DropReason::NoAllocation)?;
        let allocation = &self.allocations[slot];
        if allocation.permitted_until(peer.0.ip(), now).is_none() {
            return Err(DropReason::NoPermission);
        }
        let channel = allocation
            .find_peer(peer)
            .and_then(|at| allocation.at(at).channel)
            .filter(|channel| now < channel.expires);
        let to = allocation.tuple;
        let framing = match channel {
            Some(channel) => Framing::Channel(channel.number),
            None => Framing::Data { from: peer, id: TransactionId(self.random.bytes()) },
        };
        Ok(Hop::Client { to, framing })
    }

    /// On towards the peer at `at`: by a route where there is one, by the relay socket where that is allowed.
    fn forward_to_peering<'d>(
        &mut self,
        slot: usize,
        at: usize,
        now: Duration,
        payload: &'d [u8],
    ) -> Verdict<'d> {
        let allocation = &self.allocations[slot];
        let peering = allocation.at(at);
        let (peer, via) = (peering.peer, peering.via);
        if via == PeerVerdict::Outside {
            return self.forward_outside(slot, peer, payload);
        }
        if let Some(route) = peering.route.filter(|route| route.is_live(now)) {
            let sender = allocation.relayed.as_peer();
            let random = &mut self.random;
            let framing = route.framing(now, sender, || TransactionId(random.bytes()));
            return Verdict::Forward { hop: Hop::Client { to: route.to, framing }, payload };
        }
        self.ask_for_route(slot, at, now);
        if via == PeerVerdict::RelayedOrOutside {
            return self.forward_outside(slot, peer, payload);
        }
        Verdict::Drop(DropReason::NoRoute)
    }

    fn forward_outside<'d>(&self, slot: usize, peer: PeerAddr, payload: &'d [u8]) -> Verdict<'d> {
        let allocation = &self.allocations[slot];
        if allocation.relay != RelaySocket::Open {
            return Verdict::Drop(DropReason::RelayNotReady);
        }
        let port = allocation.relayed.0.port();
        Verdict::Forward { hop: Hop::Peer { port, to: peer }, payload }
    }
}

/// Peer and payload of a Send indication; the first of each counts. `None` where one is missing or malformed,
/// or an attribute is not understood: RFC 8489 §6.3.2 has such an indication discarded.
fn read_send<'d>(message: &Message<'d>) -> Option<(PeerAddr, &'d [u8])> {
    let understood = message.attributes().all(|attribute| {
        matches!(attribute.kind, AttributeType::XOR_PEER_ADDRESS | AttributeType::DATA)
            || !attribute.kind.is_comprehension_required()
    });
    let peer = message.find(AttributeType::XOR_PEER_ADDRESS)?;
    let peer = decode_xor_address(peer, message.transaction_id()).ok()?;
    let payload = message.find(AttributeType::DATA)?;
    understood.then_some((PeerAddr(peer), payload))
}
