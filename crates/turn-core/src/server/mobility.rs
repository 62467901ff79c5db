//! Mobility: a client takes its allocations along to another 5-tuple, which may belong to another
//! worker. What a ticket looks like is not decided here. RFC 8016 §3.

use std::time::Duration;

use stun_wire::{AttributeType, Class, ErrorCode, MessageWriter, Method, TransactionId};

use super::authenticate::Request;
use super::refresh::describe_lifetime;
use super::{Answered, Server};
use crate::address::{FiveTuple, WorkerId};
use crate::config::Now;
use crate::counters::DropReason;
use crate::limits::EARLY_NOTICES_MAX;
use crate::moving::{Handover, Mobile, Moved, Summons};
use crate::route::Notice;
use crate::slots::Slots;
use crate::ticket::Ports;
use crate::verdict::{Event, Verdict};

impl Server {
    /// A client's allocations from another worker, where it was heard last. Their relay sockets are already
    /// here.
    pub fn handle_handover(&mut self, now: Now, handover: Handover) {
        let Handover { allocations, mobile, summons } = handover;
        let Some(tuple) = allocations.first().map(|allocation| allocation.tuple) else { return };
        for allocation in allocations {
            let port = allocation.relayed.0.port();
            self.take_lent(port);
            let slot = self.attach(allocation);
            // The worker it came from may not have heard of new rules when it left.
            self.review(slot, now.mono);
            self.catch_up(port);
        }
        if mobile.reached_at == self.worker {
            self.away.swap_remove(&tuple);
        }
        self.keep_mobile(tuple, mobile);
        let slots = self.by_tuple[&tuple];
        let side = self.allocations[slots.first()].side();
        if side.is_some_and(|(session, _)| self.ended.contains(session)) {
            // Its session ended while it was under way: the worker it came from had not heard of that yet.
            for slot in slots.iter() {
                self.remove(slot, now.mono);
            }
            self.refuse_summons(&summons, ErrorCode::AllocationMismatch);
        } else {
            self.arrive(tuple, &summons, now.mono);
        }
        self.settle(now.mono);
    }

