//! What happens in one seed's world, to the relay and to the model beside it. What is chosen is not decided
//! here.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sim::{
    ClientId, DropReason, Failure, Granted, Heard, Hears, Identity, Model, Outcome, PeerPolicy, Random,
    Request, Setup, Side, Wish, World,
};
use stun_wire::AttributeType;
use turn_core::{AddressRange, AllocationLimits};

/// One seed's world and the model.
pub(super) struct Story {
    seed: u64,
    aloud: bool,
    /// Whether offers between workers are lost now and then: what should be heard may not be.
    is_lossy: bool,
    pub(super) random: Random,
    world: World,
    pub(super) model: Model,
    pub(super) seats: Vec<ClientId>,
    /// The sessions that people belong to now.
    pub(super) sessions: [u8; 2],
    /// Every relayed address that ever was.
    pub(super) addresses: Vec<SocketAddr>,
    /// Every token and every ticket.
    pub(super) tokens: Vec<Vec<u8>>,
    pub(super) tickets: Vec<Vec<u8>>,
    said: u32,
    sums: Sums,
}

impl Story {
    /// A world of this seed with a handful of people in it.
    pub(super) fn begin(seed: u64, aloud: bool) -> Self {
        let mut random = Random::new(seed);
        let workers = *random.pick(&[1, 2, 3, 5]).expect("not empty");
        let policies = [PeerPolicy::Partner, PeerPolicy::Partner, PeerPolicy::Appliance, PeerPolicy::Public];
        let session_peers = *random.pick(&policies).expect("not empty");
        let per_prefix = if random.chance(200) { 2 } else { 256 };
        let total = if random.chance(200) { 6 } else { 10_000 };
        let per_side = *random.pick(&[0, 0, 0, 0, 0, 1, 2, 2]).expect("not empty");
        let limits = AllocationLimits { per_side, per_prefix, total };
        let is_lossy = random.chance(250);
        // So few numbers that one which should rest would soon be seen again.
        let relay_ports = if session_peers == PeerPolicy::Public { 50_000..=50_511 } else { 2048..=65_535 };
        let setup = Setup { workers, session_peers, limits, relay_ports, ..Setup::new(seed) };
        let model = Model::new(&setup);
        let mut story = Self {
            seed,
            aloud,
            is_lossy,
            random,
            world: World::with(setup),
            model,
            seats: Vec::new(),
            sessions: [0, 1],
            addresses: Vec::new(),
            tokens: Vec::new(),
            tickets: Vec::new(),
            said: 0,
            sums: Sums::default(),
        };
        for peer in OUTSIDE {
            story.world.echo(peer);
        }
        if is_lossy {
            story.world.relay().lose_offers(300);
        }
        for _ in 0..3 + story.random.below(SEATS - 2) {
            story.seat();
        }
        story
    }

    /// Tells it to the end, and how much happened in it.
    pub(super) fn tell(mut self) -> Sums {
        for _ in 0..OPERATIONS {
            self.wait_for_a_quiet_moment();
            self.do_something();
            self.world.settle();
            self.compare();
        }
        self.world.pass(Duration::from_secs(3600));
        self.world.settle();
        self.model.handle_deadline(self.world.clock());
        assert!(self.model.is_empty());
        self.compare();
        self.sums.displaced = self.model.displaced();
        std::mem::take(&mut self.sums)
    }

    /// What can be seen of the relay at any time is what the model says.
    fn compare(&mut self) {
        self.model.handle_deadline(self.world.clock());
        let is_empty = self.model.is_empty();
        let relay = self.world.relay();
        let counters = relay.counters();
        assert_eq!(counters.allocations, self.model.allocations() as u64);
        assert_eq!(counters.moves, self.model.moves());
        assert_eq!(relay.sockets(), self.model.sockets());
        assert!(!is_empty || relay.is_empty(), "something is left");
        assert!(relay.poll_passed_on().is_none_or(|it| !it.is_forward()), "nobody said that");
        while relay.poll_passed_on().is_some() {}
        for at in 0..self.seats.len() {
            assert_eq!(self.world.heard(self.seats[at]), [], "somebody hears what nobody said to them");
        }
        for peer in OUTSIDE {
            let heard = self.world.heard_by_peer(peer.parse().expect("an address of this file"));
            assert!(heard.is_empty(), "a peer hears what nobody said to it");
        }
    }

