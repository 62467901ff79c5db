//! The server: where datagrams, time and notices come in and verdicts and events go out.
//! What a request does is in the modules below; this one finds the allocation and keeps the maps in step.

mod allocate;
mod authenticate;
mod binding;
mod drain;
mod forward;
mod icmp;
mod kept;
mod links;
mod mobility;
mod permit;
mod refresh;
mod reserve;
mod rules;
mod share;
mod tcp;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use indexmap::IndexMap;
use slab::Slab;
use stun_wire::{AddressFamily, Class, ErrorCode, FirstByte, Message, Method, TransactionId};

use self::reserve::Reserved;
pub use self::share::Owner;
use crate::address::{FiveTuple, PeerAddr, RelayedAddr, WorkerId};
use crate::algorithms::Algorithms;
use crate::allocation::{Allocation, RelaySocket};
use crate::bandwidth::Bandwidth;
use crate::budget::{Admission, AnswerBudget, FailureBudget, Question};
use crate::clients::Clients;
use crate::config::{Config, External, Now};
use crate::connections::ConnectionId;
use crate::counters::{Counters, DropReason};
use crate::credentials::{Credentials, SessionId};
use crate::deadlines::Deadlines;
use crate::directory::Directory;
use crate::discovery::Discovery;
use crate::ended::Ended;
use crate::keyed::{Keyed, KeyedMap};
use crate::limits::RELAY_BIND_ATTEMPTS_MAX;
use crate::moving::Mobile;
use crate::nonce::{Features, Nonces};
use crate::policy::AddressPolicy;
use crate::ports::PortPool;
use crate::random::Random;
use crate::ranges::is_tunnel;
use crate::route::Notice;
use crate::shared_secret::SharedSecret;
use crate::slots::Slots;
use crate::spent::Spent;
use crate::ticket::TicketKey;
use crate::verdict::{Event, Hop, Verdict};

/// The STUN and TURN server of one worker.
///
/// The order of calls: hand in what happened by one of the `handle_*`, carry out the verdict, then take
/// [`Server::poll_event`] until it is empty **before** the reply is sent, so that a client never learns of a
/// relayed address before the relay is ready for it. Call [`Server::handle_deadline`] no later than
/// [`Server::next_deadline`]. `now.mono` must not go back between calls.
///
/// Forwarding never enters the event queue and allocates nothing once an allocation is set up.
pub struct Server {
    worker: WorkerId,
    workers: u16,
    addresses: AddressPolicy,
    external: Vec<External>,
    discovery: Vec<Discovery>,
    lifetime_max: Duration,
    relay_ports: RangeInclusive<u16>,
    old_channels: bool,
    icmp: bool,
    credentials: Credentials,
    algorithms: Algorithms,
    nonces: Nonces,
    answers: AnswerBudget,
    failures: FailureBudget,
    random: Random,
    directory: Arc<Mutex<Directory>>,
    bandwidth: Arc<Bandwidth>,
    allocations: Slab<Allocation>,
    by_tuple: Clients,
    by_port: KeyedMap<u16, usize>,
    by_session: KeyedMap<SessionId, Vec<usize>>,
    deadlines: Deadlines,
    /// Since when they are there, oldest first.
    births: Deadlines,
    /// Numbers of relayed addresses without sockets.
    closed_numbers: PortPool,
    /// Ports of relay sockets.
    public_ports: PortPool,
    /// How many numbers both pools began with.
    #[cfg(debug_assertions)]
    numbers: usize,
    /// Reservations that this worker made, with their end, oldest first.
    reserved: VecDeque<Reserved>,
    spent: Spent,
    /// TCP connections of allocations, with the allocation's slot.
    connections: KeyedMap<ConnectionId, usize>,
    /// Since when they are there, oldest first.
    connection_births: Deadlines<ConnectionId>,
    /// When those end that are not bound.
    waits: Deadlines<ConnectionId>,
    mobility: Option<TicketKey>,
    /// Clients with tickets, by the 5-tuple they were heard on last.
    mobile: KeyedMap<FiveTuple, Mobile>,
    /// Since when they have tickets, by their numbers, and the next number.
    mobile_births: Deadlines<u64>,
    next_mobile: u64,
    /// 5-tuples whose datagrams come here and belong to another worker.
    away: KeyedMap<FiveTuple, WorkerId>,
    /// Notices about allocations that are on their way here, with their ports.
    early: Vec<(u16, Notice)>,
    ended: Ended,
    /// When the directory is to forget sides that hold nothing.
    rests_until: Option<Duration>,
    /// While the server drains: the servers that newcomers are sent to.
    drain: Option<Vec<SocketAddr>>,
    /// Notices of this worker to itself.
    inbox: VecDeque<Notice>,
    events: VecDeque<Event>,
    counters: Counters,
}

