//! The servers of two workers as a state machine: any sequence of datagrams, credentials, times, notices and
//! relay sockets. They check their own books in debug builds; here is what can be seen from outside.
//! RFC 8656; relay.md §3.

mod answers;
mod requests;
mod setting;
mod surroundings;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sim::{RELAY_V4, Setup};
use turn_core::{
    ConnectionId, Credential, Directory, FiveTuple, Handover, Notice, Now, PeerPolicy, RelayedAddr, Server,
    SessionId, SessionKey, Side, StaticUser, WorkerId,
};

use self::setting::{CLIENTS, OUTSIDE, UNPROVED_BYTES_MAX, WORKERS, discovery};
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
    /// Relay sockets that are being opened, and those that are open, by their ports, with their workers.
    opening: Vec<(u16, usize)>,
    sockets: BTreeMap<u16, usize>,
    /// Those of them that are for TCP.
    listening: BTreeSet<u16>,
    /// TCP connections with their workers and ports.
    connections: BTreeMap<ConnectionId, (usize, u16)>,
    /// Of which clients were told lately.
    named: VecDeque<Vec<u8>>,
    /// Relayed addresses that were given out lately.
    relayed: VecDeque<SocketAddr>,
    /// Mobility tickets, likewise.
    tickets: [Vec<u8>; 4],
    /// Reservation tokens, likewise.
    tokens: [Vec<u8>; 4],
    /// The numbers that these tokens, and older ones, are for.
    reserved: BTreeSet<u16>,
    /// How long an answer to Binding may be, for the datagram that was heard last.
    binding_bytes_max: usize,
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
        setup.icmp = seed & 2 != 0;
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
            config.users =
                vec![user("open", PeerPolicy::Public).with_tcp(), user("here", PeerPolicy::Appliance)];
            config.discovery = if seed & 4 != 0 { vec![discovery()] } else { Vec::new() };
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
            listening: BTreeSet::new(),
            connections: BTreeMap::new(),
            named: VecDeque::new(),
            relayed: VecDeque::new(),
            tickets: [const { Vec::new() }; 4],
            tokens: [const { Vec::new() }; 4],
            reserved: BTreeSet::new(),
            binding_bytes_max: UNPROVED_BYTES_MAX,
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

    /// Everything runs out, and nothing is left.
    fn close(&mut self) {
        // A handover that arrives renews what it brings, however late it is.
        self.deliver_all();
        while !self.opening.is_empty() {
            self.open(0, false);
        }
        self.pass(Duration::from_secs(10_000));
        self.deliver_all();
        self.pass(Duration::ZERO);
        assert!(self.servers.iter().all(|server| server.counters().allocations == 0));
        assert!(self.servers.iter().all(Server::is_empty));
        assert!(self.directory.lock().expect("no server panicked").is_empty());
        assert!(self.sockets.is_empty() && self.opening.is_empty());
        assert!(self.listening.is_empty() && self.connections.is_empty());
    }

    fn deliver_all(&mut self) {
        while self.letters.iter().any(|letters| !letters.is_empty()) {
            self.deliver(0);
            self.deliver(1);
        }
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
            0..224 => tape.pick(&OUTSIDE).parse().expect("an address of this folder"),
            224..240 => SocketAddr::new(IpAddr::from(tape.array::<4>()), tape.u16()),
            _ => SocketAddr::new(IpAddr::from(tape.array::<16>()), tape.u16()),
        }
    }

    /// The worker that has a relay socket; without one, the worker of its number.
    fn holder_of(&self, port: u16) -> usize {
        self.sockets.get(&port).copied().unwrap_or_else(|| self.worker_of(port))
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

const STEPS_MAX: usize = 200;
