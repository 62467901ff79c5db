//! The servers of two workers as a state machine: any sequence of datagrams, credentials, times, notices and
//! relay sockets. They check their own books in debug builds; here is what can be seen from outside.
//! RFC 8656; relay.md §3.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sim::{RELAY_V4, RELAY_V6, Setup, Signature};
use stun_wire::{AttributeType, ChannelData, Class, Message, Method, TransactionId, decode_xor_address};
use turn_core::{
    ClientAddr, Credential, Directory, Event, FiveTuple, Framing, Handover, Hop, ListenerId, LocalIp, Notice,
    Now, PeerAddr, PeerPolicy, RelayedAddr, Server, SessionId, SessionKey, Side, StaticUser, Verdict,
    WorkerId,
};

use crate::input::{Tape, datagram_of};

/// Does to two workers what the bytes say, then lets everything run out.
///
/// # Panics
/// Where a server panics, says what it may not say, or keeps anything in the end.
pub fn server(data: &[u8]) {
    let mut tape = Tape::new(data);
    let mut stage = Stage::new(tape.byte());
    for _ in 0..STEPS_MAX {
        let Some(choice) = tape.next() else { break };
        stage.step(choice, &mut tape);
    }
    stage.close();
}

/// The workers and what surrounds them.
struct Stage {
    servers: [Server; 2],
    directory: Arc<Mutex<Directory>>,
    now: Now,
    clients: [Client; 8],
    credentials: [Credential; 6],
    realm: String,
    /// Under way to each worker, in order.
    letters: [VecDeque<Letter>; 2],
    /// Relay sockets that are being opened, and those that are open, by their ports.
    opening: Vec<u16>,
    sockets: BTreeMap<u16, usize>,
    /// Relayed addresses that were given out lately.
    relayed: VecDeque<SocketAddr>,
    /// Mobility tickets, likewise.
    tickets: [Vec<u8>; 4],
}

/// A 5-tuple and the nonce that it was told.
struct Client {
    tuple: FiveTuple,
    nonce: Vec<u8>,
}

impl Stage {
    fn new(seed: u8) -> Self {
        let mut setup = Setup::new(seed.into());
        setup.old_channels = seed & 1 != 0;
        setup.limits.per_side = 3;
        setup.limits.per_prefix = 5;
        setup.limits.total = 7;
        // As two of very many workers they have a hundred numbers each to give out, not thirty thousand.
        setup.workers = WORKERS;
        let key = SessionKey::new([1; 32]);
        let now = Now { mono: Duration::from_secs(1000), unix_s: 1_800_000_000 };
        let directory = Arc::new(Mutex::new(Directory::new(setup.limits, setup.bandwidth, (1, 2))));
        let mut realm = String::new();
        let servers = [0, 1].map(|worker| {
            let mut config = setup.config(WorkerId(worker));
            config.session_key = key.clone();
            let user = |name: &str, peers| StaticUser::new(name, &config.realm, "pass", peers);
            config.users = vec![user("open", PeerPolicy::Public), user("here", PeerPolicy::Appliance)];
            realm.clone_from(&config.realm);
            Server::new(config, Arc::clone(&directory), [seed ^ worker as u8; 32])
        });
        let user = |name: &str| Credential { username: name.into(), password: "pass".into() };
        let [one, other] = [[1; 16], [2; 16]].map(SessionId);
        Self {
            servers,
            directory,
            now,
            clients: CLIENTS.map(Client::new),
            credentials: [
                key.mint(one, Side::A, now.unix_s + 5000),
                key.mint(one, Side::B, now.unix_s + 100_000),
                key.mint(other, Side::A, now.unix_s + 100_000),
                user("open"),
                user("here"),
                user("nobody"),
            ],
            realm,
            letters: [VecDeque::new(), VecDeque::new()],
            opening: Vec::new(),
            sockets: BTreeMap::new(),
            relayed: VecDeque::new(),
            tickets: [const { Vec::new() }; 4],
        }
    }

    fn step(&mut self, choice: u8, tape: &mut Tape<'_>) {
        match choice % 16 {
            0 => {
                let client = self.client(tape);
                let length = usize::from(tape.byte());
                let datagram = datagram_of(tape.bytes(length));
                self.hear_client(client, &datagram, false);
            }
            1..=6 => self.request(tape),
            7 => self.send_indication(tape),
            8 | 9 => self.channel_data(tape),
            10 => self.hear_peer(tape),
            11 => self.deliver(usize::from(tape.byte() % 2)),
            12 => self.open(usize::from(tape.byte() >> 1), choice < 128),
            13 => self.pass(Duration::from_secs(tape.u16().into())),
            14 => self.pass(Duration::from_millis(tape.byte().into())),
            _ => self.meddle(tape),
        }
    }