    /// Lets a moment pass, so that nothing runs out while workers tell each other something: whether it was
    /// there before or after that would be chance.
    fn wait_for_a_quiet_moment(&mut self) {
        loop {
            self.model.handle_deadline(self.world.clock());
            let now = self.world.now();
            let moments = u32::try_from(now.as_nanos() / MOMENT.as_nanos()).expect("a story lasts for days");
            let (begin, end) = (MOMENT * moments, MOMENT * (moments + 1));
            let is_young = now - begin < MOMENT / 2;
            if is_young && self.model.next_edge(now).is_none_or(|edge| edge >= end) {
                return;
            }
            self.world.drive(end);
        }
    }

    fn seat(&mut self) {
        let who = self.somebody();
        let credential = self.world.credential(who.session, who.side, who.expires_unix_s);
        let client = if self.random.chance(200) {
            let address = format!("[2001:db8:{}::1]:5000", 100 + self.seats.len());
            self.world.client_with_address(address.parse().expect("an address"), &credential)
        } else {
            self.world.client(&credential)
        };
        self.world.learn_nonce(client);
        self.seats.push(client);
        self.model.sit(who);
    }

    /// Somebody else sits down.
    pub(super) fn replace(&mut self, seat: usize, who: Identity) {
        self.note(&format!("{seat} is now {who:?}"));
        let credential = self.world.credential(who.session, who.side, who.expires_unix_s);
        self.world.hand_over(self.seats[seat], &credential);
        self.world.learn_nonce(self.seats[seat]);
        self.model.replace(seat, who);
        self.wait_for_a_quiet_moment();
    }

    pub(super) fn allocate(&mut self, seat: usize, wish: &Wish, lifetime_s: u32, wants_ticket: bool) {
        let request = Request::allocate().lifetime(lifetime_s);
        let request = match wish {
            Wish::One(1) => request,
            Wish::One(family) => request.family(*family),
            Wish::Both => request.both_families(),
            Wish::Even => request.with(AttributeType::EVEN_PORT, &[0]),
            Wish::Pair => request.with(AttributeType::EVEN_PORT, &[0x80]),
            Wish::Token(token) => request.with(AttributeType::RESERVATION_TOKEN, token),
        };
        let request = if wants_ticket { request.ticket(&[]) } else { request };
        let began = self.world.clock();
        let expected = self.model.allocate(seat, began, wish);
        let code = expected.as_ref().err().copied();
        self.note(&format!("{seat} allocates {wish:?} for {lifetime_s} s: {code:?}"));
        let answer = self.world.ask(self.seats[seat], request);
        match (expected, answer) {
            (Ok(prospect), Ok(granted)) => {
                let told = [granted.reservation().is_some(), granted.ticket().is_some()];
                assert_eq!(told, [*wish == Wish::Pair, wants_ticket]);
                assert_eq!(granted.mapped(), Some(self.world.address(self.seats[seat])));
                self.model.hold(&prospect, began, self.world.clock(), lifetime_s, &granted);
                self.addresses.extend(granted.all_relayed());
                self.tokens.extend(granted.reservation());
                self.tickets.extend(granted.ticket());
                self.sums.redeemed += u64::from(matches!(wish, Wish::Token(_)));
            }
            (Err(code), Err(failure)) => {
                assert_eq!(failure, Failure::Code(code));
                self.sums.refused += 1;
            }
            (expected, answer) => {
                panic!("expected {:?}, and it is {:?}", expected.err(), answer.err());
            }
        }
    }

    pub(super) fn refresh(&mut self, seat: usize, lifetime_s: u32, only: Option<u8>) {
        self.note(&format!("{seat} refreshes {only:?} for {lifetime_s} s"));
        let answer = self.ask(seat, of_family(Request::refresh(lifetime_s), only));
        let expected = self.model.refresh(seat, self.world.clock(), lifetime_s, only);
        if let Some(granted) = self.agree(answer, expected) {
            assert_eq!((granted.lifetime_s(), granted.ticket()), (Some(granted_s(lifetime_s)), None));
        }
    }

