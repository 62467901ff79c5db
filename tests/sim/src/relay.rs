//! The relay as it runs in production, one server a worker and one directory for all, with everything that
//! surrounds the servers carried out in virtual time. Not the network in front of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stun_wire::Message;
use turn_core::{
    ClientAddr, Config, Counters, Directory, DropReason, Event, FiveTuple, Handover, Hop, IcmpError,
    ListenerId, LocalIp, Notice, Now, Owner, PeerAddr, Rules, Server, SessionId, SharedSecret, Verdict,
    WorkerId,
};

use crate::client::code_of;
use crate::random::{Random, mix};
use crate::tcp::{Connection, Tcp};
use crate::world::RELAY_STREAM_PORT;

/// A relay of several workers. Notices between workers take a moment and keep their order; relay sockets take
/// a moment to open.
pub struct Relay {
    servers: Vec<Server>,
    directory: Arc<Mutex<Directory>>,
    listening: SocketAddr,
    pinning: u64,
    pending: BTreeMap<(Duration, u64), Pending>,
    arrived: u64,
    /// When the newest notice from one worker to another arrives.
    newest: BTreeMap<(u16, u16), Duration>,
    /// Open relay sockets by port: whose they are, and what they are bound to.
    sockets: BTreeMap<u16, (WorkerId, IpAddr)>,
    /// Relay sockets on their way from worker to worker, with what the kernel keeps for them meanwhile.
    between: BTreeMap<u16, (IpAddr, Vec<Packet>)>,
    binds_to_refuse: usize,
    binds_tried: Vec<u16>,
    notices_to_lose: usize,
    offers_lost_per_mille: u16,
    /// Notices from worker to worker so far.
    told: u64,
    /// What became of datagrams that were passed on from one worker to another.
    passed_on: VecDeque<Outcome>,
    tcp: Tcp,
    outbox: VecDeque<Packet>,
    random: Random,
}

impl Relay {
    /// A relay of the workers that `configs` describe. Its clients' port is that of `listening`, on all
    /// addresses.
    pub fn new(
        configs: Vec<Config>,
        directory: Directory,
        listening: SocketAddr,
        mut random: Random,
    ) -> Self {
        let directory = Arc::new(Mutex::new(directory));
        let servers = configs
            .into_iter()
            .map(|config| Server::new(config, Arc::clone(&directory), random.bytes()))
            .collect();
        Self {
            servers,
            directory,
            listening,
            pinning: random.u64(),
            pending: BTreeMap::new(),
            arrived: 0,
            newest: BTreeMap::new(),
            sockets: BTreeMap::new(),
            between: BTreeMap::new(),
            binds_to_refuse: 0,
            binds_tried: Vec::new(),
            notices_to_lose: 0,
            offers_lost_per_mille: 0,
            told: 0,
            passed_on: VecDeque::new(),
            tcp: Tcp::default(),
            outbox: VecDeque::new(),
            random,
        }
    }

    /// The connection of a stream client is over.
    pub fn hang_up(&mut self, now: Now, client: SocketAddr) {
        let ip = if client.is_ipv6() { crate::RELAY_V6 } else { crate::RELAY_V4 };
        let to = SocketAddr::new(ip, RELAY_STREAM_PORT);
        let tuple = five_tuple(&Packet { from: client, to, datagram: Vec::new() });
        self.tell(now, self.worker_of(client), |server| server.handle_client_gone(now, tuple));
    }

    /// A datagram for one of the relay's addresses. `None` where no socket is bound to its port.
    pub fn handle_packet(&mut self, now: Now, packet: &Packet) -> Option<Outcome> {
        if [self.listening.port(), RELAY_STREAM_PORT].contains(&packet.to.port()) {
            return Some(self.handle_client(now, packet));
        }
        let port = packet.to.port();
        let is_meant = |ip: IpAddr| ip == packet.to.ip();
        if let Some((_, waiting)) = self.between.get_mut(&port).filter(|(ip, _)| is_meant(*ip)) {
            waiting.push(packet.clone());
            return Some(Outcome::Later);
        }
        let (worker, _) = *self.sockets.get(&port).filter(|(_, ip)| is_meant(*ip))?;
        let server = &mut self.servers[usize::from(worker.0)];
        let outcome =
            Outcome::of(server.handle_peer(now, port, PeerAddr(packet.from), &packet.datagram), &EARLIER);
        self.carry_out(now.mono, worker, packet, &outcome);
        Some(outcome)
    }

