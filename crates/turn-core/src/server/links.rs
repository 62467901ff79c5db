//! How two allocations of the appliance find the way to each other: each tells the other's worker what it
//! accepts. The relayed address names the worker (its port modulo their number), so nothing has to be looked
//! up.

use std::time::Duration;

use stun_wire::ErrorCode;

use super::Server;
use super::reserve::Whereabouts;
use crate::address::PeerAddr;
use crate::limits::{OFFER_NEWS_MIN, ROUTE_ASK_INTERVAL};
use crate::route::{Notice, Offer, Route};

impl Server {
    /// A notice that [`Notice::may_be_lost`] was: there was no room for it.
    pub fn handle_lost_notice(&mut self, notice: Notice) {
        match notice {
            Notice::Bind(binding) => self.refuse_binding(&binding, ErrorCode::InsufficientCapacity),
            // On anything but a stream it is asked again.
            Notice::Summon(summons) if summons.tuple.listener.is_stream() => {
                self.refuse_summons(&summons, ErrorCode::InsufficientCapacity);
            }
            _ => {}
        }
    }

    pub(super) fn take_notice(&mut self, now: Duration, notice: Notice) {
        let port = match &notice {
            Notice::Offer(offer)
            | Notice::Channel(offer)
            | Notice::Redirection(offer)
            | Notice::Closure(offer) => offer.from.0.port(),
            Notice::GiveWay(relayed) => relayed.0.port(),
            Notice::Summon(summons) => summons.ports[0],
            Notice::Away(tuple) => return self.look_up_away(*tuple),
            Notice::Gone(tuple) => return self.take_gone(*tuple, now),
            Notice::Bind(binding) => return self.take_binding(binding),
        };
        match (self.whereabouts(port), notice) {
            (Whereabouts::At(worker), notice) => self.tell(worker, notice),
            (Whereabouts::Coming, notice) => self.wait_for(port, notice),
            (
                Whereabouts::Here(slot),
                Notice::Offer(offer) | Notice::Channel(offer) | Notice::Redirection(offer),
            ) => {
                self.take_offer(slot, &offer, now);
            }
            (Whereabouts::Here(slot), Notice::Closure(offer)) => {
                if let Some(at) = self.take_offer(slot, &offer, now) {
                    self.allocations[slot].forget_offer(at);
                }
            }
            (Whereabouts::Here(slot), Notice::GiveWay(relayed)) => {
                if self.allocations[slot].relayed == relayed {
                    self.remove(slot, now);
                }
            }
            (Whereabouts::Here(slot), Notice::Summon(summons)) => self.take_summons(slot, summons, now),
            (Whereabouts::Nowhere, Notice::Summon(summons)) => self.summon_next(summons),
            (Whereabouts::Nowhere, _) | (_, Notice::Away(_) | Notice::Gone(_) | Notice::Bind(_)) => {}
        }
    }

    /// A client permitted these peers, and with each all others of its address: those learn it to whom it is
    /// news. Who was named is asked for a route if there is none.
    pub(super) fn renew_offers(&mut self, slot: usize, named: &[PeerAddr], now: Duration) {
        let places: Vec<usize> = self.allocations[slot].routed().collect();
        for at in places {
            let allocation = &self.allocations[slot];
            let PeerAddr(peer) = allocation.at(at).peer;
            let is_named = named.contains(&PeerAddr(peer));
            if !named.iter().any(|named| named.0.ip() == peer.ip()) {
                continue;
            }
            let least = if is_named { ROUTE_ASK_INTERVAL } else { OFFER_NEWS_MIN };
            let is_news = allocation.news_for(at, now) >= least;
            let asks = (is_named || is_news) && self.may_ask(slot, at, now);
            if is_news || asks {
                self.offer(slot, at, now, asks);
            }
        }
    }

    /// A client bound a channel to the peer at `at`. A new one is used when the client has the answer
    /// ([`Notice::follows_answers`]); the way is there before, so that nothing is lost meanwhile.
    pub(super) fn offer_channel(&mut self, slot: usize, at: usize, is_new: bool, now: Duration) {
        if !self.allocations[slot].at(at).via.goes_by_route() {
            return;
        }
        let asks = self.may_ask(slot, at, now);
        if !is_new {
            return self.offer(slot, at, now, asks);
        }
        let route = self.allocations[slot].route_for(at, now);
        let offer = self.make_offer(slot, at, Route { channel: None, ..route }, asks, now);
        self.tell(offer.from.worker(self.workers), Notice::Offer(offer));
        let offer = self.make_offer(slot, at, route, false, now);
        self.tell(offer.from.worker(self.workers), Notice::Channel(offer));
    }