    /// Shows a ticket at a seat.
    pub(super) fn follow(&mut self, seat: usize, ticket: &[u8], lifetime_s: u32, only: Option<u8>) {
        self.note(&format!("{seat} shows a ticket {only:?} for {lifetime_s} s"));
        let answer = self.ask(seat, of_family(Request::refresh(lifetime_s).ticket(ticket), only));
        let expected = self.model.follow(seat, self.world.clock(), ticket, lifetime_s, only);
        if let Some(granted) = self.agree(answer, expected) {
            let is_there = !self.model.relayed(seat).is_empty();
            assert_eq!(
                (granted.lifetime_s(), granted.ticket().is_some()),
                (Some(granted_s(lifetime_s)), is_there)
            );
            self.model.learn_ticket(seat, &granted);
            self.tickets.extend(granted.ticket());
            self.sums.moved += 1;
        }
    }

    pub(super) fn permit(&mut self, seat: usize, peers: &[SocketAddr]) {
        self.note(&format!("{seat} permits {:?}", peers.iter().map(SocketAddr::port).collect::<Vec<_>>()));
        let answer = self.ask(seat, Request::permit(peers));
        let expected = self.model.permit(seat, self.world.clock(), peers);
        self.agree(answer, expected);
    }

    pub(super) fn bind(&mut self, seat: usize, number: u16, peer: SocketAddr) {
        self.note(&format!("{seat} binds {number:#x} to {}", peer.port()));
        let answer = self.ask(seat, Request::bind(number, peer));
        let expected = self.model.bind(seat, self.world.clock(), number, peer);
        self.agree(answer, expected);
    }

    pub(super) fn send(&mut self, seat: usize, peer: SocketAddr) {
        self.note(&format!("{seat} sends to {}", peer.port()));
        self.deliver(
            |story, payload| story.model.send(seat, story.world.clock(), peer, payload),
            |story, payload| story.world.send(story.seats[seat], peer, payload),
        );
    }

    pub(super) fn send_channel(&mut self, seat: usize, number: u16) {
        self.note(&format!("{seat} sends on {number:#x}"));
        self.deliver(
            |story, payload| story.model.send_channel(seat, story.world.clock(), number, payload),
            |story, payload| story.world.send_channel(story.seats[seat], number, payload),
        );
    }

    /// A peer outside sends to an address.
    pub(super) fn throw(&mut self, from: SocketAddr, to: SocketAddr) {
        self.note(&format!("from outside to {}", to.port()));
        let payload = self.payload();
        let expected = self.model.send_from_outside(self.world.clock(), from, to, &payload);
        self.world.throw(from, to, &payload);
        if let Some((seat, heard)) = expected {
            assert_eq!(self.world.heard(self.seats[seat]), [heard]);
            self.sums.outside += 1;
        }
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.note(&format!("{seconds} s pass"));
        self.world.pass(Duration::from_secs(seconds));
    }

    pub(super) fn end_session(&mut self, session: u8) {
        self.note(&format!("session {session} ends"));
        self.world.end_session(session);
        self.model.end_session(session, self.world.clock());
    }

    pub(super) fn deny(&mut self, denied: &[IpAddr]) {
        self.note(&format!("{denied:?} is closed"));
        let ranges: Vec<_> = denied.iter().filter_map(|ip| AddressRange::new(*ip, *ip)).collect();
        self.world.replace_rules(&[], &ranges);
        self.sums.closed += self.model.deny(self.world.clock(), denied) as u64;
    }

    /// A side of one of the sessions, with a credential for a while.
    pub(super) fn somebody(&mut self) -> Identity {
        let session = *self.random.pick(&self.sessions).expect("not empty");
        let side = if self.random.chance(500) { Side::A } else { Side::B };
        let expires_unix_s = self.world.unix_s() + 60 + self.random.below(20_000);
        Identity { session, side, expires_unix_s }
    }

    pub(super) const fn now(&self) -> Duration {
        self.world.now()
    }

    /// Whether a seat's occupant would be let in.
    pub(super) fn is_welcome(&self, seat: usize) -> bool {
        self.model.is_welcome(seat, self.world.clock())
    }

    /// Whether it is the one whose allocations are there.
    pub(super) fn is_entitled(&self, seat: usize) -> bool {
        self.model.is_entitled(seat, self.world.clock())
    }

    fn ask(&mut self, seat: usize, request: Request) -> Result<Granted, Failure> {
        self.world.ask(self.seats[seat], request)
    }

    /// What was granted, if that is what the model says.
    fn agree(&mut self, answer: Result<Granted, Failure>, expected: Option<u16>) -> Option<Granted> {
        self.note(&format!("  {expected:?}"));
        assert_eq!(answer.as_ref().err().copied(), expected.map(Failure::Code));
        self.sums.refused += u64::from(expected.is_some());
        answer.ok()
    }