    /// Tells all workers that a session is over.
    pub fn end_session(&mut self, now: Now, session: SessionId, until_unix_s: u64) {
        for worker in 0..self.workers() {
            self.servers[usize::from(worker)].handle_session_ended(now, session, until_unix_s);
            self.carry_out_events(now.mono, WorkerId(worker));
        }
    }

    /// An ICMP error about a datagram that left the relay socket with this port; nothing where it is closed.
    pub fn handle_icmp(&mut self, now: Now, port: u16, peer: SocketAddr, error: IcmpError) {
        let Some(&(worker, _)) = self.sockets.get(&port) else { return };
        self.servers[usize::from(worker.0)].handle_icmp(now, port, PeerAddr(peer), error);
        self.carry_out_events(now.mono, worker);
    }

    /// Gives all workers other shared secrets.
    pub fn replace_secrets(&mut self, secrets: &[SharedSecret]) {
        for server in &mut self.servers {
            server.handle_secrets(secrets);
        }
    }

    /// Gives all workers other rules about addresses.
    pub fn replace_rules(&mut self, now: Now, rules: &Rules) {
        for worker in 0..self.workers() {
            self.tell(now, WorkerId(worker), |server| server.handle_rules(now, rules));
        }
    }

    /// Tells all workers which addresses the machine has now.
    pub fn replace_own_ips(&mut self, now: Now, own_ips: &[IpAddr]) {
        for worker in 0..self.workers() {
            self.tell(now, WorkerId(worker), |server| server.handle_own_ips(now, own_ips));
        }
    }

    /// Lets all workers turn newcomers away.
    pub fn drain(&mut self, alternates: &[SocketAddr]) {
        for server in &mut self.servers {
            server.handle_drain(alternates);
        }
    }

    /// Delivers notices and relay sockets that are due, and ends what has run out.
    pub fn handle_deadline(&mut self, now: Now) {
        while let Some(entry) = self.pending.first_entry().filter(|entry| entry.key().0 <= now.mono) {
            let worker = match entry.remove() {
                Pending::Notice { to, notice } => {
                    self.servers[usize::from(to.0)].handle_notice(now, notice);
                    to
                }
                Pending::Bind { worker, ip, port } => {
                    self.bind(now, worker, ip, port);
                    worker
                }
                Pending::HandOver { to, handover } => {
                    self.take_over(now, to, handover);
                    to
                }
                Pending::PassOn { to, tuple, datagram } => {
                    self.take_passed_on(now, to, tuple, datagram);
                    to
                }
            };
            self.carry_out_events(now.mono, worker);
        }
        for worker in 0..self.workers() {
            self.servers[usize::from(worker)].handle_deadline(now);
            self.carry_out_events(now.mono, WorkerId(worker));
        }
    }

    /// The next datagram that leaves the relay.
    pub fn poll_packet(&mut self) -> Option<Packet> {
        self.outbox.pop_front()
    }

    /// Lets the next relay sockets fail to bind.
    pub const fn refuse_binds(&mut self, count: usize) {
        self.binds_to_refuse = count;
    }

    /// Loses the next notices between workers, as a full mailbox does.
    pub const fn lose_notices(&mut self, count: usize) {
        self.notices_to_lose = count;
    }

    /// Loses so many of a thousand offers between workers from here on, at random.
    pub const fn lose_offers(&mut self, per_mille: u16) {
        self.offers_lost_per_mille = per_mille;
    }

    /// How many notices workers gave each other so far.
    pub const fn told(&self) -> u64 {
        self.told
    }

    /// What became of the next datagram that one worker passed on to another.
    pub fn poll_passed_on(&mut self) -> Option<Outcome> {
        self.passed_on.pop_front()
    }

    /// When [`Relay::handle_deadline`] is due.
    pub fn next_deadline(&self) -> Option<Duration> {
        let deadlines = self.servers.iter().filter_map(Server::next_deadline);
        deadlines.chain(self.pending.keys().next().map(|(at, _)| *at)).min()
    }

