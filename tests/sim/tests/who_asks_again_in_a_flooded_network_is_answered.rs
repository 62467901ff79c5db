//! Row 67: a thousand clients of a /24 that somebody floods in its own name, with Allocates of forged sources
//! all over it, and how many of them have an allocation after three retransmissions.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use sim::{DropReason, Outcome, Random, Request, Setup, Signature, World};
use stun_wire::{AttributeType, Message, TransactionId};
use turn_core::limits::{ANSWER_BURST_S, SECOND_CHANCES_PER_ADDRESS_S};
use turn_core::{AllocationLimits, AnswerLimits, Credential, SessionId, Side};

/// The defaults of the configuration.
const ANSWERS: AnswerLimits = AnswerLimits { per_address_s: 10, per_prefix_s: 100, total_s: 10_000 };

const CLIENTS: u64 = 1000;
/// They come during this time, and the flood lasts a bit longer.
const ARRIVALS_MS: u64 = 10_000;
const FLOOD_MS: u64 = ARRIVALS_MS + 4_000;

/// Whether the flood's transactions are all new, or each is repeated as a client does.
#[derive(Clone, Copy, PartialEq)]
enum Flood {
    New,
    Repeated,
}

/// What is sent, and by whom.
#[derive(Clone, Copy)]
enum Sent {
    ByFlood(u64),
    /// The client, its first wait in ms, and how often it has sent already.
    ByClient(u64, u64, u32),
}

struct Attacked {
    world: World,
    random: Random,
    agenda: BTreeMap<(u64, u64), Sent>,
    sent: u64,
    flood_bytes: usize,
    reflected: u64,
    reflected_bytes: usize,
    connected: u64,
}

impl Attacked {
    /// One worker, which hears of all of it, and a flood of so many datagrams a second.
    fn new(seed: u64, flood: Flood, per_s: u64) -> Self {
        let limits = AllocationLimits { per_side: 16, per_prefix: 0, total: 0 };
        let setup = Setup { workers: 1, answers: ANSWERS, limits, ..Setup::new(seed) };
        let mut it = Self {
            world: World::with(setup),
            random: Random::new(seed),
            agenda: BTreeMap::new(),
            sent: 0,
            flood_bytes: 0,
            reflected: 0,
            reflected_bytes: 0,
            connected: 0,
        };
        let waits: &[u64] = if flood == Flood::New { &[0] } else { &[0, 500, 1_500, 3_500] };
        let transactions = FLOOD_MS * per_s / 1000 / waits.len() as u64;
        for n in 0..transactions {
            for wait_ms in waits {
                it.plan(n * FLOOD_MS / transactions + wait_ms, Sent::ByFlood(n));
            }
        }
        for n in 0..CLIENTS {
            let first_wait_ms = [100, 250, 500][(n % 3) as usize];
            // The flood has used up by then what may leave at once.
            let at_ms = 500 + it.random.below(ARRIVALS_MS);
            it.plan(at_ms, Sent::ByClient(n, first_wait_ms, 0));
        }
        it
    }

    fn plan(&mut self, at_ms: u64, sent: Sent) {
        self.sent += 1;
        self.agenda.insert((at_ms, self.sent), sent);
    }

    fn run(mut self) -> Self {
        let began = self.world.now();
        while let Some(((at_ms, _), sent)) = self.agenda.pop_first() {
            if at_ms > FLOOD_MS + 1_000 {
                break;
            }
            self.world.drive(began + Duration::from_millis(at_ms));
            match sent {
                Sent::ByFlood(n) => self.flood(n),
                Sent::ByClient(n, wait_ms, times) => self.ask(n, at_ms, wait_ms, times),
            }
        }
        self
    }

    fn flood(&mut self, n: u64) {
        let from = SocketAddr::from((
            [198, 18, 50, scattered(n) as u8],
            12_000 + (scattered(n) >> 8) as u16 % 50_000,
        ));
        let request = Request::allocate().write(id(b"flood", n), None);
        self.flood_bytes += request.len();
        match self.world.knock(from, &request) {
            Outcome::Reply(reply) => {
                self.reflected += 1;
                self.reflected_bytes += reply.len();
            }
            Outcome::Drop(DropReason::OverBudget) => {}
            _ => panic!("a stranger is answered or not"),
        }
    }