    /// Sends until it arrives where the model says so. A packet that finds no way asks for one and is lost,
    /// at most twice: the question may itself have to wait for a second.
    fn deliver(
        &mut self,
        expected: impl Fn(&mut Self, &[u8]) -> Result<Hears, DropReason>,
        send: impl Fn(&mut Self, &[u8]) -> Outcome,
    ) {
        for attempt in 0..3 {
            self.world.settle();
            self.wait_for_a_quiet_moment();
            let payload = self.payload();
            let moves = self.model.moves();
            let expected = expected(self, &payload);
            self.note(&format!("  {expected:?}"));
            let mut outcome = send(self, &payload);
            if outcome == Outcome::Later {
                // Its 5-tuple is one that its holder has left, and another worker serves.
                self.world.settle();
                let relay = self.world.relay();
                let passed_on = std::iter::from_fn(|| relay.poll_passed_on());
                outcome = passed_on.last().expect("one worker asked another");
            }
            self.sums.moved_and_heard += u64::from(moves < self.model.moves() && expected.is_ok());
            match expected {
                Err(reason) => return assert_eq!(outcome, Outcome::Drop(reason)),
                Ok(hears) if outcome.is_forward() => return self.hear(hears, &payload),
                Ok(_) => assert_eq!(outcome, Outcome::Drop(DropReason::NoRoute)),
            }
            if self.is_lossy && attempt == 2 {
                self.sums.lost += 1;
                return;
            }
            assert!(attempt < 2, "what may be delivered is not");
            self.world.settle();
            self.world.pass(Duration::from_secs(1));
        }
    }

    fn hear(&mut self, hears: Hears, payload: &[u8]) {
        self.sums.heard += 1;
        match hears {
            Hears::Seat(seat, heard) => {
                let really = self.world.heard(self.seats[seat]);
                // The offer that told the sender's worker of the channel may be lost.
                let is_bare = matches!(&really[..], [Heard::Data(_, bytes)] if bytes == payload);
                let is_channel = matches!(heard, Heard::Channel(..));
                assert!(really == [heard] || self.is_lossy && is_channel && is_bare);
            }
            Hears::Peer { from, to } => {
                assert_eq!(self.world.heard_by_peer(to), [(from, payload.to_vec())]);
                // Everybody outside sends back what they hear.
                let echo = self.model.send_from_outside(self.world.clock(), to, from, payload);
                if let Some((seat, heard)) = echo {
                    assert_eq!(self.world.heard(self.seats[seat]), [heard]);
                    self.sums.outside += 1;
                }
            }
        }
    }

    fn payload(&mut self) -> [u8; 4] {
        self.said += 1;
        self.said.to_be_bytes()
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

/// How often something happened.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) heard: u64,
    pub(super) moved: u64,
    /// Packets that were heard and that completed a move.
    pub(super) moved_and_heard: u64,
    pub(super) redeemed: u64,
    pub(super) refused: u64,
    pub(super) outside: u64,
    /// Channels that new rules ended.
    pub(super) closed: u64,
    /// Allocations that gave way to others of their side.
    pub(super) displaced: u64,
    /// Packets for which no way was found, because offers were lost.
    pub(super) lost: u64,
}

impl Sums {
    pub(super) fn add(&mut self, other: Self) {
        self.heard += other.heard;
        self.moved += other.moved;
        self.moved_and_heard += other.moved_and_heard;
        self.redeemed += other.redeemed;
        self.refused += other.refused;
        self.outside += other.outside;
        self.closed += other.closed;
        self.displaced += other.displaced;
        self.lost += other.lost;
    }
}

fn of_family(request: Request, only: Option<u8>) -> Request {
    match only {
        Some(family) => request.family(family),
        None => request,
    }
}

/// RFC 8656 §7.2, §8.2
fn granted_s(asked_s: u32) -> u32 {
    if asked_s == 0 { 0 } else { asked_s.clamp(600, 3600) }
}

/// Peers on the internet.
pub(super) const OUTSIDE: [&str; 3] = ["9.9.9.9:5000", "9.9.9.9:5001", "[2620:fe::9]:5000"];

const OPERATIONS: usize = 300;

const SEATS: u64 = 10;

/// What workers tell each other, and all that follows from it, takes less.
const MOMENT: Duration = Duration::from_millis(10);