    /// When the last notice or relay socket that is under way arrives.
    pub fn settled_at(&self) -> Option<Duration> {
        self.pending.keys().next_back().map(|(at, _)| *at)
    }

    /// The worker that the kernel hands a client's datagrams to: a hash of the 5-tuple, as with
    /// `SO_REUSEPORT`.
    pub fn worker_of(&self, client: SocketAddr) -> WorkerId {
        let ip = match client.ip() {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            IpAddr::V6(ip) => mix(ip.to_bits() as u64 ^ (ip.to_bits() >> 64) as u64),
        };
        let hash = mix(self.pinning ^ mix(ip) ^ u64::from(client.port()));
        WorkerId((hash % u64::from(self.workers())) as u16)
    }

    /// Whose a datagram would be if the clients' port were shared with QUIC.
    pub fn owner(&mut self, packet: &Packet) -> Owner {
        let worker = self.worker_of(packet.from);
        self.servers[usize::from(worker.0)].handle_shared(&five_tuple(packet), &packet.datagram)
    }

    /// The counters of all workers together.
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for server in &self.servers {
            sum.add(server.counters());
        }
        sum
    }

    /// How often a datagram was dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.counters().drops[reason as usize]
    }

    /// Ports of the relay sockets that are open.
    pub fn sockets(&self) -> BTreeSet<u16> {
        self.sockets.keys().copied().collect()
    }

    /// Ports that were to be bound so far, in order.
    pub fn binds_tried(&self) -> &[u16] {
        &self.binds_tried
    }

    /// Whether the relay holds nothing for anybody: no allocation, nothing counted, no socket, nothing under
    /// way.
    ///
    /// # Panics
    /// Where a server panicked before.
    pub fn is_empty(&self) -> bool {
        self.counters().allocations == 0
            && self.directory.lock().expect("no server panicked").is_empty()
            && self.sockets.is_empty()
            && self.tcp.listening.is_empty()
            && self.tcp.connections.is_empty()
            && self.pending.is_empty()
            && self.between.is_empty()
            && self.servers.iter().all(Server::is_empty)
    }

    /// Tells one worker something and carries out what it says.
    pub(crate) fn tell<T>(&mut self, now: Now, worker: WorkerId, what: impl FnOnce(&mut Server) -> T) -> T {
        let said = what(&mut self.servers[usize::from(worker.0)]);
        self.carry_out_events(now.mono, worker);
        said
    }

    pub(crate) const fn tcp(&mut self) -> &mut Tcp {
        &mut self.tcp
    }

    /// Whose the open relay socket with this port is.
    pub(crate) fn opener_of(&self, port: u16) -> Option<WorkerId> {
        self.sockets.get(&port).map(|(worker, _)| *worker)
    }

    fn handle_client(&mut self, now: Now, packet: &Packet) -> Outcome {
        let tuple = five_tuple(packet);
        let worker = self.worker_of(packet.from);
        let mut reply = EARLIER.to_vec();
        let server = &mut self.servers[usize::from(worker.0)];
        let outcome = Outcome::of(server.handle_client(now, tuple, &packet.datagram, &mut reply), &reply);
        self.carry_out(now.mono, worker, packet, &outcome);
        outcome
    }

    /// The allocations of a client that moved reach their new worker, with their relay sockets.
    fn take_over(&mut self, now: Now, to: WorkerId, handover: Handover) {
        let ports: Vec<u16> = handover.relay_ports().collect();
        self.servers[usize::from(to.0)].handle_handover(now, handover);
        let mut arrived = Vec::new();
        for port in ports {
            let (ip, waiting) = self.between.remove(&port).expect("what arrives was under way");
            arrived.extend(waiting);
            self.sockets.insert(port, (to, ip));
        }
        // It may be the last thing that happens to them.
        self.carry_out_events(now.mono, to);
        for packet in arrived {
            self.handle_packet(now, &packet);
        }
    }

    fn take_passed_on(&mut self, now: Now, to: WorkerId, tuple: FiveTuple, datagram: Vec<u8>) {
        let mut reply = EARLIER.to_vec();
        let server = &mut self.servers[usize::from(to.0)];
        let outcome = Outcome::of(server.handle_passed_on(now, tuple, &datagram, &mut reply), &reply);
        let local = self.listener_of(&tuple);
        let packet = Packet { from: tuple.client.0, to: local, datagram };
        self.carry_out(now.mono, to, &packet, &outcome);
        self.passed_on.push_back(outcome);
    }

    fn carry_out(&mut self, now: Duration, worker: WorkerId, packet: &Packet, outcome: &Outcome) {
        // Events first: a client must not learn of a relayed address before the relay is ready for it.
        self.carry_out_events(now, worker);
        let out = match outcome {
            Outcome::Reply(reply) => Packet { from: packet.to, to: packet.from, datagram: reply.clone() },
            Outcome::Forward { hop: Hop::Client { to, framing }, payload } => {
                let mut datagram = Vec::new();
                framing.write(payload, &mut datagram);
                self.to_client(*to, datagram)
            }
            Outcome::Forward { hop: Hop::Peer { port, to, .. }, payload } => {
                let ip = if to.0.is_ipv6() { crate::RELAY_V6 } else { crate::RELAY_V4 };
                Packet { from: SocketAddr::new(ip, *port), to: to.0, datagram: payload.clone() }
            }
            Outcome::Later | Outcome::Drop(_) => return,
        };
        self.outbox.push_back(out);
    }

    fn carry_out_events(&mut self, now: Duration, worker: WorkerId) {
        while let Some(event) = self.servers[usize::from(worker.0)].poll_event() {
            match event {
                Event::Send { to, message } => {
                    let packet = self.to_client(to, message);
                    self.outbox.push_back(packet);
                }
                Event::OpenRelay { ip, port } => {
                    let at = now + self.moment();
                    self.push(at, Pending::Bind { worker, ip: ip.0, port });
                }
                Event::Listen { ip, port, .. } => {
                    self.tcp.listening.insert(port);
                    let at = now + self.moment();
                    self.push(at, Pending::Bind { worker, ip: ip.0, port });
                }
                Event::Connect { port, id, peer } => {
                    self.tcp.connections.insert(id, Connection { worker, port, client: None });
                    self.tcp.asked.push_back((id, peer.0));
                }
                Event::Join { client, id, message, .. } => {
                    let connection = self.tcp.connections.get_mut(&id).expect("a connection that is there");
                    assert_eq!(connection.client.replace(client.client.0), None, "joined once");
                    let packet = self.to_client(client, message);
                    self.outbox.push_back(packet);
                }
                Event::CloseConnection { id } => {
                    self.tcp.connections.remove(&id).expect("a connection that is there");
                }
                Event::CloseRelay { port } => {
                    self.tcp.close_all_of(port);
                    self.sockets.remove(&port);
                    self.pending.retain(
                        |_, it| !matches!(it, Pending::Bind { port: opening, .. } if *opening == port),
                    );
                }
                Event::Released { .. } => {}
                Event::Tell { notice, .. } if self.notices_to_lose > 0 && notice.may_be_lost() => {
                    self.notices_to_lose -= 1;
                    self.servers[usize::from(worker.0)].handle_lost_notice(notice);
                }
                Event::Tell { notice: Notice::Offer(_), .. }
                    if self.offers_lost_per_mille > 0 && self.random.chance(self.offers_lost_per_mille) => {}
                Event::Tell { worker: to, notice } => {
                    self.told += 1;
                    self.post(now, worker, to, Pending::Notice { to, notice });
                }
                Event::HandOver { worker: to, handover } => {
                    for port in handover.relay_ports() {
                        let (holder, ip) = self.sockets.remove(&port).expect("it is open");
                        assert_eq!(holder, worker, "who has it hands it over");
                        self.between.insert(port, (ip, Vec::new()));
                    }
                    self.post(now, worker, to, Pending::HandOver { to, handover });
                }
                Event::PassOn { worker: to, tuple, datagram } => {
                    self.post(now, worker, to, Pending::PassOn { to, tuple, datagram });
                }
            }
        }
    }

    /// Sends something from worker to worker: it takes a moment and overtakes nothing.
    fn post(&mut self, now: Duration, from: WorkerId, to: WorkerId, pending: Pending) {
        let newest = self.newest.get(&(from.0, to.0)).copied().unwrap_or_default();
        let at = newest.max(now + self.moment());
        self.newest.insert((from.0, to.0), at);
        self.push(at, pending);
    }

    fn bind(&mut self, now: Now, worker: WorkerId, ip: IpAddr, port: u16) {
        self.binds_tried.push(port);
        let opened = self.binds_to_refuse == 0;
        self.binds_to_refuse = self.binds_to_refuse.saturating_sub(1);
        if opened {
            assert!(self.sockets.insert(port, (worker, ip)).is_none(), "no port is bound twice");
        } else {
            self.tcp.listening.remove(&port);
        }
        self.servers[usize::from(worker.0)].handle_relay_opened(now, port, opened);
    }

    fn push(&mut self, at: Duration, pending: Pending) {
        self.arrived += 1;
        self.pending.insert((at, self.arrived), pending);
    }

    /// How long something inside the process takes: up to half a millisecond.
    fn moment(&mut self) -> Duration {
        Duration::from_micros(1 + self.random.below(500))
    }

    fn to_client(&self, to: FiveTuple, datagram: Vec<u8>) -> Packet {
        Packet { from: self.listener_of(&to), to: to.client.0, datagram }
    }

    /// Our address of a 5-tuple.
    fn listener_of(&self, tuple: &FiveTuple) -> SocketAddr {
        let port = if tuple.listener.is_stream() { RELAY_STREAM_PORT } else { self.listening.port() };
        SocketAddr::new(tuple.local.0, port)
    }

    fn workers(&self) -> u16 {
        u16::try_from(self.servers.len()).expect("a handful of workers")
    }
}

