//! The world: a clock that only moves when it is driven, sites with their NATs and lines, the people in them,
//! plain peers on the internet, and the relay. It has no opinion about what should happen; tests have.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use stun_wire::{AttributeType, Method};
use turn_core::{
    ConnectionId, Credential, Directory, IcmpError, Now, Owner, SessionId, SessionKey, Side, WorkerId,
};

use crate::client::{Client, Failure, Granted, Heard};
use crate::link::Link;
use crate::nat::{Nat, NatKind};
use crate::random::Random;
use crate::relay::{Outcome, Packet, Relay};
use crate::request::Request;
use crate::setup::{SESSION_KEY, Setup, user_credential};

mod operator;

/// Everybody and everything, from one seed.
///
/// What is done to the world happens at [`World::now`]; [`World::drive`] lets time pass. On a wire, which is
/// what people have unless they are put elsewhere, a datagram takes no time, so an answer is there at the
/// instant of the question.
pub struct World {
    now: Duration,
    /// What the wall clock would have said at the relay's start.
    unix_start_s: u64,
    relay: Relay,
    sites: Vec<Site>,
    people: Vec<Person>,
    /// What reached each plain peer, and from where.
    peers: BTreeMap<SocketAddr, Vec<(SocketAddr, Vec<u8>)>>,
    closed: BTreeSet<SocketAddr>,
    on_the_wire: BTreeMap<(Duration, u64), Packet>,
    sent: u64,
    record: Vec<Packet>,
    /// What became of the first datagram that reached the relay since somebody said something.
    first_outcome: Option<Outcome>,
    random: Random,
}

impl World {
    /// A world with a relay of two workers for the two sides of sessions.
    pub fn new(seed: u64) -> Self {
        Self::with(Setup::new(seed))
    }

    /// A world as it is set up.
    pub fn with(setup: Setup) -> Self {
        let mut random = Random::new(setup.seed);
        let configs = (0..setup.workers).map(|worker| setup.config(WorkerId(worker))).collect();
        let directory = Directory::new(setup.limits, setup.bandwidth, (random.u64(), random.u64()));
        let relay = Relay::new(configs, directory, SocketAddr::new(RELAY_V4, RELAY_PORT), random.fork());
        Self {
            now: START,
            unix_start_s: UNIX_START_S,
            relay,
            sites: Vec::new(),
            people: Vec::new(),
            peers: BTreeMap::new(),
            closed: BTreeSet::new(),
            on_the_wire: BTreeMap::new(),
            sent: 0,
            record: Vec::new(),
            first_outcome: None,
            random,
        }
    }

    /// One side of a session, on a wire, with a credential for a day.
    pub fn person(&mut self, session: u8, side: Side) -> ClientId {
        let credential = self.credential(session, side, self.unix_s() + 86_400);
        self.client(&credential)
    }

    /// Both sides of a session, on wires, each with an allocation.
    pub fn couple(&mut self, session: u8) -> [ClientId; 2] {
        [Side::A, Side::B].map(|side| {
            let person = self.person(session, side);
            self.allocate(person);
            person
        })
    }

    /// A user of [`Setup::users`], on a wire.
    pub fn user(&mut self, name: &str) -> ClientId {
        self.client(&user_credential(name))
    }

    /// A user of [`Setup::users`], on a wire, with exactly this address.
    pub fn user_with_address(&mut self, name: &str, address: SocketAddr) -> ClientId {
        self.client_with_address(address, &user_credential(name))
    }

    /// A client on a wire, in a network of its own.
    pub fn client(&mut self, credential: &Credential) -> ClientId {
        let site = self.site(None, Link::wire());
        self.client_at(site, credential)
    }

    /// Somebody's home or train.
    pub fn site(&mut self, nat: Option<NatKind>, link: Link) -> SiteId {
        let number = u16::try_from(self.sites.len()).expect("fewer sites than networks for benchmarks");
        let [high, low] = number.to_be_bytes();
        let outside = IpAddr::from([198, 18 + high, low, 1]);
        let nat = nat.map(|kind| Nat::new(kind, outside, self.random.fork()));
        self.sites.push(Site { outside, nat, link });
        SiteId(self.sites.len() - 1)
    }

