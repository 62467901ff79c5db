//! How two allocations of the appliance find the way to each other: each tells the other's worker what it
//! accepts. The relayed address names the worker (its port modulo their number), so nothing has to be looked
//! up.

use std::net::IpAddr;
use std::time::Duration;

use super::Server;
use super::reserve::Whereabouts;
use crate::peerings::Peering;
use crate::policy::PeerVerdict;
use crate::route::{Notice, Offer, Route};

impl Server {
    pub(super) fn take_notice(&mut self, now: Duration, notice: Notice) {
        let port = match &notice {
            Notice::Offer(offer) => offer.from.0.port(),
            Notice::GiveWay(relayed) => relayed.0.port(),
            Notice::Summon(summons) => summons.ports[0],
            Notice::Away(tuple) => return self.look_up_away(*tuple),
            Notice::Gone(tuple) => return self.take_gone(*tuple, now),
        };
        match (self.whereabouts(port), notice) {
            (Whereabouts::At(worker), notice) => self.tell(worker, notice),
            (Whereabouts::Coming, notice) => self.wait_for(port, notice),
            (Whereabouts::Here(slot), Notice::Offer(offer)) => self.take_offer(slot, &offer, now),
            (Whereabouts::Here(slot), Notice::GiveWay(relayed)) => {
                if self.allocations[slot].relayed == relayed {
                    self.remove(slot, now);
                }
            }
            (Whereabouts::Here(slot), Notice::Summon(summons)) => self.take_summons(slot, summons, now),
            (Whereabouts::Nowhere, Notice::Summon(summons)) => self.summon_next(summons),
            (Whereabouts::Nowhere, _) | (_, Notice::Away(_) | Notice::Gone(_)) => {}
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
            self.send_offer(slot, at, route, false, now);
        }
    }

    fn take_offer(&mut self, slot: usize, offer: &Offer, now: Duration) {
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
        self.send_offer(slot, at, route, wants_answer, now);
    }

    fn send_offer(&mut self, slot: usize, at: usize, route: Route, wants_answer: bool, now: Duration) {
        let allocation = &mut self.allocations[slot];
        let made = allocation.stamp(now);
        let from = allocation.at(at).peer.as_relayed();
        let (owner, scope) = (allocation.relayed, allocation.scope());
        let offer = Offer { owner, scope, from, route, made, wants_answer };
        self.tell(from.worker(self.workers), Notice::Offer(offer));
    }
}

fn lacks_route(peering: &Peering, now: Duration) -> bool {
    peering.via != PeerVerdict::Outside && !peering.route.is_some_and(|route| route.is_live(now))
}