    /// A client asks for the first time or again, and has its allocation as soon as it has a nonce.
    fn ask(&mut self, n: u64, at_ms: u64, wait_ms: u64, times: u32) {
        let from = SocketAddr::from(([198, 18, 50, n as u8], 1_024 + (n >> 8) as u16));
        // Chromium's first Allocate has 28 bytes, aioice's 36.
        let request = || if n % 3 == 1 { Request::allocate() } else { Request::allocate().lifetime(600) };
        let Outcome::Reply(challenge) = self.world.knock(from, &request().write(id(b"ask", n), None)) else {
            if times < 3 {
                self.plan(at_ms + (wait_ms << times), Sent::ByClient(n, wait_ms, times + 1));
            }
            return;
        };
        let session = SessionId(((7 << 64) + u128::from(n)).to_be_bytes());
        let credential = self.world.mint(session, Side::A, self.world.unix_s() + 60);
        let proved = signature(&challenge, &credential);
        let granted = self.world.knock(from, &request().write(id(b"get", n), Some(&proved)));
        assert!(matches!(granted, Outcome::Reply(_)) && granted.code().is_none());
        self.connected += 1;
        self.world.knock(from, &Request::refresh(0).write(id(b"end", n), Some(&proved)));
    }
}

fn id(kind: &[u8], n: u64) -> TransactionId {
    let mut id = [b' '; 12];
    id[..kind.len()].copy_from_slice(kind);
    id[6..].copy_from_slice(&n.to_be_bytes()[2..]);
    TransactionId(id)
}

fn signature(challenge: &[u8], credential: &Credential) -> Signature {
    let message = Message::parse(challenge).expect("the server's own");
    let nonce = message.find(AttributeType::NONCE).expect("a challenge has one").to_vec();
    Signature {
        username: credential.username.clone().into_bytes(),
        password: credential.password.clone().into_bytes(),
        realm: b"ginnel".to_vec(),
        nonce,
        algorithms: None,
    }
}

/// A number that looks like chance and is always the same for `n`.
fn scattered(n: u64) -> u64 {
    n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20
}

/// How many of the clients connect, and what the network in whose name the flood comes gets of it.
#[allow(clippy::print_stdout, reason = "the figures of the decision are its output")]
fn connected(flood: Flood, per_s: u64) -> u64 {
    let seed = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut it = Attacked::new(seed, flood, per_s).run();
    let what = if flood == Flood::New { "new" } else { "repeated" };
    println!(
        "{per_s} {what} a second: {} of {CLIENTS} connect; {} answers to the flood, {} bytes for {}",
        it.connected, it.reflected, it.reflected_bytes, it.flood_bytes
    );
    let seconds = FLOOD_MS / 1000 + 1 + u64::from(ANSWER_BURST_S);
    let first = seconds * u64::from(ANSWERS.per_prefix_s);
    let second = seconds * 256 * u64::from(SECOND_CHANCES_PER_ADDRESS_S);
    let second = if flood == Flood::New { 0 } else { second };
    assert!(it.reflected <= first + second);
    // Every other challenge was within the budgets.
    let challenges = it.reflected + it.connected;
    let counted = it.world.relay().counters().second_chances;
    assert!((challenges.saturating_sub(first)..=challenges).contains(&counted) && counted > 0, "{counted}");
    // Whatever is answered for asking again has cost as much.
    assert!(it.reflected_bytes <= it.flood_bytes + first as usize * 60);
    it.connected
}

#[test]
fn row_67_where_ten_times_the_budget_comes_in_all_connect() {
    assert!(connected(Flood::New, 1_000) >= 999);
    assert!(connected(Flood::Repeated, 1_000) >= 999);
}

#[test]
fn row_67_where_a_hundred_times_the_budget_comes_in_nearly_all_connect() {
    assert!(connected(Flood::New, 10_000) >= 990);
    assert!(connected(Flood::Repeated, 10_000) >= 900);
}
