//! Row 86: random people do random things, and the relay does what the model says, whatever the number of
//! workers and however long their notices take. In the end nothing is left.
//!
//! `SIM_SEEDS` says how many seeds are run, `SIM_SEED` runs one and tells its story.

#![allow(clippy::print_stdout, reason = "a failing seed says how to repeat it, and tells its story")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sim::{
    ClientId, DropReason, Heard, Identity, Model, Outcome, PeerPolicy, Random, Request, Setup, Side, World,
};

const OPERATIONS: usize = 300;
const SEEDS: u64 = 200;
const SEATS: u64 = 10;
const SESSIONS: u64 = 2;

#[test]
fn row_86_the_relay_does_what_the_model_says() {
    if let Some(seed) = number_from_environment("SIM_SEED") {
        Story::begin(seed, true).tell();
        return;
    }
    let seeds = number_from_environment("SIM_SEEDS").unwrap_or(SEEDS);
    let threads = std::thread::available_parallelism().map_or(1, |it| it.get() as u64);
    let delivered = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for first in 0..threads {
            let delivered = &delivered;
            scope.spawn(move || {
                for seed in (first..seeds).step_by(threads as usize) {
                    delivered.fetch_add(Story::begin(seed, false).tell(), Ordering::Relaxed);
                }
            });
        }
    });
    // A story in which nobody is heard would prove nothing.
    assert!(delivered.into_inner() > 5 * seeds, "too little was delivered");
}

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

/// One seed's world and the model beside it.
struct Story {
    seed: u64,
    aloud: bool,
    random: Random,
    world: World,
    model: Model,
    seats: Vec<ClientId>,
    /// Every relayed address that ever was.
    addresses: Vec<SocketAddr>,
    said: u32,
}

impl Story {
    fn begin(seed: u64, aloud: bool) -> Self {
        let mut random = Random::new(seed);
        let workers = *random.pick(&[1, 2, 3, 5]).expect("not empty");
        let session_peers = if random.chance(250) { PeerPolicy::Appliance } else { PeerPolicy::Partner };
        let world = World::with(Setup { workers, session_peers, ..Setup::new(seed) });
        let model = Model::new(session_peers);
        let (seats, addresses) = (Vec::new(), Vec::new());
        let mut story = Self { seed, aloud, random, world, model, seats, addresses, said: 0 };
        for _ in 0..2 + story.random.below(SEATS - 1) {
            let who = story.somebody();
            let credential = story.world.credential(who.session, who.side, who.expires_unix_s);
            let seat = story.world.client(&credential);
            story.world.learn_nonce(seat);
            story.seats.push(seat);
            story.model.sit(who);
        }
        story
    }

    /// Tells it to the end, and how many packets were delivered.
    fn tell(mut self) -> u64 {
        for _ in 0..OPERATIONS {
            self.do_something();
            self.world.settle();
            let now = self.world.clock();
            self.model.handle_deadline(now);
            assert_eq!(self.world.relay().counters().allocations, self.model.allocations() as u64);
            self.expect_silence();
        }
        self.world.pass(Duration::from_secs(3600));
        self.world.settle();
        assert!(self.world.relay().is_empty(), "something is left");
        self.world.relay().counters().routed_packets
    }

    fn do_something(&mut self) {
        let seat = self.random.below(self.seats.len() as u64) as usize;
        // Who holds nothing can be refused, and seldom needs to be.
        let holders: Vec<usize> =
            (0..self.seats.len()).filter(|&seat| self.model.relayed(seat).is_some()).collect();
        let holder = self.random.pick(&holders).copied().filter(|_| self.random.chance(950)).unwrap_or(seat);
        match self.random.below(100) {
            0..15 => self.allocate(seat),
            15..20 => self.refresh(holder),
            20..22 => self.delete(seat),
            22..40 => self.permit(holder),
            40..55 => self.bind(holder),
            55..75 => self.send(holder),
            75..90 => self.send_channel(holder),
            90..98 => self.pass(),
            98 => self.replace(seat),
            _ if self.random.chance(300) => self.end_session(),
            _ => {}
        }
    }

    fn allocate(&mut self, seat: usize) {
        let lifetime_s = self.lifetime();
        let expected = self.model.allocate(seat, self.world.clock());
        let answer = self.world.ask(self.seats[seat], Request::allocate().lifetime(lifetime_s));
        let relayed = answer.ok().and_then(|granted| granted.relayed());
        self.note(&format!("{seat} allocates for {lifetime_s} s: {expected:?}"));
        assert_eq!(relayed.is_none(), expected.is_some());
        if let Some(relayed) = relayed {
            self.model.hold(seat, self.world.clock(), relayed, lifetime_s);
            self.addresses.push(relayed);
        }
    }

    fn refresh(&mut self, seat: usize) {
        let lifetime_s = 1 + self.lifetime();
        let expected = self.model.refresh(seat, self.world.clock(), lifetime_s);
        self.ask(seat, Request::refresh(lifetime_s), expected, &format!("refreshes for {lifetime_s} s"));
    }

    fn delete(&mut self, seat: usize) {
        let expected = self.model.refresh(seat, self.world.clock(), 0);
        self.ask(seat, Request::refresh(0), expected, "deletes");
    }