    /// A packet found no route: asks the peer's worker for one, at most once a second.
    pub(super) fn ask_for_route(&mut self, slot: usize, at: usize, now: Duration) {
        if self.may_ask(slot, at, now) {
            self.offer(slot, at, now, true);
        }
    }

    /// The allocation in `slot` lives longer: those who have a route to it learn it, if it is news to them.
    pub(super) fn renew_all_offers(&mut self, slot: usize, now: Duration) {
        let allocation = &self.allocations[slot];
        let is_news = |at: &usize| allocation.news_for(*at, now) >= OFFER_NEWS_MIN;
        let places: Vec<usize> = allocation.routed().filter(is_news).collect();
        for at in places {
            self.offer(slot, at, now, false);
        }
    }

    /// The client of the allocation in `slot` is elsewhere: every route to it leads there now.
    pub(super) fn redirect_routes(&mut self, slot: usize, now: Duration) {
        let allocation = &self.allocations[slot];
        let knows = |at: &usize| now < allocation.at(*at).offered;
        let places: Vec<usize> = allocation.routed().filter(knows).collect();
        for at in places {
            let route = self.allocations[slot].route_for(at, now);
            let redirection = self.make_offer(slot, at, route, false, now);
            self.tell(redirection.from.worker(self.workers), Notice::Redirection(redirection));
        }
    }

    /// The allocation in `slot` ends, and every route to it or from it.
    pub(super) fn withdraw_routes(&mut self, slot: usize, now: Duration) {
        let allocation = &self.allocations[slot];
        let is_routed = |at: &usize| allocation.at(*at).is_routed(now);
        let places: Vec<usize> = allocation.routed().filter(is_routed).collect();
        for at in places {
            self.close_route(slot, at, now);
        }
    }

    /// There is no way between the allocation in `slot` and the peer at `at` any more.
    pub(super) fn close_route(&mut self, slot: usize, at: usize, now: Duration) {
        let route = Route { deadline: Duration::ZERO, ..self.allocations[slot].route_for(at, now) };
        let closure = self.make_offer(slot, at, route, false, now);
        self.tell(closure.from.worker(self.workers), Notice::Closure(closure));
    }

    /// Returns the place of the peer whose offer was taken.
    fn take_offer(&mut self, slot: usize, offer: &Offer, now: Duration) -> Option<usize> {
        let allocation = &mut self.allocations[slot];
        let to_itself = offer.owner == offer.from;
        if allocation.relayed != offer.from || to_itself || !allocation.scope().may_meet(offer.scope) {
            return None;
        }
        // Datagrams have no way to a client that relays TCP.
        if allocation.tcp.is_some() {
            return None;
        }
        // A withdrawal of what was never taken makes no place for itself.
        if !offer.route.is_live(now)
            && !offer.wants_answer
            && allocation.find_peer(offer.owner.as_peer()).is_none()
        {
            return None;
        }
        let taken = allocation.take_offer(offer, now);
        self.by_tuple.forget_way(&self.allocations[slot].tuple);
        if let Some(at) = taken
            && offer.wants_answer
        {
            self.offer(slot, at, now, false);
        }
        taken
    }

    /// Tells the worker of the peer at `at` what the allocation in `slot` accepts from it.
    fn offer(&mut self, slot: usize, at: usize, now: Duration, wants_answer: bool) {
        let route = self.allocations[slot].route_for(at, now);
        let offer = self.make_offer(slot, at, route, wants_answer, now);
        self.tell(offer.from.worker(self.workers), Notice::Offer(offer));
    }

    fn make_offer(
        &mut self,
        slot: usize,
        at: usize,
        route: Route,
        wants_answer: bool,
        now: Duration,
    ) -> Offer {
        let allocation = &mut self.allocations[slot];
        let made = allocation.tell(at, route.deadline, now);
        let from = allocation.at(at).peer.as_relayed();
        Offer { owner: allocation.relayed, scope: allocation.scope(), from, route, made, wants_answer }
    }

    /// Whether to ask the peer at `at` for a route: there is none, and that was not done a moment ago.
    fn may_ask(&mut self, slot: usize, at: usize, now: Duration) -> bool {
        let allocation = &mut self.allocations[slot];
        allocation.at(at).lacks_route(now) && allocation.may_ask(at, now)
    }
}