    /// A request with any attributes, signed or not.
    fn request(&mut self, tape: &mut Tape<'_>) {
        let client = self.client(tape);
        let method = tape.pick(&[
            Method::ALLOCATE,
            Method::REFRESH,
            Method::CREATE_PERMISSION,
            Method::CHANNEL_BIND,
            Method::BINDING,
        ]);
        let how = tape.byte();
        let mut request = sim::Request::bare(method);
        if method == Method::ALLOCATE && how & 64 == 0 {
            request = sim::Request::allocate();
        }
        for _ in 0..how % 8 {
            request = self.attribute(request, tape);
        }
        let signature = (how & 128 == 0).then(|| {
            let Credential { username, password } = tape.pick(&self.credentials.each_ref());
            Signature {
                username: username.clone().into_bytes(),
                password: password.clone().into_bytes(),
                realm: self.realm.clone().into_bytes(),
                nonce: self.clients[client].nonce.clone(),
                algorithms: None,
            }
        });
        let datagram = request.write(TransactionId([tape.byte(); 12]), signature.as_ref());
        self.hear_client(client, &datagram, signature.is_some());
    }

    fn attribute(&self, request: sim::Request, tape: &mut Tape<'_>) -> sim::Request {
        match tape.byte() % 12 {
            0..=2 => request.peer(self.peer(tape)),
            3 => request.with(AttributeType::CHANNEL_NUMBER, &[0x40, tape.byte() % 4, 0, 0]),
            4 => request.with(AttributeType::CHANNEL_NUMBER, &tape.array::<4>()),
            5 => request.lifetime(u32::from(tape.u16()) * u32::from(tape.byte() % 2)),
            6 => request.family(tape.byte() % 4),
            7 => request.with(AttributeType::EVEN_PORT, &[tape.byte()]),
            8 => {
                let length = usize::from(tape.byte() % 32);
                request.with(AttributeType::DATA, tape.bytes(length))
            }
            9 => request.ticket(&[]),
            10 => request.ticket(tape.pick(&self.tickets.each_ref().map(Vec::as_slice))),
            _ => {
                let length = usize::from(tape.byte() % 32);
                request.with(AttributeType(tape.u16() & 0x803F), tape.bytes(length))
            }
        }
    }

    fn send_indication(&mut self, tape: &mut Tape<'_>) {
        let client = self.client(tape);
        let mut request = sim::Request::bare(Method::SEND).peer(self.peer(tape));
        for _ in 0..tape.byte() % 4 {
            request = self.attribute(request, tape);
        }
        let datagram = request.write_as(Class::Indication, TransactionId([tape.byte(); 12]), None);
        self.hear_client(client, &datagram, false);
    }

    fn channel_data(&mut self, tape: &mut Tape<'_>) {
        let client = self.client(tape);
        let length = tape.byte() % 64;
        let mut datagram = vec![0x40, tape.byte() % 4, 0, length];
        datagram.extend(tape.bytes(usize::from(length)));
        self.hear_client(client, &datagram, false);
    }

    fn hear_client(&mut self, client: usize, datagram: &[u8], signed: bool) {
        let tuple = self.clients[client].tuple;
        let worker = client % 2;
        let mut reply = Vec::new();
        let verdict = self.servers[worker].handle_client(self.now, tuple, datagram, &mut reply);
        let hop = check_verdict(&verdict, datagram, &reply);
        self.take_events(worker);
        if let Some(Hop::Peer { port, .. }) = hop {
            assert!(self.sockets.contains_key(&port), "payloads leave from open sockets only");
        }
        if !reply.is_empty() {
            let request = Message::parse(datagram).expect("only a message is answered");
            assert_eq!(request.class(), Class::Request);
            assert!(signed || reply.len() <= UNPROVED_BYTES_MAX, "{} bytes", reply.len());
            self.read_answer(tuple, &reply, Some(&request));
        }
    }

    fn hear_peer(&mut self, tape: &mut Tape<'_>) {
        let any = tape.u16();
        let open: Vec<u16> = self.sockets.keys().copied().chain([any]).collect();
        let port = tape.pick(&open);
        let peer = PeerAddr(self.peer(tape));
        let length = usize::from(tape.byte() % 64);
        let payload = tape.bytes(length);
        let worker = self.sockets.get(&port).copied().unwrap_or_else(|| self.worker_of(port));
        let verdict = self.servers[worker].handle_peer(self.now, port, peer, payload);
        if check_verdict(&verdict, payload, &[]).is_some() {
            assert!(self.sockets.contains_key(&port), "payloads arrive at open sockets only");
        }
        self.take_events(worker);
    }

