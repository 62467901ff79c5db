//! A model of a crowd that does anything at any time, in virtual time, one seed after another.
//!
//! Held: nobody is matched twice at once, nobody with themselves, each payload arrives once and in order,
//! whoever loses a session is told so once, and nobody starves while somebody else waits. The matcher checks
//! its own maps after each step.

#![allow(clippy::unwrap_used, reason = "a model is a test all over")]

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use match_core::{Config, ConnectionId, Inbound, Matcher, Now, Output};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

#[test]
fn every_random_crowd_keeps_the_rules() {
    let (mut matches, mut messages) = (0, 0);
    for seed in 0..400 {
        let mut world = World::new(seed);
        world.run(400);
        matches += world.matcher.counters().matches_total;
        messages += world.matcher.counters().messages_total;
    }
    assert!(matches > 5_000 && messages > 5_000, "an idle crowd proves nothing: {matches} {messages}");
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let trace = |seed| {
        let mut world = World::new(seed);
        world.run(200);
        world.trace
    };
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}

struct World {
    seed: u64,
    random: ChaCha8Rng,
    matcher: Matcher,
    now: Now,
    people: BTreeMap<ConnectionId, Person>,
    ended: u64,
    matched: u64,
    codes: Vec<String>,
    trace: Vec<String>,
}

/// What one client knows.
#[derive(Default)]
struct Person {
    session: Option<String>,
    is_waiting: bool,
    /// Whether a bare `next` has something to repeat.
    has_asked: bool,
    sent: u64,
    received: u64,
    /// What this one must receive, in order.
    expected: VecDeque<String>,
}