    fn permit(&mut self, seat: usize) {
        let Some(peer) = self.an_address() else { return };
        let expected = self.model.permit(seat, self.world.clock());
        self.ask(seat, Request::permit(&[peer]), expected, &format!("permits {}", peer.port()));
    }

    fn bind(&mut self, seat: usize) {
        let Some(peer) = self.an_address() else { return };
        let number = 0x4000 + self.random.below(12) as u16;
        let expected = self.model.bind(seat, self.world.clock(), number, peer);
        self.ask(
            seat,
            Request::bind(number, peer),
            expected,
            &format!("binds {number:#x} to {}", peer.port()),
        );
    }

    fn send(&mut self, seat: usize) {
        let Some(peer) = self.an_address() else { return };
        self.note(&format!("{seat} sends to {}", peer.port()));
        self.deliver(
            |story, payload| story.model.send(seat, story.world.clock(), peer, payload),
            |story, payload| story.world.send(story.seats[seat], peer, payload),
        );
    }

    fn send_channel(&mut self, seat: usize) {
        let number = self.a_channel(seat);
        self.note(&format!("{seat} sends on {number:#x}"));
        self.deliver(
            |story, payload| story.model.send_channel(seat, story.world.clock(), number, payload),
            |story, payload| story.world.send_channel(story.seats[seat], number, payload),
        );
    }

    fn pass(&mut self) {
        // Moments, and up to the edges of what may run out.
        let seconds = *self
            .random
            .pick(&[0, 1, 1, 7, 7, 30, 30, 60, 60, 61, 239, 299, 300, 301, 600])
            .expect("not empty");
        self.note(&format!("{seconds} s pass"));
        self.world.pass(Duration::from_secs(seconds));
    }

    fn replace(&mut self, seat: usize) {
        let who = self.somebody();
        self.note(&format!("{seat} is now {who:?}"));
        let credential = self.world.credential(who.session, who.side, who.expires_unix_s);
        self.world.hand_over(self.seats[seat], &credential);
        self.world.learn_nonce(self.seats[seat]);
        self.model.replace(seat, who);
    }

    fn end_session(&mut self) {
        let session = self.random.below(SESSIONS) as u8;
        self.note(&format!("session {session} ends"));
        self.world.end_session(session);
        self.model.end_session(session);
    }

    fn ask(&mut self, seat: usize, request: Request, expected: Option<u16>, what: &str) {
        self.note(&format!("{seat} {what}: {expected:?}"));
        assert_eq!(self.world.refusal(self.seats[seat], request), expected);
    }

    /// Sends until it arrives where the model says so. A packet that finds no way asks for one and is lost,
    /// at most twice: the question may itself have to wait for a second.
    fn deliver(
        &mut self,
        expected: impl Fn(&Self, &[u8]) -> Result<(usize, Heard), DropReason>,
        send: impl Fn(&mut Self, &[u8]) -> Outcome,
    ) {
        for attempt in 0..3 {
            self.said += 1;
            let payload = self.said.to_be_bytes();
            let now = self.world.clock();
            self.model.handle_deadline(now);
            let expected = expected(self, &payload);
            let outcome = send(self, &payload);
            self.note(&format!("  {expected:?}"));
            match expected {
                Err(reason) => return assert_eq!(outcome, Outcome::Drop(reason)),
                Ok((to, heard)) if outcome.is_routed() => {
                    return assert_eq!(self.world.heard(self.seats[to]), [heard]);
                }
                Ok(_) => assert_eq!(outcome, Outcome::Drop(DropReason::NoRoute)),
            }
            assert!(attempt < 2, "what may be delivered is not");
            self.world.settle();
            self.world.pass(Duration::from_secs(1));
            self.world.settle();
        }
    }

    fn expect_silence(&mut self) {
        for seat in self.seats.clone() {
            assert_eq!(self.world.heard(seat), [], "somebody hears what nobody said to them");
        }
    }

    fn somebody(&mut self) -> Identity {
        let session = self.random.below(SESSIONS) as u8;
        let side = if self.random.chance(500) { Side::A } else { Side::B };
        let expires_unix_s = self.world.unix_s() + 60 + self.random.below(20_000);
        Identity { session, side, expires_unix_s }
    }

    /// A relayed address, mostly one that lives.
    fn an_address(&mut self) -> Option<SocketAddr> {
        if self.random.chance(150) {
            return self.random.pick(&self.addresses).copied();
        }
        let live: Vec<SocketAddr> =
            (0..self.seats.len()).filter_map(|seat| self.model.relayed(seat)).collect();
        self.random.pick(&live).copied()
    }

    /// A channel number, mostly one that the seat has bound.
    fn a_channel(&mut self, seat: usize) -> u16 {
        let bound = self.model.channels(seat);
        let any = 0x4000 + self.random.below(12) as u16;
        if self.random.chance(200) { any } else { self.random.pick(&bound).copied().unwrap_or(any) }
    }

    const fn lifetime(&mut self) -> u32 {
        self.random.below(4000) as u32
    }

    fn note(&self, what: &str) {
        if self.aloud {
            println!("{:>10.3} {what}", self.world.now().as_secs_f64());
        }
    }
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("to repeat: SIM_SEED={} cargo test -p sim --test random_operations", self.seed);
        }
    }
}
