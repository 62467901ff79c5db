//! Payloads on their way: ChannelData and Send from clients, datagrams from outside peers.
//! RFC 8656 §11, §12.6, §12.7.

use std::time::Duration;

use stun_wire::{AddressFamily, AttributeType, ChannelData, Message, TransactionId, decode_xor_address};

use super::Server;
use super::authenticate::is_understood;
use crate::address::{FiveTuple, PeerAddr};
use crate::allocation::RelaySocket;
use crate::bandwidth::Direction;
#[cfg(debug_assertions)]
use crate::clients::Record;
use crate::clients::Way;
use crate::counters::DropReason;
use crate::limits::PAYLOAD_BYTES_MAX;
use crate::policy::PeerVerdict;
use crate::verdict::{Framing, Hop, Verdict};

impl Server {
    pub(super) fn handle_channel_data<'d>(
        &mut self,
        now: Duration,
        tuple: &FiveTuple,
        datagram: &'d [u8],
    ) -> Verdict<'d> {
        let Some(record) = self.by_tuple.find(tuple) else { return Verdict::Drop(DropReason::NoAllocation) };
        let Some(message) = ChannelData::parse(datagram) else {
            return Verdict::Drop(DropReason::BadChannelData);
        };
        if message.data.len() <= PAYLOAD_BYTES_MAX
            && let Some(hop) = record.way.hop(message.number, now)
        {
            return Verdict::Forward { hop, payload: message.data };
        }
        let slots = record.slots;
        self.follow(slots, tuple, now);
        let find = |slot: usize| Some((slot, self.allocations[slot].find_channel(message.number, now)?));
        let Some((slot, at)) = slots.iter().find_map(find) else {
            return Verdict::Drop(DropReason::ChannelUnbound);
        };
        self.allocations[slot].hear(now);
        if let Some(way) = Way::of(&self.allocations[slot], at, now)
            && let Some(record) = self.by_tuple.find(tuple)
        {
            record.way = way;
        }
        let verdict = self.forward_to_peering(slot, at, now, message.data, false);
        self.charged(slot, now, verdict)
    }

    pub(super) fn handle_send<'d>(
        &mut self,
        now: Duration,
        tuple: &FiveTuple,
        message: &Message<'d>,
    ) -> Verdict<'d> {
        let Some(record) = self.by_tuple.find(tuple) else { return Verdict::Drop(DropReason::NoAllocation) };
        let slots = record.slots;
        let Some(Send { peer, payload, whole }) = Send::read(message) else {
            return Verdict::Drop(DropReason::BadMessage);
        };
        //= RFC 8656 §13.1, §13.2, §13.3: "For both preferred and alternate behavior, the DONT-FRAGMENT
        //= attribute MUST be ignored by the server"
        //= RFC 8656 §13: "ignoring the DONT-FRAGMENT attribute is only applicable for UDP-to-UDP relay and
        //= not for TCP-to-UDP relay"
        let is_ipv4_to_ipv4 = tuple.client.0.is_ipv4() && peer.0.is_ipv4();
        let whole = whole && (tuple.listener.is_stream() || is_ipv4_to_ipv4);
        self.follow(slots, tuple, now);
        let Some(slot) = self.of_family(slots, AddressFamily::of(peer.0.ip())) else {
            return Verdict::Drop(DropReason::PeerRefused);
        };
        self.allocations[slot].hear(now);
        if self.allocations[slot].tcp.is_some() {
            return Verdict::Drop(DropReason::RelaysTcp);
        }
        let via = self.judge(slot, peer);
        if via == PeerVerdict::Refused {
            return Verdict::Drop(DropReason::PeerRefused);
        }
        if self.allocations[slot].permitted_until(peer.0.ip(), now).is_none() {
            return Verdict::Drop(DropReason::NoPermission);
        }
        let verdict = if via == PeerVerdict::Outside {
            self.forward_outside(slot, peer, payload, whole)
        } else {
            match self.allocations[slot].peering(peer, via, now) {
                Some(at) => self.forward_to_peering(slot, at, now, payload, whole),
                None => Verdict::Drop(DropReason::NoRoute),
            }
        };
        self.charged(slot, now, verdict)
    }

    /// Where a datagram of an outside peer goes.
    pub(super) fn hop_from_peer(
        &mut self,
        now: Duration,
        port: u16,
        peer: PeerAddr,
        payload: &[u8],
    ) -> Result<Hop, DropReason> {
        let &slot = self.by_port.get(&port).ok_or(DropReason::NoAllocation)?;
        let allocation = &self.allocations[slot];
        if allocation.permitted_until(peer.0.ip(), now).is_none() {
            return Err(DropReason::NoPermission);
        }
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(DropReason::TooLarge);
        }
        if let Some(meter) = &allocation.meter {
            self.bandwidth.spend(meter, Direction::Received, payload.len(), now)?;
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
        whole: bool,
    ) -> Verdict<'d> {
        let allocation = &self.allocations[slot];
        let peering = allocation.at(at);
        if peering.via == PeerVerdict::Outside {
            return self.forward_outside(slot, peering.peer, payload, whole);
        }
        if let Some(route) = peering.route.filter(|route| route.is_live(now)) {
            let random = &mut self.random;
            let framing = route.framing(now, &allocation.relayed, || TransactionId(random.bytes()));
            return Verdict::Forward { hop: Hop::Client { to: route.to, framing }, payload };
        }
        let (peer, via) = (peering.peer, peering.via);
        self.ask_for_route(slot, at, now);
        if via == PeerVerdict::RelayedOrOutside {
            return self.forward_outside(slot, peer, payload, whole);
        }
        Verdict::Drop(DropReason::NoRoute)
    }

    /// The verdict about what a client sent, if it can be carried, and client and appliance may still send so
    /// much.
    fn charged<'d>(&self, slot: usize, now: Duration, verdict: Verdict<'d>) -> Verdict<'d> {
        let Verdict::Forward { payload, .. } = &verdict else { return verdict };
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Verdict::Drop(DropReason::TooLarge);
        }
        let Some(meter) = &self.allocations[slot].meter else { return verdict };
        match self.bandwidth.spend(meter, Direction::Sent, payload.len(), now) {
            Ok(()) => verdict,
            Err(reason) => Verdict::Drop(reason),
        }
    }

    /// Whether a record's way is the one that its client's allocations would have found.
    #[cfg(debug_assertions)]
    pub(super) fn knows_the_way(&self, record: &Record, now: Duration) -> bool {
        let Some(number) = record.way.channel(now) else { return true };
        let of = |slot: usize| self.allocations[slot].find_channel(number, now).map(|at| (slot, at));
        let found = record.slots.iter().find_map(of);
        found.is_some_and(|(slot, at)| {
            let allocation = &self.allocations[slot];
            let way = Way::of(allocation, at, now);
            way.is_some_and(|way| record.way.is_part_of(&way)) && allocation.was_heard(now)
        })
    }

    fn forward_outside<'d>(
        &self,
        slot: usize,
        peer: PeerAddr,
        payload: &'d [u8],
        whole: bool,
    ) -> Verdict<'d> {
        let allocation = &self.allocations[slot];
        if allocation.relay != RelaySocket::Open {
            return Verdict::Drop(DropReason::RelayNotReady);
        }
        let port = allocation.relayed.0.port();
        Verdict::Forward { hop: Hop::Peer { port, to: peer, whole }, payload }
    }
}

/// A Send indication; the first of each attribute counts.
struct Send<'d> {
    peer: PeerAddr,
    payload: &'d [u8],
    /// DONT-FRAGMENT
    whole: bool,
}

impl<'d> Send<'d> {
    /// `None` where an attribute is missing or malformed, or not understood.
    fn read(message: &Message<'d>) -> Option<Self> {
        //= RFC 8489 §6.3.2: "If the indication contains unknown comprehension-required attributes, the
        //= indication is discarded and processing ceases"
        let understood = message.attributes().all(|attribute| is_understood(attribute.kind));
        let peer = message.find(AttributeType::XOR_PEER_ADDRESS)?;
        let peer = decode_xor_address(peer, message.transaction_id()).ok()?;
        let payload = message.find(AttributeType::DATA)?;
        let whole = message.find(AttributeType::DONT_FRAGMENT).is_some();
        understood.then_some(Self { peer: PeerAddr(peer), payload, whole })
    }
}