/// A UDP datagram between two addresses.
#[derive(Clone, PartialEq, Eq)]
pub struct Packet {
    /// Its source as its receiver sees it.
    pub from: SocketAddr,
    /// Its destination.
    pub to: SocketAddr,
    /// Its payload.
    pub datagram: Vec<u8>,
}

fn five_tuple(packet: &Packet) -> FiveTuple {
    let place = packet.to.is_ipv6().into();
    let is_stream = packet.to.port() == RELAY_STREAM_PORT;
    FiveTuple {
        client: ClientAddr(packet.from),
        local: LocalIp(packet.to.ip()),
        listener: if is_stream { ListenerId::stream(place) } else { ListenerId(place) },
    }
}

/// A verdict that owns what it speaks of, for tests to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The payload went on.
    Forward {
        /// Where to.
        hop: Hop,
        /// What.
        payload: Vec<u8>,
    },
    /// This answer went back.
    Reply(Vec<u8>),
    /// An answer will follow.
    Later,
    /// Nothing.
    Drop(DropReason),
}

impl Outcome {
    fn of(verdict: Verdict<'_>, reply: &[u8]) -> Self {
        let reply = reply.strip_prefix(&EARLIER).expect("a reply is appended to what is there");
        let is_reply = matches!(verdict, Verdict::Reply);
        assert_eq!(is_reply, !reply.is_empty(), "a reply, and only a reply, has bytes");
        match verdict {
            Verdict::Forward { hop, payload } => Self::Forward { hop, payload: payload.to_vec() },
            Verdict::Reply => Self::Reply(reply.to_vec()),
            Verdict::Later => Self::Later,
            Verdict::Drop(reason) => Self::Drop(reason),
        }
    }

    /// Whether the payload went on.
    pub const fn is_forward(&self) -> bool {
        matches!(self, Self::Forward { .. })
    }

    /// The error code of the answer, if it is one.
    pub fn code(&self) -> Option<u16> {
        let Self::Reply(reply) = self else { return None };
        code_of(&Message::parse(reply).ok()?)
    }

    /// Whether the payload went on to a client of the relay, by a route or from a peer.
    pub const fn is_routed(&self) -> bool {
        matches!(self, Self::Forward { hop: Hop::Client { .. }, .. })
    }
}

/// Something inside the process that takes a moment.
enum Pending {
    Notice { to: WorkerId, notice: Notice },
    Bind { worker: WorkerId, ip: IpAddr, port: u16 },
    HandOver { to: WorkerId, handover: Handover },
    PassOn { to: WorkerId, tuple: FiveTuple, datagram: Vec<u8> },
}

/// A reply goes behind what its buffer holds; each of these begins with something.
const EARLIER: [u8; 3] = *b"old";