impl Server {
    /// A server for one worker; `seed` is all its randomness, and `directory` is shared by all workers.
    pub fn new(config: Config, directory: Arc<Mutex<Directory>>, seed: [u8; 32]) -> Self {
        let mut random = Random::new(seed);
        let keyed = Keyed(random.u64(), random.u64());
        let algorithms = Algorithms::new(&config.password_algorithms);
        let features = Features::of(&algorithms, config.username_anonymity);
        let nonces = Nonces::new(random.bytes(), features);
        let Config { worker, workers, relay_ports, addresses, .. } = config;
        let workers = workers.max(1);
        let is_listening = |port: &u16| addresses.listening.iter().any(|socket| socket.port() == *port);
        let mine = RelayedAddr::ports_of(worker, workers).filter(|port| *port >= 1024 && !is_listening(port));
        let closed_numbers = PortPool::new(mine.clone().filter(|port| !relay_ports.contains(port)));
        let public_ports = PortPool::new(mine.filter(|port| relay_ports.contains(port)));
        let credentials = Credentials::new(
            config.realm,
            config.session_key,
            config.session_peers,
            config.shared_secrets,
            config.users,
            config.tcp,
            random.bytes(),
        );
        let bandwidth = directory.lock().expect("no worker panics while it holds the directory").bandwidth();
        Self {
            worker,
            workers,
            addresses,
            external: config.external,
            discovery: config.discovery,
            lifetime_max: config.lifetime_max,
            relay_ports,
            old_channels: config.old_channels,
            icmp: config.icmp,
            credentials,
            algorithms,
            nonces,
            answers: AnswerBudget::new(config.answers, workers, keyed),
            failures: FailureBudget::new(workers, keyed),
            random,
            directory,
            bandwidth,
            allocations: Slab::new(),
            by_tuple: Clients::new(keyed),
            by_port: IndexMap::with_hasher(keyed),
            by_session: IndexMap::with_hasher(keyed),
            deadlines: Deadlines::default(),
            births: Deadlines::default(),
            #[cfg(debug_assertions)]
            numbers: closed_numbers.idle() + public_ports.idle(),
            closed_numbers,
            public_ports,
            reserved: VecDeque::new(),
            spent: Spent::new(keyed),
            connections: IndexMap::with_hasher(keyed),
            connection_births: Deadlines::default(),
            waits: Deadlines::default(),
            mobility: config.mobility,
            mobile: IndexMap::with_hasher(keyed),
            mobile_births: Deadlines::default(),
            next_mobile: 0,
            away: IndexMap::with_hasher(keyed),
            early: Vec::new(),
            ended: Ended::new(keyed),
            rests_until: None,
            drain: None,
            inbox: VecDeque::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// A datagram from a client, or from anybody else who reached a listening socket. An answer is appended
    /// to `reply`.
    pub fn handle_client<'d>(
        &mut self,
        now: Now,
        tuple: FiveTuple,
        datagram: &'d [u8],
        reply: &mut Vec<u8>,
    ) -> Verdict<'d> {
        if !self.away.is_empty()
            && let Some(&worker) = self.away.get(&tuple)
        {
            self.events.push_back(Event::PassOn { worker, tuple, datagram: datagram.to_vec() });
            return Verdict::Later;
        }
        let verdict = match FirstByte::of(datagram) {
            FirstByte::ChannelData => self.handle_channel_data(now.mono, &tuple, datagram),
            FirstByte::Stun => self.handle_stun(now, tuple, datagram, reply),
            FirstByte::Other => Verdict::Drop(DropReason::NotStun),
        };
        self.settle(now.mono);
        self.count(&verdict);
        verdict
    }