impl Person {
    fn lose_session(&mut self) {
        (self.session, self.sent, self.received) = (None, 0, 0);
        self.expected.clear();
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut config = Config { session_ttl_s: 600, ..Config::default() };
        config.limits.connections_max = 12;
        config.limits.waiting_max = 8;
        config.limits.rooms_max = 3;
        let matcher = Matcher::new(config, [seed as u8; 32]);
        Self {
            seed,
            random: ChaCha8Rng::seed_from_u64(seed),
            matcher,
            now: Now { mono: Duration::ZERO, unix_s: 1_000_000 },
            people: BTreeMap::new(),
            ended: 0,
            matched: 0,
            codes: Vec::new(),
            trace: Vec::new(),
        }
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
            self.deliver();
        }
        self.nobody_starves();
        let counters = self.matcher.counters();
        assert_eq!(counters.matches_total * 2, self.matched, "seed {}", self.seed);
        assert_eq!(counters.matches_total - self.ended, counters.sessions, "seed {}", self.seed);
    }

    fn step(&mut self) {
        match self.below(20) {
            0 | 1 => {
                if let Some(id) = self.matcher.handle_opened(self.now) {
                    self.people.insert(id, Person::default());
                    self.say(id, &json!({"t": "hello", "v": 1}));
                }
            }
            2 => {
                if let Some(id) = self.anyone() {
                    self.close(id);
                }
            }
            3 | 4 => {
                let ms = self.below(4000);
                self.pass(Duration::from_millis(ms));
            }
            _ => {
                if let Some(id) = self.anyone() {
                    self.act(id);
                }
            }
        }
    }

    fn act(&mut self, id: ConnectionId) {
        let want = json!({
            "media": (["text", "video"][self.below(2) as usize]),
            "tags": ([["a"], ["b"], ["c"]][self.below(3) as usize]),
            "langs": ([["en"], ["de"]][self.below(2) as usize]),
        });
        let message = match self.below(10) {
            0 | 1 => json!({"t": "find", "want": want}),
            2 if self.people[&id].has_asked => json!({"t": "next"}),
            2 | 3 => json!({"t": "next", "want": want}),
            4 => json!({"t": "open"}),
            5 => {
                let pick = self.below(self.codes.len() as u64 + 1) as usize;
                json!({"t": "join", "room": self.codes.get(pick).map_or("nowhere", String::as_str)})
            }
            6 if self.below(2) == 0 => json!({"t": (["leave", "cancel", "hello"][self.below(3) as usize])}),
            _ => return self.send_payload(id),
        };
        self.say(id, &message);
    }

    /// Sends a payload with the right counter, now and then with a wrong one.
    fn send_payload(&mut self, id: ConnectionId) {
        let Some(session) = self.people[&id].session.clone() else { return };
        let n = self.people[&id].sent + 1;
        let is_wrong = self.below(8) == 0;
        let body = json!({"cand": [{"candidate": "", "sdpMid": n.to_string()}]});
        let claimed = if is_wrong { n + self.below(2) * 2 - 1 } else { n };
        if !is_wrong {
            let partner = self.partner_of(id);
            let own = self.people.get_mut(&id).unwrap();
            own.sent = n;
            self.people.get_mut(&partner).unwrap().expected.push_back(body.to_string());
        } else if claimed == n {
            return;
        }
        self.say(id, &json!({"t": "plain", "session": session, "n": claimed, "body": body}));
    }

    fn say(&mut self, id: ConnectionId, message: &Value) {
        // Who leaves knows at once that the session is over; nobody tells.
        let t = message["t"].as_str().unwrap();
        self.matcher.handle_message(id, Inbound::parse(&message.to_string()), self.now);
        let own = self.people.get_mut(&id).unwrap();
        if t == "leave" || t == "next" && own.session.is_some() {
            own.lose_session();
        }
        if t == "cancel" {
            own.is_waiting = false;
        }
        self.deliver();
    }

    fn close(&mut self, id: ConnectionId) {
        self.people.remove(&id);
        self.matcher.handle_closed(id, self.now);
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now.mono + time;
        while let Some(at) = self.matcher.next_deadline().filter(|at| *at <= until) {
            assert!(at >= self.now.mono, "seed {}: a deadline was missed", self.seed);
            self.now.mono = at;
            self.matcher.handle_deadline(self.now);
            self.deliver();
        }
        self.now.mono = until;
    }

    fn deliver(&mut self) {
        while let Some(output) = self.matcher.poll_output() {
            match output {
                Output::Send { to, message } => {
                    self.hear(to, &serde_json::from_str(&message.to_json()).unwrap())
                }
                Output::Matched(matched) => {
                    let to = matched.to;
                    self.hear(
                        to,
                        &serde_json::from_str(&matched.into_message(Vec::new()).to_json()).unwrap(),
                    );
                }
                Output::SessionEnded { .. } => self.ended += 1,
                Output::Close { to, .. } => {
                    self.people.remove(&to);
                }
            }
        }
    }

    fn hear(&mut self, to: ConnectionId, message: &Value) {
        self.trace.push(message.to_string());
        let seed = self.seed;
        let t = message["t"].as_str().unwrap();
        self.matched += u64::from(t == "matched");
        let Some(own) = self.people.get_mut(&to) else { return };
        match t {
            "matched" => {
                assert!(own.session.is_none(), "seed {seed}: matched twice at once");
                *own =
                    Person { session: message["session"].as_str().map(str::to_owned), ..Person::default() };
                let session = own.session.clone();
                let sides = self.people.values().filter(|person| person.session == session).count();
                assert!(sides <= 2, "seed {seed}: a session of more than two");
            }
            "plain" => {
                own.received += 1;
                assert_eq!(message["n"], own.received, "seed {seed}");
                assert_eq!(own.session.as_deref(), message["session"].as_str(), "seed {seed}");
                assert_eq!(own.expected.pop_front(), Some(message["body"].to_string()), "seed {seed}");
            }
            "gone" => {
                assert_eq!(
                    own.session.as_deref(),
                    message["session"].as_str(),
                    "seed {seed}: told of another's end"
                );
                assert!(own.expected.is_empty(), "seed {seed}: a payload was lost");
                own.lose_session();
            }
            "waiting" => {
                assert!(!own.is_waiting && own.session.is_none(), "seed {seed}");
                (own.is_waiting, own.has_asked) = (true, true);
            }
            "room" => self.codes.push(message["code"].as_str().unwrap().to_owned()),
            _ => {}
        }
    }

    /// Ten more seconds without a word: then at most one still waits.
    fn nobody_starves(&mut self) {
        self.pass(Duration::from_secs(10));
        let waiting = self.matcher.counters().waiting;
        assert!(waiting <= 1, "seed {}: {waiting} wait for each other", self.seed);
    }

    fn partner_of(&self, id: ConnectionId) -> ConnectionId {
        let session = &self.people[&id].session;
        let partner = self.people.iter().find(|(other, person)| **other != id && person.session == *session);
        *partner.expect("a session has two sides, and nobody is matched with themselves").0
    }

    fn anyone(&mut self) -> Option<ConnectionId> {
        let pick = self.below(self.people.len().max(1) as u64);
        self.people.keys().nth(pick as usize).copied()
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random.next_u64() % n
    }
}