    /// A datagram of a client that is still heard by another worker than the one it moved to, which is this.
    pub fn handle_passed_on<'d>(
        &mut self,
        now: Now,
        tuple: FiveTuple,
        datagram: &'d [u8],
        reply: &mut Vec<u8>,
    ) -> Verdict<'d> {
        if self.by_tuple.contains_key(&tuple) {
            return self.handle_client(now, tuple, datagram, reply);
        }
        // It is there no more, and nothing may begin on a 5-tuple whose packets reach somebody else.
        self.counters.drops[DropReason::NoAllocation as usize] += 1;
        Verdict::Drop(DropReason::NoAllocation)
    }

    /// A client's stream or DTLS association is over, and so are its allocations; but who has a ticket may
    /// come back with it.
    pub fn handle_client_gone(&mut self, now: Now, client: FiveTuple) {
        match self.away.get(&client) {
            Some(&worker) => self.tell(worker, Notice::Gone(client)),
            None => self.take_gone(client, now.mono),
        }
        self.settle(now.mono);
    }

    /// What MOBILITY-TICKET in an Allocate asks for.
    ///
    /// # Errors
    /// 400 for one that is not empty, 405 where there is no mobility.
    pub(super) fn wants_ticket(&self, request: &Request<'_>) -> Result<bool, ErrorCode> {
        match (request.message.find(AttributeType::MOBILITY_TICKET), &self.mobility) {
            (None, _) => Ok(false),
            //= RFC 8016 §3.1.2: "If the MOBILITY-TICKET attribute is included, and has a length of zero, but
            //= TURN session mobility is forbidden by local policy, the server will reject the request with
            //= the new error code 405 (Mobility Forbidden). If the MOBILITY-TICKET attribute is included and
            //= has a non-zero length, then the server will generate an error response with an error code of
            //= 400 (Bad Request)"
            (Some([]), None) => Err(ErrorCode::MobilityForbidden),
            (Some([]), Some(_)) => Ok(true),
            (Some(_), _) => Err(ErrorCode::BadRequest),
        }
    }

    /// A client that will move gets its first ticket.
    pub(super) fn begin_mobility(&mut self, tuple: FiveTuple, now: Duration) {
        let mobile = Mobile::new(self.random.bytes(), self.worker, now);
        self.keep_mobile(tuple, mobile);
    }

    fn keep_mobile(&mut self, tuple: FiveTuple, mut mobile: Mobile) {
        mobile.number = self.next_mobile;
        self.next_mobile += 1;
        self.mobile_births.insert(mobile.since, mobile.number);
        self.mobile.insert(tuple, mobile);
    }

    fn take_mobile(&mut self, tuple: &FiveTuple) -> Option<Mobile> {
        let mobile = self.mobile.swap_remove(tuple)?;
        self.mobile_births.remove(mobile.since, mobile.number);
        Some(mobile)
    }

    /// Refresh with a ticket: asks whoever serves the allocations to let them come.
    ///
    /// # Errors
    /// 405 where there is no mobility; 400 for a ticket that is not of this server, and on the 5-tuple it was
    /// made for; 437 on a 5-tuple that has allocations, 441 where these are somebody else's.
    pub(super) fn move_here(
        &mut self,
        given: &[u8],
        request: &Request<'_>,
        reply: &mut Vec<u8>,
    ) -> Result<Answered, ErrorCode> {
        let key = self.mobility.as_ref().ok_or(ErrorCode::MobilityForbidden)?;
        //= RFC 8016 §3.2.2: "If the ticket is invalid, then the server MUST reject the request with a 400
        //= (Bad Request) error"
        let (serial, ports) = key.open(given).ok_or(ErrorCode::BadRequest)?;
        let renewal = self.renewal(request.message)?;
        let (tuple, id) = (request.tuple, request.message.transaction_id());
        if self.by_tuple.contains_key(&tuple) {
            let slots = self.slots_of(request)?;
            let mobile = self.mobile.get(&self.allocations[slots.first()].tuple);
            //= RFC 8016 §3.2.2: "If the source IP address and port of the Refresh request with the STUN
            //= MOBILITY-TICKET attribute is the same as the stored 5-tuple allocation, then the TURN server
            //= rejects the request with a 400 (Bad Request) error"
            //= RFC 8016 §3.2.2: "The old ticket can only be used for the purposes of retransmission"
            return match mobile.map(|it| (it.repeats(serial, tuple, id), it.serial == serial)) {
                Some((Some(lifetime), _)) => {
                    request.succeed(reply, |writer| self.describe_move(slots, lifetime, writer));
                    Ok(Answered::Now)
                }
                Some((None, true)) => Err(ErrorCode::BadRequest),
                Some((None, false)) | None => Err(ErrorCode::AllocationMismatch),
            };
        }
        let (worker, identity, key) = (self.worker, request.identity, request.key.clone());
        let summons = Summons { tuple, worker, identity, key, id, serial, ports, renewal };
        self.tell(self.home(ports[0]), Notice::Summon(Box::new(summons)));
        Ok(Answered::Later)
    }

    /// A ticket names the allocation in `slot`, or did once.
    pub(super) fn take_summons(&mut self, slot: usize, summons: Box<Summons>, now: Duration) {
        let (tuple, identity) = (self.allocations[slot].tuple, self.allocations[slot].identity);
        let slots = self.by_tuple[&tuple];
        let Some(mobile) = self.mobile.get(&tuple) else { return self.summon_next(summons) };
        if identity == summons.identity && !self.allocations[slots.first()].pace.admits(now) {
            self.counters.drops[DropReason::OverRequests as usize] += 1;
            return;
        }
        let has_family = summons.renewal.family.is_none_or(|family| self.of_family(slots, family).is_some());
        let refused = match mobile.repeats(summons.serial, summons.tuple, summons.id) {
            Some(lifetime) => return self.answer_move(Some(slots), lifetime, &summons),
            None if mobile.serial != summons.serial => return self.summon_next(summons),
            //= RFC 8016 §3.2.2: "the TURN server proceeds with a MESSAGE-INTEGRITY validation to identify
            //= that it is the same user that had previously created the TURN allocation. If the above check
            //= is not successful, then the server MUST reject the request with a 441 (Wrong Credentials)
            //= error"
            None if identity != summons.identity => Some(ErrorCode::WrongCredentials),
            None if tuple == summons.tuple => Some(ErrorCode::BadRequest),
            None if !has_family => Some(ErrorCode::PeerAddressFamilyMismatch),
            None => None,
        };
        match refused {
            Some(code) => self.refuse_summons(&summons, code),
            None if summons.worker == self.worker => self.arrive(tuple, &summons, now),
            None => self.hand_over(tuple, slots, summons, now),
        }
    }

    /// The first of the relayed addresses that a ticket names is not there: perhaps the other one is.
    pub(super) fn summon_next(&mut self, mut summons: Box<Summons>) {
        summons.ports = [summons.ports[1], 0];
        if summons.ports[0] == 0 {
            //= RFC 8016 §3.2.2: "If this 5-tuple obtained does not identify an existing allocation, then the
            //= server MUST reject the request with a 437 (Allocation Mismatch) error"
            return self.refuse_summons(&summons, ErrorCode::AllocationMismatch);
        }
        self.tell(self.home(summons.ports[0]), Notice::Summon(summons));
    }

    /// The connection of a 5-tuple is over.
    pub(super) fn take_gone(&mut self, client: FiveTuple, now: Duration) {
        let Some(&slots) = self.by_tuple.get(&client) else { return };
        let active = self.allocations[slots.first()].tuple;
        let Some(mobile) = self.mobile.get_mut(&active) else {
            return slots.iter().for_each(|slot| self.remove(slot, now));
        };
        match mobile.next {
            // It was not heard there.
            Some(next) if next == client => {
                mobile.next = None;
                self.by_tuple.swap_remove(&next);
            }
            //= RFC 8016 §3.2.2: "or a message from the client to close the old connection (e.g., a TLS fatal
            //= alert or TCP RST)"
            Some(next) => self.switch(slots, active, next, now),
            // Its connection broke before it could move: the ticket is what it asked for in case of that.
            None => {}
        }
    }

    /// Whose the datagrams of a 5-tuple are that come here. Notices of several workers about one client may
    /// overtake each other; whichever is the last finds the directory as it is.
    pub(super) fn look_up_away(&mut self, tuple: FiveTuple) {
        let server = self.directory().away().get(&tuple).copied();
        match server.filter(|_| !self.by_tuple.contains_key(&tuple)) {
            Some(worker) => self.away.insert(tuple, worker),
            None => {
                self.release(tuple);
                self.away.swap_remove(&tuple)
            }
        };
    }

    /// Keeps a notice for an allocation that is on its way here; one too many is lost, if it may be.
    pub(super) fn wait_for(&mut self, port: u16, notice: Notice) {
        if self.early.len() >= EARLY_NOTICES_MAX && notice.may_be_lost() {
            return self.handle_lost_notice(notice);
        }
        self.early.push((port, notice));
    }

    /// Data of a client came on this 5-tuple: where it moved there, everything follows.
    pub(super) fn follow(&mut self, slots: Slots, tuple: &FiveTuple, now: Duration) {
        //= RFC 8016 §3.2.2: "The TURN server MUST continue receiving and processing data on the old 5-tuple
        //= and MUST continue transmitting data on the old-5 tuple until it receives a Send Indication or
        //= ChannelData message from the client on the new 5-tuple"
        if self.mobile.is_empty() {
            return;
        }
        let old = self.allocations[slots.first()].tuple;
        if old != *tuple {
            self.switch(slots, old, *tuple, now);
        }
    }

    fn switch(&mut self, slots: Slots, old: FiveTuple, tuple: FiveTuple, now: Duration) {
        let made_by = self.allocations[slots.first()].made_by;
        let mut mobile = self.take_mobile(&old).expect("only a client with a ticket moves");
        self.by_tuple.swap_remove(&old);
        self.leave(old, made_by, mobile.reached_at, now);
        mobile.reached_at = self.worker;
        mobile.next = None;
        self.keep_mobile(tuple, mobile);
        for slot in slots.iter() {
            self.allocations[slot].tuple = tuple;
            self.redirect_routes(slot, now);
        }
        self.counters.moves += 1;
    }

    /// All allocations of a 5-tuple are gone, and so is what was kept about its client.
    pub(super) fn forget_client(&mut self, tuple: FiveTuple, made_by: TransactionId, now: Duration) {
        self.by_tuple.swap_remove(&tuple);
        let mobile = self.take_mobile(&tuple);
        if let Some(next) = mobile.as_ref().and_then(|mobile| mobile.next) {
            self.by_tuple.swap_remove(&next);
            self.release(next);
        }
        self.leave(tuple, made_by, mobile.map_or(self.worker, |mobile| mobile.reached_at), now);
    }

    /// The MOBILITY-TICKET of a client that has one.
    pub(super) fn describe_ticket(&self, slots: Slots, writer: &mut MessageWriter<'_>) {
        let mobile = self.mobile.get(&self.allocations[slots.first()].tuple);
        if let (Some(mobile), Some(key)) = (mobile, &self.mobility) {
            let mut ports: Ports = [0; 2];
            for (place, slot) in ports.iter_mut().zip(slots.iter()) {
                *place = self.allocations[slot].relayed.0.port();
            }
            writer.attribute(AttributeType::MOBILITY_TICKET, &key.seal(mobile.serial, ports));
        }
    }

    /// The client of `old` is now at another 5-tuple of ours; nothing else changes until it is heard there.
    fn arrive(&mut self, old: FiveTuple, summons: &Summons, now: Duration) {
        if self.by_tuple.contains_key(&summons.tuple) {
            return self.refuse_summons(summons, ErrorCode::AllocationMismatch);
        }
        let slots = self.by_tuple[&old];
        let serial = self.random.bytes();
        let mobile = self.mobile.get_mut(&old).expect("only a client with a ticket moves");
        let lifetime = summons.renewal.lifetime;
        let moved = Moved { serial: summons.serial, tuple: summons.tuple, id: summons.id, lifetime };
        mobile.moved = Some(moved);
        //= RFC 8016 §3.2.2: "The new ticket sent in the refresh response MUST be different from the old
        //= ticket"
        mobile.serial = serial;
        let before = mobile.next.replace(summons.tuple);
        if let Some(before) = before {
            // It moved on before it was heard there.
            self.by_tuple.swap_remove(&before);
            self.release(before);
        }
        self.by_tuple.insert(summons.tuple, slots);
        match self.renew(slots, summons.renewal, now) {
            Ok(()) => {
                let left = self.by_tuple.get(&summons.tuple).copied();
                self.answer_move(left, lifetime, summons);
            }
            Err(code) => self.refuse_summons(summons, code),
        }
    }

    fn hand_over(&mut self, tuple: FiveTuple, slots: Slots, summons: Box<Summons>, now: Duration) {
        let worker = summons.worker;
        let mut mobile = self.take_mobile(&tuple).expect("only a client with a ticket moves");
        let made_by = self.allocations[slots.first()].made_by;
        self.by_tuple.swap_remove(&tuple);
        if let Some(next) = mobile.next.take() {
            self.by_tuple.swap_remove(&next);
            self.release(next);
        }
        let mut allocations = Vec::new();
        for slot in slots.iter() {
            let allocation = self.detach(slot);
            self.lend(allocation.relayed.0.port(), worker);
            allocations.push(allocation);
        }
        if mobile.reached_at == worker {
            self.directory().away().swap_remove(&tuple);
        } else {
            self.directory().away().insert(tuple, worker);
        }
        if mobile.reached_at == self.worker {
            self.spend(&tuple, made_by, now);
            self.away.insert(tuple, worker);
        } else if mobile.reached_at != worker {
            self.tell(mobile.reached_at, Notice::Away(tuple));
        }
        let handover = Handover { allocations, mobile, summons };
        self.events.push_back(Event::HandOver { worker, handover });
    }

    /// A 5-tuple is free again, and whoever gets its datagrams learns that.
    fn leave(&mut self, tuple: FiveTuple, made_by: TransactionId, reached_at: WorkerId, now: Duration) {
        if reached_at == self.worker {
            self.spend(&tuple, made_by, now);
            self.release(tuple);
        } else {
            self.directory().away().swap_remove(&tuple);
            self.tell(reached_at, Notice::Away(tuple));
        }
    }

    /// A connection of ours serves no allocation any more.
    fn release(&mut self, client: FiveTuple) {
        if client.listener.is_connected() {
            self.events.push_back(Event::Released { client });
        }
    }

    /// Takes up what came for an allocation before it came itself.
    fn catch_up(&mut self, port: u16) {
        let waiting = self.early.extract_if(.., |(about, _)| *about == port);
        self.inbox.extend(waiting.map(|(_, notice)| notice));
    }

    /// `left`: the allocations that the Refresh did not end.
    fn answer_move(&mut self, left: Option<Slots>, lifetime: Duration, summons: &Summons) {
        let mut message = Vec::new();
        let mut writer = MessageWriter::new(&mut message, Class::Success, Method::REFRESH, summons.id);
        match left {
            Some(slots) => self.describe_move(slots, lifetime, &mut writer),
            None => describe_lifetime(lifetime, &mut writer),
        }
        writer.integrity(&summons.key);
        self.events.push_back(Event::Send { to: summons.tuple, message });
        self.counters.successes += 1;
    }

    pub(super) fn refuse_summons(&mut self, summons: &Summons, code: ErrorCode) {
        let mut message = Vec::new();
        MessageWriter::new(&mut message, Class::Error, Method::REFRESH, summons.id)
            .error_code(code)
            .integrity(&summons.key);
        self.events.push_back(Event::Send { to: summons.tuple, message });
        self.counters.errors += 1;
    }

    fn describe_move(&self, slots: Slots, lifetime: Duration, writer: &mut MessageWriter<'_>) {
        describe_lifetime(lifetime, writer);
        self.describe_ticket(slots, writer);
    }
}