    /// A client at a site: behind its NAT, if it has one.
    pub fn client_at(&mut self, site: SiteId, credential: &Credential) -> ClientId {
        let number = u16::try_from(self.people.len()).expect("fewer people than ports");
        let ip = match &self.sites[site.0] {
            Site { nat: Some(_), .. } => IpAddr::from([192, 168, 0, 2]),
            Site { outside, .. } => *outside,
        };
        self.client_from(site, SocketAddr::new(ip, 20_000 + number), credential)
    }

    /// A client on a wire, with exactly this address, which may be IPv6.
    pub fn client_with_address(&mut self, address: SocketAddr, credential: &Credential) -> ClientId {
        self.sites.push(Site { outside: address.ip(), nat: None, link: Link::wire() });
        self.client_from(SiteId(self.sites.len() - 1), address, credential)
    }

    /// The same client on another wire. The one where it was is still there, as on a telephone with two
    /// networks.
    pub fn elsewhere(&mut self, client: ClientId) -> ClientId {
        let site = self.site(None, Link::wire());
        self.elsewhere_at(site, client)
    }

    /// The same client at another site.
    pub fn elsewhere_at(&mut self, site: SiteId, client: ClientId) -> ClientId {
        let there = self.people[client.0].client.elsewhere(self.random.fork());
        let credential = Credential { username: String::new(), password: String::new() };
        let new = self.client_at(site, &credential);
        self.people[new.0].client = there;
        new
    }

    /// Puts a new client, which knows nothing, on the address of another.
    pub fn hand_over(&mut self, client: ClientId, credential: &Credential) {
        self.people[client.0].client = Client::new(credential, self.random.fork());
    }

    /// Lets a client that has not spoken yet come by a stream.
    pub fn by_stream(&mut self, client: ClientId) -> ClientId {
        self.people[client.0].server.set_port(RELAY_STREAM_PORT);
        self.people[client.0].client.is_on_stream = true;
        client
    }

    /// Ends the connection of a client on a stream.
    pub fn hang_up(&mut self, client: ClientId) {
        let (now, address) = (self.clock(), self.address(client));
        self.relay.hang_up(now, address);
        self.drive(self.now);
    }

    /// A TCP peer on the internet connects to a relayed address. `None`: its connection was refused or closed
    /// at once.
    pub fn dial(&mut self, peer: SocketAddr, relayed: SocketAddr) -> Option<ConnectionId> {
        let now = self.clock();
        let id = self.relay.dial(now, peer, relayed.port());
        self.drive(self.now);
        id
    }

    /// Ends a connection of the relay with a peer.
    pub fn disconnect(&mut self, id: ConnectionId) {
        let now = self.clock();
        self.relay.disconnect(now, id);
        self.drive(self.now);
    }

    /// An address on the internet that refuses connections. One that nothing is known of does not answer.
    pub fn closed(&mut self, address: &str) -> SocketAddr {
        let address = address.parse().expect("a socket address");
        self.closed.insert(address);
        address
    }

    /// A plain peer on the internet that sends everything back to where it came from, and accepts
    /// connections.
    pub fn echo(&mut self, address: &str) -> SocketAddr {
        let address = address.parse().expect("a socket address");
        self.peers.insert(address, Vec::new());
        address
    }

    /// Lets a client ask, and the world run until it has its answer.
    ///
    /// # Errors
    /// [`Failure`]: the server's error code, or silence to all repetitions.
    pub fn ask(&mut self, client: ClientId, request: Request) -> Result<Granted, Failure> {
        let now = self.now;
        let ticket = self.people[client.0].client.request(now, request);
        loop {
            if let Some(answer) = self.people[client.0].client.answer(ticket) {
                return answer;
            }
            self.step(Duration::MAX);
        }
    }

    /// The error code that a request brings; `None` where it is granted.
    ///
    /// # Panics
    /// Where no answer comes at all.
    pub fn refusal(&mut self, client: ClientId, request: Request) -> Option<u16> {
        match self.ask(client, request) {
            Ok(_) => None,
            Err(Failure::Code(code)) => Some(code),
            Err(Failure::TimedOut) => panic!("no answer"),
        }
    }