    /// Datagrams of these clients come next, in this order. Nothing has to be announced, and nothing that is
    /// has to come: it only costs less, because the memory of many is waited for at once.
    pub fn foresee(&mut self, clients: impl Iterator<Item = FiveTuple>) {
        self.by_tuple.foresee(clients);
    }

    /// A datagram from `peer` on the relay socket with this port.
    pub fn handle_peer<'d>(&mut self, now: Now, port: u16, peer: PeerAddr, payload: &'d [u8]) -> Verdict<'d> {
        match self.hop_from_peer(now.mono, port, peer, payload) {
            Ok(hop) => {
                self.counters.from_peer_packets += 1;
                self.counters.from_peer_bytes += payload.len() as u64;
                Verdict::Forward { hop, payload }
            }
            Err(reason) => {
                self.counters.drops[reason as usize] += 1;
                Verdict::Drop(reason)
            }
        }
    }

    /// The relay socket of [`Event::OpenRelay`] is bound, or cannot be; or an open one is lost.
    pub fn handle_relay_opened(&mut self, now: Now, port: u16, opened: bool) {
        let Some(&slot) = self.by_port.get(&port) else { return };
        let RelaySocket::Opening { ip, attempts } = self.allocations[slot].relay else {
            if !opened && self.allocations[slot].relay == RelaySocket::Open {
                self.remove(slot, now.mono);
                self.settle(now.mono);
            }
            return;
        };
        if opened {
            self.allocations[slot].relay = RelaySocket::Open;
            if self.allocations[slot].tcp.is_some() {
                let relayed = self.allocations[slot].relayed;
                self.directory().listening().insert(relayed);
            }
            self.answer_allocate_later(slot, now.mono);
        } else if attempts + 1 < RELAY_BIND_ATTEMPTS_MAX && self.retry_relay(slot, ip, attempts + 1, now.mono)
        {
            // The next port is being tried.
        } else {
            self.give_up_relay(slot, now.mono);
        }
        self.settle(now.mono);
    }

    /// What another worker tells.
    pub fn handle_notice(&mut self, now: Now, notice: Notice) {
        self.inbox.push_back(notice);
        self.settle(now.mono);
    }

    /// A session is over: its allocations end, and its credentials are refused until `until_unix_s`, when
    /// they expire by themselves.
    pub fn handle_session_ended(&mut self, now: Now, session: SessionId, until_unix_s: u64) {
        self.ended.add(session, until_unix_s, now);
        self.end_reservations(session, now.mono);
        while let Some(&slot) = self.by_session.get(&session).and_then(|slots| slots.last()) {
            self.remove(slot, now.mono);
        }
        self.settle(now.mono);
    }

    /// From here on these are the secrets shared with other software. Who has an allocation proves itself
    /// with its key as before; a new one takes a credential of the new secrets.
    pub fn handle_secrets(&mut self, secrets: &[SharedSecret]) {
        self.credentials.replace_shared_secrets(secrets);
    }

    /// Ends what has run out.
    pub fn handle_deadline(&mut self, now: Now) {
        while let Some(slot) = self.deadlines.due(now.mono) {
            self.remove(slot, now.mono);
        }
        self.lapse_reservations(now.mono);
        self.lapse_connections(now.mono);
        self.ended.lapse(now);
        self.spent.lapse(now.mono);
        if self.rests_until.is_some_and(|until| until <= now.mono) {
            let next = self.directory().forget_rested(now.mono);
            self.rests_until = next;
        }
        self.settle(now.mono);
    }

    /// The next thing to be done, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Server::handle_deadline`] is due, since start; O(1).
    pub fn next_deadline(&self) -> Option<Duration> {
        [self.next_end(), self.ended.next(), self.spent.next(), self.rests_until].into_iter().flatten().min()
    }

    /// Which worker's it is.
    pub const fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Whether this client has an allocation.
    pub fn holds_allocation(&self, client: &FiveTuple) -> bool {
        self.by_tuple.contains_key(client) || self.away.contains_key(client)
    }

    /// Whether it keeps nothing for anybody, and every number is at home or may be fetched. What is only
    /// remembered against repetition does not count.
    pub fn is_empty(&self) -> bool {
        let maps = [self.by_tuple.len(), self.by_port.len(), self.by_session.len(), self.allocations.len()];
        let moving = [self.mobile.len(), self.away.len(), self.early.len(), self.reserved.len()];
        let moving = moving.into_iter().chain([self.connections.len()]);
        let to_fetch = self.directory().reservations().waiting_for(self.worker, self.workers);
        let is_whole = self.closed_numbers.away() + self.public_ports.away() == to_fetch;
        maps.into_iter().chain(moving).all(|length| length == 0) && self.next_end().is_none() && is_whole
    }

    /// What was counted so far.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    fn handle_stun<'d>(
        &mut self,
        now: Now,
        tuple: FiveTuple,
        datagram: &'d [u8],
        reply: &mut Vec<u8>,
    ) -> Verdict<'d> {
        if !tuple.listener.is_connected() && self.addresses.is_hopeless(&tuple) {
            return Verdict::Drop(DropReason::HopelessSource);
        }
        let Ok(message) = Message::parse(datagram) else { return Verdict::Drop(DropReason::BadMessage) };
        match (message.class(), message.method()) {
            (Class::Indication, Method::SEND) => self.handle_send(now.mono, &tuple, &message),
            (Class::Request, Method::BINDING) => self.handle_binding(now, tuple, &message, reply),
            (
                Class::Request,
                Method::ALLOCATE | Method::REFRESH | Method::CREATE_PERMISSION | Method::CHANNEL_BIND,
            ) => self.handle_request(now, tuple, &message, reply),
            (Class::Request, Method::CONNECT | Method::CONNECTION_BIND) if self.credentials.relay_tcp() => {
                self.handle_request(now, tuple, &message, reply)
            }
            //= RFC 8489 §6.3: "It checks that the message class is allowed for the particular method. ... If
            //= any errors are detected, the message is silently discarded"
            // So two servers can't be made to talk to each other.
            _ => Verdict::Drop(DropReason::NotARequest),
        }
    }

    fn handle_request<'d>(
        &mut self,
        now: Now,
        tuple: FiveTuple,
        message: &Message<'_>,
        reply: &mut Vec<u8>,
    ) -> Verdict<'d> {
        let request = match self.authenticate(now, tuple, message, reply) {
            Ok(request) => request,
            Err(verdict) => return verdict,
        };
        if !self.keeps_pace(&request, now.mono) {
            return Verdict::Drop(DropReason::OverRequests);
        }
        if message.method() == Method::ALLOCATE && self.turns_away(&request) {
            return self.turn_away(&request, reply);
        }
        let done = match message.method() {
            //= RFC 8656 §21.4: "a TURN server MUST NOT accept Teredo or 6to4 addresses in these requests"
            _ if is_tunnel(tuple.client.0.ip()) => Err(ErrorCode::Forbidden),
            Method::ALLOCATE if self.spent.contains(&tuple, message.transaction_id()) => {
                Err(ErrorCode::AllocationMismatch)
            }
            Method::ALLOCATE => self.allocate(now.mono, &request, reply),
            Method::REFRESH => self.refresh(now.mono, &request, reply),
            Method::CREATE_PERMISSION => self.create_permission(now.mono, &request, reply),
            Method::CONNECT => self.connect(now.mono, &request),
            Method::CONNECTION_BIND => self.connection_bind(&request),
            _ => self.channel_bind(now.mono, &request, reply),
        };
        match done {
            Ok(Answered::Now) => {
                self.counters.successes += 1;
                Verdict::Reply
            }
            Ok(Answered::Later) => Verdict::Later,
            Err(code) => {
                self.counters.errors += 1;
                request.refuse(code, reply);
                Verdict::Reply
            }
        }
    }

    /// Enters a new allocation, whose number is already taken and counted by the directory. Returns its slot.
    fn insert(&mut self, allocation: Allocation) -> usize {
        self.counters.allocations_made += 1;
        self.attach(allocation)
    }

    /// Ends an allocation: tells those who have a route to it, and lets its number rest.
    fn remove(&mut self, slot: usize, now: Duration) {
        self.withdraw_routes(slot, now);
        self.forget_connections(slot);
        let allocation = self.detach(slot);
        let mobile = self.mobile.get(&allocation.tuple);
        let next = mobile.and_then(|mobile| mobile.next);
        match self.by_tuple[&allocation.tuple].without(slot) {
            Some(slots) => {
                for tuple in [Some(allocation.tuple), next].into_iter().flatten() {
                    self.by_tuple.insert(tuple, slots);
                }
            }
            None => self.forget_client(allocation.tuple, allocation.made_by, now),
        }
        let port = allocation.relayed.0.port();
        let Allocation { identity, prefix, relayed, ref meter, .. } = allocation;
        let rests_until = self.directory().release(identity, prefix, relayed, meter.as_deref(), now);
        self.rests_until = rests_until;
        self.give_back(port, now);
        if allocation.relay != RelaySocket::None {
            self.events.push_back(Event::CloseRelay { port });
        }
    }

    /// Remembers the request that made an allocation which has ended.
    fn spend(&mut self, tuple: &FiveTuple, made_by: TransactionId, now: Duration) {
        self.spent.add(tuple, made_by, now);
    }

    /// Enters an allocation into every map.
    fn attach(&mut self, allocation: Allocation) -> usize {
        let (tuple, port, expires) = (allocation.tuple, allocation.relayed.0.port(), allocation.expires);
        let made = allocation.made;
        let session = allocation.side().map(|(session, _)| session);
        let slot = self.allocations.insert(allocation);
        let slots = self.by_tuple.get(&tuple).map_or(Slots::one(slot), |slots| slots.and(slot));
        self.by_tuple.insert(tuple, slots);
        self.by_port.insert(port, slot);
        if let Some(session) = session {
            self.by_session.entry(session).or_default().push(slot);
        }
        self.deadlines.insert(expires, slot);
        self.births.insert(made, slot);
        self.counters.allocations += 1;
        self.counters.oldest_allocation = self.births.next();
        slot
    }

    /// Takes an allocation out of every map but that of its 5-tuples.
    fn detach(&mut self, slot: usize) -> Allocation {
        let allocation = self.allocations.remove(slot);
        self.by_port.swap_remove(&allocation.relayed.0.port());
        if let Some((session, _)) = allocation.side()
            && let Some(slots) = self.by_session.get_mut(&session)
        {
            slots.retain(|&other| other != slot);
            if slots.is_empty() {
                self.by_session.swap_remove(&session);
            }
        }
        self.deadlines.remove(allocation.expires, slot);
        self.births.remove(allocation.made, slot);
        self.counters.allocations -= 1;
        self.counters.oldest_allocation = self.births.next();
        allocation
    }

    /// The allocation of a family among those of a 5-tuple.
    fn of_family(&self, slots: Slots, family: AddressFamily) -> Option<usize> {
        slots.iter().find(|&slot| self.allocations[slot].family() == family)
    }

    /// The allocation of the other family on the same 5-tuple.
    fn twin(&self, slot: usize) -> Option<usize> {
        self.by_tuple[&self.allocations[slot].tuple].without(slot).map(Slots::first)
    }

    /// When the first ends of what is in use or kept for somebody.
    fn next_end(&self) -> Option<Duration> {
        let reserved = self.reserved.front().map(|reserved| reserved.until);
        [self.deadlines.next(), reserved, self.waits.next()].into_iter().flatten().min()
    }

    /// Works off what this worker told itself, counts what is kept, and checks the books in debug builds.
    fn settle(&mut self, now: Duration) {
        while let Some(notice) = self.inbox.pop_front() {
            self.take_notice(now, notice);
        }
        self.count_kept();
        #[cfg(debug_assertions)]
        self.assert_invariants(now);
    }

    /// Gives a notice to its worker, which may be this one.
    fn tell(&mut self, worker: WorkerId, notice: Notice) {
        if worker == self.worker {
            self.inbox.push_back(notice);
        } else {
            self.events.push_back(Event::Tell { worker, notice });
        }
    }

    /// Whether a sender that has proved nothing gets an answer. One on a connection has proved its address.
    fn may_answer(
        &mut self,
        now: Now,
        tuple: &FiveTuple,
        message: &Message<'_>,
        answer_bytes: usize,
    ) -> bool {
        let (id, request_bytes) = (message.transaction_id(), message.length());
        if tuple.listener.is_connected() {
            return true;
        }
        let admission = self.answers.admits(&Question { tuple, id, request_bytes, answer_bytes }, now.mono);
        self.counters.second_chances += u64::from(admission == Some(Admission::SecondChance));
        admission.is_some()
    }

    fn count(&mut self, verdict: &Verdict<'_>) {
        match verdict {
            Verdict::Forward { hop: Hop::Client { .. }, payload } => {
                self.counters.routed_packets += 1;
                self.counters.routed_bytes += payload.len() as u64;
            }
            Verdict::Forward { hop: Hop::Peer { .. }, payload } => {
                self.counters.to_peer_packets += 1;
                self.counters.to_peer_bytes += payload.len() as u64;
            }
            Verdict::Drop(reason) => self.counters.drops[*reason as usize] += 1,
            Verdict::Reply | Verdict::Later => {}
        }
    }

    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().expect("no worker panics while it holds the directory")
    }

    /// The books agree: every allocation is in every map once, and no number is lost.
    #[cfg(debug_assertions)]
    fn assert_invariants(&self, now: Duration) {
        let count = self.allocations.len();
        let moving = self.mobile.values().filter_map(|mobile| mobile.next);
        let again: usize = moving.map(|next| self.by_tuple[&next].iter().count()).sum();
        let by_tuple: usize = self.by_tuple.values().map(|record| record.slots.iter().count()).sum();
        assert_eq!(by_tuple, count + again);
        assert!(self.mobile.keys().all(|tuple| self.by_tuple.contains_key(tuple)));
        assert!(self.away.keys().all(|tuple| !self.by_tuple.contains_key(tuple)));
        assert!(self.by_tuple.values().all(|record| self.knows_the_way(record, now)));
        assert_eq!(self.by_port.len(), count);
        assert_eq!(self.deadlines.length(), count);
        assert_eq!(self.counters.allocations, count as u64);
        let mine = self.allocations.iter().filter(|(_, it)| it.relayed.worker(self.workers) == self.worker);
        assert_eq!(self.closed_numbers.idle() + self.public_ports.idle() + mine.count(), self.numbers);
        let connections = self.allocations.iter().filter_map(|(_, it)| it.tcp.as_ref());
        assert_eq!(self.connections.len(), connections.map(|it| it.iter().count()).sum::<usize>());
        assert!(self.waits.length() <= self.connections.len());
        assert_eq!(self.counters.connections, self.connections.len() as u64);
        assert_eq!(self.connection_births.length(), self.connections.len());
        assert_eq!(self.mobile_births.length(), self.mobile.len());
        let of_sessions: usize = self.by_session.values().map(Vec::len).sum();
        assert!(of_sessions <= count);
    }
}

/// Whether a request was answered in the reply buffer or will be by [`Event::Send`].
enum Answered {
    Now,
    Later,
}
