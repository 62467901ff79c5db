//! How two allocations of the appliance find the way to each other: each tells the other's worker what it
//! accepts. The relayed address names the worker (its port modulo their number), so nothing has to be looked
//! up.

use std::net::IpAddr;
use std::time::Duration;

use super::Server;
use crate::peerings::Peering;
use crate::policy::PeerVerdict;
use crate::route::{Notice, Offer, Route};

impl Server {
    pub(super) fn take_notice(&mut self, now: Duration, notice: Notice) {
        let about = match &notice {
            Notice::Offer(offer) => offer.from,
            Notice::GiveWay(relayed) => *relayed,
        };
        if let Some(borrower) = self.borrower(about) {
            self.tell(borrower, notice);
            return;
        }
        match notice {
            Notice::Offer(offer) => self.take_offer(now, &offer),
            Notice::GiveWay(relayed) => {
                if let Some(&slot) = self.by_port.get(&relayed.0.port())
                    && self.allocations[slot].relayed == relayed
                {
                    self.remove(slot, now);
                }
            }
        }
    }

    /// A client's permission or channel for these addresses changed: those who have a route to it learn.
    pub(super) fn renew_offers(&mut self, slot: usize, ips: &[IpAddr], now: Duration) {
        let concerned: Vec<usize> = self.allocations[slot]
            .routed()
            .filter(|&at| ips.contains(&self.allocations[slot].at(at).peer.0.ip()))
            .collect();
        for at in concerned {
            let wants_answer = lacks_route(self.allocations[slot].at(at), now);
            self.offer(slot, at, now, wants_answer);
        }
    }

    /// A packet found no route: asks the peer's worker for one, at most once a second.
    pub(super) fn ask_for_route(&mut self, slot: usize, at: usize, now: Duration) {
        if self.allocations[slot].may_ask(at, now) {
            self.offer(slot, at, now, true);
        }
    }

    /// The allocation in `slot` lives longer than those who have a route to it know.
    pub(super) fn renew_all_offers(&mut self, slot: usize, now: Duration) {
        let places: Vec<usize> = self.allocations[slot].routed().collect();
        for at in places {
            self.offer(slot, at, now, false);
        }
    }

    /// The allocation in `slot` ends: every route to it is withdrawn.
    pub(super) fn withdraw_routes(&mut self, slot: usize, now: Duration) {
        let places: Vec<usize> = self.allocations[slot].routed().collect();
        for at in places {
            let route = Route { deadline: Duration::ZERO, ..self.allocations[slot].route_for(at, now) };
            self.send_offer(slot, at, route, false);
        }
    }

    fn take_offer(&mut self, now: Duration, offer: &Offer) {
        let Some(&slot) = self.by_port.get(&offer.from.0.port()) else { return };
        let allocation = &mut self.allocations[slot];
        let to_itself = offer.owner == offer.from;
        if allocation.relayed != offer.from || to_itself || !allocation.scope().may_meet(offer.scope) {
            return;
        }
        // A withdrawal of what was never taken makes no place for itself.
        if !offer.route.is_live(now)
            && !offer.wants_answer
            && allocation.find_peer(offer.owner.as_peer()).is_none()
        {
            return;
        }
        if let Some(at) = allocation.take_offer(offer, now)
            && offer.wants_answer
        {
            self.offer(slot, at, now, false);
        }
    }

    /// Tells the worker of the peer at `at` what the allocation in `slot` accepts from it.
    fn offer(&mut self, slot: usize, at: usize, now: Duration, wants_answer: bool) {
        let route = self.allocations[slot].route_for(at, now);
        self.send_offer(slot, at, route, wants_answer);
    }

    fn send_offer(&mut self, slot: usize, at: usize, route: Route, wants_answer: bool) {
        let allocation = &self.allocations[slot];
        let from = allocation.at(at).peer.as_relayed();
        let offer = Offer { owner: allocation.relayed, scope: allocation.scope(), from, route, wants_answer };
        self.tell(from.worker(self.workers), Notice::Offer(offer));
    }
}

fn lacks_route(peering: &Peering, now: Duration) -> bool {
    peering.via != PeerVerdict::Outside && !peering.route.is_some_and(|route| route.is_live(now))
}