    /// Lets a client learn realm and nonce and nothing else, whatever its credential is worth: by an Allocate
    /// that can't be granted, since nothing but an Allocate is challenged.
    pub fn learn_nonce(&mut self, client: ClientId) {
        let none = Request::bare(Method::ALLOCATE).with(AttributeType::REQUESTED_TRANSPORT, &[0; 4]);
        let refusal = self.refusal(client, none);
        assert!(refusal.is_some(), "there is no such transport");
    }

    /// An allocation for a client that is entitled to one.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn allocate(&mut self, client: ClientId) -> SocketAddr {
        let granted = self.ask(client, Request::allocate()).unwrap_or_else(|it| panic!("Allocate: {it:?}"));
        granted.relayed().expect("an allocation has a relayed address")
    }

    /// A permission for a peer, all but its port.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn permit(&mut self, client: ClientId, peer: SocketAddr) {
        assert_eq!(self.refusal(client, Request::permit(&[peer])), None, "CreatePermission");
    }

    /// A channel to a peer.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn bind(&mut self, client: ClientId, number: u16, peer: SocketAddr) {
        assert_eq!(self.refusal(client, Request::bind(number, peer)), None, "ChannelBind");
    }

    /// Sends in a Send indication. What the relay made of it, where the line brings it there at once.
    ///
    /// # Panics
    /// Where the relay did not see it at once.
    pub fn send(&mut self, client: ClientId, peer: SocketAddr, payload: &[u8]) -> Outcome {
        self.say(client, |client| client.send(peer, payload));
        self.first_outcome.take().expect("a wire brings it to the relay at once")
    }

    /// Sends in a Send indication with DONT-FRAGMENT; otherwise like [`World::send`].
    ///
    /// # Panics
    /// Where the relay did not see it at once.
    pub fn send_unfragmented(&mut self, client: ClientId, peer: SocketAddr, payload: &[u8]) -> Outcome {
        self.say(client, |client| client.send_unfragmented(peer, payload));
        self.first_outcome.take().expect("a wire brings it to the relay at once")
    }

    /// Sends on a channel; otherwise like [`World::send`].
    ///
    /// # Panics
    /// Where the relay did not see it at once.
    pub fn send_channel(&mut self, client: ClientId, number: u16, payload: &[u8]) -> Outcome {
        self.say(client, |client| client.send_channel(number, payload));
        self.first_outcome.take().expect("a wire brings it to the relay at once")
    }

    /// Lets a client do something that it needs no answer to, over whatever line it has.
    pub fn say(&mut self, client: ClientId, what: impl FnOnce(&mut Client)) {
        self.first_outcome = None;
        what(&mut self.people[client.0].client);
        self.drive(self.now);
    }

    /// Everything that reached a client since it was asked last.
    pub fn heard(&mut self, client: ClientId) -> Vec<Heard> {
        std::iter::from_fn(|| self.people[client.0].client.poll_heard()).collect()
    }

    /// Everything that reached a peer since it was asked last, with the source it came from.
    ///
    /// # Panics
    /// Where there is no such peer.
    pub fn heard_by_peer(&mut self, peer: SocketAddr) -> Vec<(SocketAddr, Vec<u8>)> {
        std::mem::take(self.peers.get_mut(&peer).expect("a peer of this world"))
    }

    /// A datagram out of nowhere, from any source that one may claim, and what became of it. It comes to the
    /// relay's clients' port, or to that of streams where somebody sits at the source who uses it.
    pub fn knock(&mut self, from: SocketAddr, datagram: &[u8]) -> Outcome {
        self.knock_at(if from.is_ipv6() { RELAY_V6 } else { RELAY_V4 }, from, datagram)
    }

    /// The same, sent to this address, which may stand for more than the relay.
    pub fn knock_at(&mut self, ip: IpAddr, from: SocketAddr, datagram: &[u8]) -> Outcome {
        let person = self.people.iter().find(|person| person.address == from);
        let port = person.map_or(RELAY_PORT, |person| person.server.port());
        let packet = Packet { from, to: SocketAddr::new(ip, port), datagram: datagram.to_vec() };
        let outcome = self.relay.handle_packet(self.clock(), &packet).expect("the relay listens there");
        self.drive(self.now);
        outcome
    }

    /// Whose a datagram from there would be if QUIC were spoken on the clients' port too.
    pub fn owner(&mut self, from: SocketAddr, datagram: &[u8]) -> Owner {
        let ip = if from.is_ipv6() { RELAY_V6 } else { RELAY_V4 };
        let packet = Packet { from, to: SocketAddr::new(ip, RELAY_PORT), datagram: datagram.to_vec() };
        self.relay.owner(&packet)
    }

    /// A datagram from anywhere to anywhere, on a wire.
    pub fn throw(&mut self, from: SocketAddr, to: SocketAddr, datagram: &[u8]) {
        self.put_on_the_wire(self.now, Packet { from, to, datagram: datagram.to_vec() });
        self.drive(self.now);
    }

    /// Tells the relay that a datagram of the relay socket with this port did not reach `peer`.
    pub fn icmp(&mut self, port: u16, peer: SocketAddr, error: IcmpError) {
        let now = self.clock();
        self.relay.handle_icmp(now, port, peer, error);
        self.drive(self.now);
    }

    /// Lets everything happen that happens up to `until`, and moves the clock there.
    pub fn drive(&mut self, until: Duration) {
        while self.step(until) {}
        self.now = self.now.max(until);
    }

    /// Lets time pass.
    pub fn pass(&mut self, time: Duration) {
        self.drive(self.now + time);
    }

    /// Sets the wall clock forward, or back with a negative number, while no time passes.
    pub const fn step_wall_clock(&mut self, seconds: i64) {
        self.unix_start_s = self.unix_start_s.saturating_add_signed(seconds);
    }

    /// Lets workers finish telling each other; takes less than a few milliseconds.
    pub fn settle(&mut self) {
        while let Some(at) = self.relay.settled_at() {
            self.drive(at);
        }
    }

    /// The time since the relay's start.
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// The time of credentials.
    pub const fn unix_s(&self) -> u64 {
        self.unix_start_s + self.now.as_secs()
    }

    /// Both times, as the relay is told them.
    pub const fn clock(&self) -> Now {
        Now { mono: self.now, unix_s: self.unix_s() }
    }

    /// A credential for one side of a session.
    pub fn credential(&self, session: u8, side: Side, expires_unix_s: u64) -> Credential {
        self.mint(SessionId([session; 16]), side, expires_unix_s)
    }

    /// The same by the session's whole name.
    pub fn mint(&self, session: SessionId, side: Side, expires_unix_s: u64) -> Credential {
        SessionKey::new(SESSION_KEY).mint(session, side, expires_unix_s)
    }

    /// A client, to look at or to make it do something special.
    pub fn of(&mut self, client: ClientId) -> &mut Client {
        &mut self.people[client.0].client
    }

    /// A client's relayed address.
    ///
    /// # Panics
    /// Where it never had one.
    pub fn relayed(&self, client: ClientId) -> SocketAddr {
        self.people[client.0].client.relayed().expect("a client with an allocation")
    }

    /// A client's own address: behind a NAT not the one that the relay sees.
    pub fn address(&self, client: ClientId) -> SocketAddr {
        self.people[client.0].address
    }

    /// The worker that serves a client.
    ///
    /// # Panics
    /// Where it never had an allocation, so that the relay's view of its address is not known.
    pub fn worker(&self, client: ClientId) -> WorkerId {
        let mapped = self.people[client.0].client.mapped();
        self.relay.worker_of(mapped.expect("a client that was told its address"))
    }

    /// The relay.
    pub const fn relay(&mut self) -> &mut Relay {
        &mut self.relay
    }

    /// Takes a record of every datagram that arrived anywhere since it was taken last.
    pub fn take_record(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.record)
    }

    /// One thing that happens no later than `until`; `false` where there is none.
    fn step(&mut self, until: Duration) -> bool {
        self.collect();
        let wire = self.on_the_wire.keys().next().map(|(at, _)| *at);
        let people = self.people.iter().filter_map(|person| person.client.next_deadline()).min();
        let relay = self.relay.next_deadline();
        let Some(at) = [wire, people, relay].into_iter().flatten().min().filter(|at| *at <= until) else {
            return false;
        };
        self.now = self.now.max(at);
        // What has run out at an instant has run out before a datagram of that instant arrives.
        if relay == Some(at) {
            self.relay.handle_deadline(self.clock());
            let next = self.relay.next_deadline();
            assert!(next.is_none_or(|next| next > self.now), "what was due is done");
        } else if wire == Some(at) {
            let (_, packet) = self.on_the_wire.pop_first().expect("seen above");
            self.deliver(packet);
        } else {
            for person in &mut self.people {
                person.client.handle_timeout(self.now);
            }
        }
        true
    }

    /// Puts on the wire what somebody wants to send.
    fn collect(&mut self) {
        for at in 0..self.people.len() {
            while let Some(datagram) = self.people[at].client.poll_datagram() {
                let Person { site, address, server, .. } = self.people[at];
                let site = &mut self.sites[site.0];
                let from = match &mut site.nat {
                    Some(nat) => nat.outbound(self.now, address, server),
                    None => address,
                };
                let link = site.link;
                self.put_on(link, Packet { from, to: server, datagram });
            }
        }
        while let Some((id, peer)) = self.relay.poll_connect() {
            let (now, accepts) = (self.clock(), self.peers.contains_key(&peer));
            if accepts || self.closed.contains(&peer) {
                self.relay.connected(now, id, accepts);
            }
        }
        while let Some(packet) = self.relay.poll_packet() {
            let link = self.sites.iter().find(|site| site.outside == packet.to.ip()).map(|site| site.link);
            self.put_on(link.unwrap_or(Link::wire()), packet);
        }
    }

    fn put_on(&mut self, link: Link, packet: Packet) {
        let arrivals: Vec<Duration> = link.arrivals(&mut self.random).collect();
        for delay in arrivals {
            self.put_on_the_wire(self.now + delay, packet.clone());
        }
    }

    fn put_on_the_wire(&mut self, at: Duration, packet: Packet) {
        self.sent += 1;
        self.on_the_wire.insert((at, self.sent), packet);
    }

    fn deliver(&mut self, packet: Packet) {
        if self.record.len() < RECORD_PACKETS_MAX {
            self.record.push(packet.clone());
        }
        let ip = packet.to.ip();
        if ip == RELAY_V4 || ip == RELAY_V6 {
            let outcome = self.relay.handle_packet(self.clock(), &packet);
            // What an echo sends back comes after that.
            self.first_outcome = self.first_outcome.take().or(outcome);
        } else if let Some(heard) = self.peers.get_mut(&packet.to) {
            heard.push((packet.from, packet.datagram.clone()));
            let back = Packet { from: packet.to, to: packet.from, datagram: packet.datagram };
            self.put_on_the_wire(self.now, back);
        } else if let Some(at) = self.sites.iter().position(|site| site.outside == ip) {
            let inside = match &mut self.sites[at].nat {
                Some(nat) => nat.inbound(self.now, packet.from, packet.to.port()),
                None => Some(packet.to),
            };
            let person = self.people.iter_mut().find(|it| it.site.0 == at && Some(it.address) == inside);
            if let Some(person) = person {
                person.client.handle_datagram(self.now, &packet.datagram);
            }
        }
    }

    fn client_from(&mut self, site: SiteId, address: SocketAddr, credential: &Credential) -> ClientId {
        let ip = if address.is_ipv6() { RELAY_V6 } else { RELAY_V4 };
        let server = SocketAddr::new(ip, RELAY_PORT);
        let client = Client::new(credential, self.random.fork());
        self.people.push(Person { site, address, server, client });
        ClientId(self.people.len() - 1)
    }
}

/// Names a client of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(usize);

/// Names a site of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SiteId(usize);

/// A place with one line to the internet.
struct Site {
    outside: IpAddr,
    nat: Option<Nat>,
    link: Link,
}

/// A client and where it is.
struct Person {
    site: SiteId,
    address: SocketAddr,
    server: SocketAddr,
    client: Client,
}

/// The relay's IPv4 address.
pub const RELAY_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The relay's IPv6 address.
pub const RELAY_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 1));

/// Where the relay's clients come.
pub const RELAY_PORT: u16 = 3478;

/// Where those come that are on streams.
pub const RELAY_STREAM_PORT: u16 = 5349;

/// The ports of relay sockets.
pub const RELAY_PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;

/// A relay that has run for a while, so that a time before now exists.
const START: Duration = Duration::from_secs(1000);

/// What the wall clock said at the relay's start.
const UNIX_START_S: u64 = 1_800_000_000;

/// A record that nobody takes stops growing.
const RECORD_PACKETS_MAX: usize = 10_000;