    /// What the rest of the appliance may do at any time.
    fn meddle(&mut self, tape: &mut Tape<'_>) {
        match tape.byte() % 4 {
            0 => {
                let until = self.now.unix_s + u64::from(tape.u16());
                let session = SessionId([tape.byte() % 3; 16]);
                for worker in 0..2 {
                    self.servers[worker].handle_session_ended(self.now, session, until);
                    self.take_events(worker);
                }
            }
            1 => {
                let address = RelayedAddr(self.peer(tape));
                let worker = self.worker_of(address.0.port());
                self.servers[worker].handle_notice(self.now, Notice::GiveWay(address));
                self.take_events(worker);
            }
            // A notice may be lost.
            2 => {
                let letters = &mut self.letters[usize::from(tape.byte() % 2)];
                letters.pop_front_if(|letter| match letter {
                    Letter::Notice(notice) => notice.may_be_lost(),
                    Letter::Handover(_) => false,
                    Letter::Datagram(..) => true,
                });
            }
            _ => {
                let port = tape.u16();
                let worker = self.worker_of(port);
                if !self.opening.contains(&port) && !self.sockets.contains_key(&port) {
                    self.servers[worker].handle_relay_opened(self.now, port, tape.byte().is_multiple_of(2));
                    self.take_events(worker);
                }
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now.mono += time;
        self.now.unix_s += time.as_secs();
        for worker in 0..2 {
            self.servers[worker].handle_deadline(self.now);
            let next = self.servers[worker].next_deadline();
            assert!(next.is_none_or(|next| next > self.now.mono), "what was due is done");
            self.take_events(worker);
        }
    }

    fn deliver(&mut self, worker: usize) {
        match self.letters[worker].pop_front() {
            None => return,
            Some(Letter::Notice(notice)) => self.servers[worker].handle_notice(self.now, notice),
            Some(Letter::Handover(handover)) => {
                self.sockets.extend(handover.relay_ports().map(|port| (port, worker)));
                self.servers[worker].handle_handover(self.now, handover);
            }
            Some(Letter::Datagram(tuple, datagram)) => {
                let mut reply = Vec::new();
                let server = &mut self.servers[worker];
                let verdict = server.handle_passed_on(self.now, tuple, &datagram, &mut reply);
                check_verdict(&verdict, &datagram, &reply);
                if !reply.is_empty() {
                    self.read_answer(tuple, &reply, None);
                }
            }
        }
        self.take_events(worker);
    }

    fn open(&mut self, which: usize, works: bool) {
        if self.opening.is_empty() {
            return;
        }
        let port = self.opening.swap_remove(which % self.opening.len());
        let worker = self.worker_of(port);
        if works {
            assert!(self.sockets.insert(port, worker).is_none(), "no port is opened twice");
        }
        self.servers[worker].handle_relay_opened(self.now, port, works);
        self.take_events(worker);
    }

    fn take_events(&mut self, worker: usize) {
        while let Some(event) = self.servers[worker].poll_event() {
            match event {
                Event::Send { to, message } => self.read_answer(to, &message, None),
                Event::OpenRelay { port, .. } => {
                    assert_eq!(self.worker_of(port), worker, "a port belongs to the worker that opens it");
                    self.opening.push(port);
                }
                Event::CloseRelay { port } => {
                    let was_opening = self.opening.iter().position(|it| *it == port);
                    was_opening.map(|at| self.opening.swap_remove(at));
                    self.sockets.remove(&port);
                }
                Event::Released { .. } => {}
                Event::Tell { worker: to, notice } => self.post(worker, to, Letter::Notice(notice)),
                Event::HandOver { worker: to, handover } => {
                    for port in handover.relay_ports() {
                        assert_eq!(self.sockets.remove(&port), Some(worker), "who has it hands it over");
                    }
                    self.post(worker, to, Letter::Handover(handover));
                }
                Event::PassOn { worker: to, tuple, datagram } => {
                    self.post(worker, to, Letter::Datagram(tuple, datagram));
                }
            }
        }
    }

    fn post(&mut self, from: usize, to: WorkerId, letter: Letter) {
        let to = usize::from(to.0);
        assert_ne!(to, from, "a worker tells itself nothing by others");
        // Who is not on the stage hears nothing.
        if let Some(letters) = self.letters.get_mut(to) {
            letters.push_back(letter);
        }
    }

    /// Checks an answer and remembers what a client would.
    fn read_answer(&mut self, to: FiveTuple, answer: &[u8], request: Option<&Message<'_>>) {
        let answer = Message::parse(answer).expect("what is sent is a message");
        assert!(matches!(answer.class(), Class::Success | Class::Error));
        if let Some(request) = request {
            assert_eq!(answer.method(), request.method());
            assert_eq!(answer.transaction_id(), request.transaction_id());
        }
        if let Some(nonce) = answer.find(AttributeType::NONCE) {
            let client = self.clients.iter_mut().find(|it| it.tuple == to).expect("one of ours");
            client.nonce = nonce.to_vec();
        }
        if let Some(ticket) = answer.find(AttributeType::MOBILITY_TICKET) {
            let place = self.tickets.len() - 1;
            self.tickets.rotate_left(1);
            self.tickets[place] = ticket.to_vec();
        }
        if let Some(value) = answer.find(AttributeType::XOR_RELAYED_ADDRESS) {
            let address = decode_xor_address(value, answer.transaction_id()).expect("a whole address");
            assert!([RELAY_V4, RELAY_V6].contains(&address.ip()) && address.port() >= 1024);
            self.relayed.push_front(address);
            self.relayed.truncate(RELAYED_MAX);
        }
    }

    /// Everything runs out, and nothing is left.
    fn close(&mut self) {
        while !self.opening.is_empty() {
            self.open(0, false);
        }
        self.pass(Duration::from_secs(10_000));
        while self.letters.iter().any(|letters| !letters.is_empty()) {
            self.deliver(0);
            self.deliver(1);
        }
        self.pass(Duration::ZERO);
        assert!(self.servers.iter().all(|server| server.counters().allocations == 0));
        assert!(self.servers.iter().all(Server::is_empty));
        assert!(self.directory.lock().expect("no server panicked").is_empty());
        assert!(self.sockets.is_empty() && self.opening.is_empty());
    }

    fn client(&self, tape: &mut Tape<'_>) -> usize {
        usize::from(tape.byte()) % self.clients.len()
    }

    /// A peer address: mostly one that means something.
    fn peer(&self, tape: &mut Tape<'_>) -> SocketAddr {
        match tape.byte() {
            choice @ 0..160 if !self.relayed.is_empty() => {
                self.relayed[usize::from(choice) % self.relayed.len()]
            }
            0..224 => tape.pick(&OUTSIDE).parse().expect("an address of this file"),
            224..240 => SocketAddr::new(IpAddr::from(tape.array::<4>()), tape.u16()),
            _ => SocketAddr::new(IpAddr::from(tape.array::<16>()), tape.u16()),
        }
    }

    /// The worker that a number belongs to, or one that has to refuse it.
    fn worker_of(&self, port: u16) -> usize {
        usize::from(RelayedAddr((RELAY_V4, port).into()).worker(WORKERS).0) % self.servers.len()
    }
}

/// What one worker leaves for the other.
enum Letter {
    Notice(Notice),
    Handover(Handover),
    Datagram(FiveTuple, Vec<u8>),
}

impl Client {
    fn new(address: &str) -> Self {
        let address: SocketAddr = address.parse().expect("an address of this file");
        let local = LocalIp(if address.is_ipv6() { RELAY_V6 } else { RELAY_V4 });
        let listener = ListenerId(address.is_ipv6().into());
        let tuple = FiveTuple { client: ClientAddr(address), local, listener };
        Self { tuple, nonce: b"AAAAAAAAAAAAAAAA".to_vec() }
    }
}

/// What holds of every verdict; where the payload goes, if it goes on.
fn check_verdict(verdict: &Verdict<'_>, datagram: &[u8], reply: &[u8]) -> Option<Hop> {
    assert_eq!(matches!(verdict, Verdict::Reply), !reply.is_empty(), "a reply, and only a reply, has bytes");
    let Verdict::Forward { hop, payload } = verdict else { return None };
    let (whole, part) = (datagram.as_ptr_range(), payload.as_ptr_range());
    assert!(whole.start <= part.start && part.end <= whole.end, "a payload is a part of its datagram");
    if let Hop::Client { framing, .. } = hop {
        let mut out = Vec::new();
        framing.write(payload, &mut out);
        let carried = match framing {
            Framing::Channel(_) => ChannelData::parse(&out).map(|it| it.data),
            Framing::Data { .. } => Message::parse(&out).ok().and_then(|it| it.find(AttributeType::DATA)),
        };
        assert_eq!(carried, Some(*payload), "a frame carries its payload whole");
    }
    Some(*hop)
}

/// Of both families, two on one address, two in one network; even ones are the first worker's.
const CLIENTS: [&str; 8] = [
    "198.18.0.1:5000",
    "198.18.0.1:5001",
    "198.18.0.2:5000",
    "198.18.1.1:5000",
    "[2001:db8:7::1]:5000",
    "[2001:db8:7::2]:5000",
    "198.18.2.1:5000",
    "198.18.3.1:5000",
];

const OUTSIDE: [&str; 6] =
    ["9.9.9.9:5000", "9.9.9.9:5001", "8.8.8.8:5000", "[2600::1]:5000", "127.0.0.1:80", "192.0.2.1:3478"];

/// Of which the stage has the first two.
const WORKERS: u16 = 512;

const STEPS_MAX: usize = 200;

const RELAYED_MAX: usize = 8;

/// The longest answer to somebody who proved nothing, a 401; relay.md §3.
const UNPROVED_BYTES_MAX: usize = 60;
