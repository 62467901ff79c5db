//! A model of a crowd that does anything at any time, in virtual time, one seed after another.
//!
//! Held: nobody is matched twice at once, nobody with themselves, nobody while their transport is known to be
//! lost; each payload arrives once and in order, over any number of lost and resumed transports; whoever
//! loses a session is told so once; and nobody starves while somebody else waits. The matcher checks its own
//! maps after each step.

#![allow(clippy::unwrap_used, reason = "a model is a test all over")]

use std::collections::BTreeMap;
use std::time::Duration;

use match_core::{Config, ConnectionId, Departure, Inbound, Matcher, Now, Output};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

#[test]
fn every_random_crowd_keeps_the_rules() {
    let (mut matches, mut messages, mut resumed, mut meshes) = (0, 0, 0, 0);
    for seed in 0..400 {
        let mut world = World::new(seed);
        world.run(400);
        let counters = world.matcher.counters();
        matches += counters.matches_total;
        messages += counters.messages_total;
        resumed += counters.resumed_total;
        meshes += world.meshes;
    }
    assert!(matches > 5_000 && messages > 5_000, "an idle crowd proves nothing: {matches} {messages}");
    assert!(resumed > 1_000 && meshes > 100, "nobody came back, or no room filled: {resumed} {meshes}");
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
    people: BTreeMap<u64, Person>,
    next_person: u64,
    person_by_connection: BTreeMap<ConnectionId, u64>,
    /// What each side of each session has sent, by session and by who.
    sent: BTreeMap<(String, u64), Vec<String>>,
    codes: Vec<String>,
    /// Times somebody had more than one partner.
    meshes: u64,
    trace: Vec<String>,
}

/// What one client knows.
#[derive(Default)]
struct Person {
    connection: Option<ConnectionId>,
    /// Nothing passes its transport any more, in neither direction.
    is_cut: bool,
    token: String,
    /// How many payloads have come in each session.
    sessions: BTreeMap<String, u64>,
    is_in_room: bool,
    is_waiting: bool,
    /// Whether a bare `next` has something to repeat.
    has_asked: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut config = Config { session_ttl_s: 600, room_size: 4, ..Config::default() };
        config.limits.connections_max = 12;
        config.limits.waiting_max = 8;
        config.limits.rooms_max = 3;
        config.limits.lost_max = 6;
        Self {
            seed,
            random: ChaCha8Rng::seed_from_u64(seed),
            matcher: Matcher::new(config, [seed as u8; 32]),
            now: Now { mono: Duration::ZERO, unix_s: 1_000_000 },
            people: BTreeMap::new(),
            next_person: 0,
            person_by_connection: BTreeMap::new(),
            sent: BTreeMap::new(),
            codes: Vec::new(),
            meshes: 0,
            trace: Vec::new(),
        }
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
        }
        let cut: Vec<u64> = self.people.iter().filter(|(_, own)| own.is_cut).map(|(who, _)| *who).collect();
        for who in cut {
            self.come_back(who);
        }
        self.everything_arrived();
        self.nobody_starves();
    }

    fn step(&mut self) {
        match self.below(24) {
            0 | 1 => self.arrive(),
            2 => {
                if let Some(who) = self.anyone() {
                    self.depart(who);
                }
            }
            3 => {
                let ms = self.below(4000);
                self.pass(Duration::from_millis(ms));
            }
            4 if self.below(4) == 0 => {
                let s = self.below(40);
                self.pass(Duration::from_secs(s));
            }
            5 | 6 => {
                if let Some(who) = self.anyone() {
                    self.people.get_mut(&who).unwrap().is_cut = true;
                }
            }
            7 | 8 => {
                if let Some(who) = self.anyone_cut() {
                    self.notice(who);
                }
            }
            9..=12 => {
                if let Some(who) = self.anyone_cut() {
                    self.come_back(who);
                }
            }
            _ => {
                if let Some(who) = self.anyone() {
                    self.act(who);
                }
            }
        }
    }

    fn arrive(&mut self) {
        if let Some(connection) = self.matcher.handle_opened(None, self.now) {
            let who = self.next_person;
            self.next_person += 1;
            self.people.insert(who, Person { connection: Some(connection), ..Person::default() });
            self.person_by_connection.insert(connection, who);
            self.say(who, &json!({"t": "hello", "v": 1}));
        }
    }

    /// Says goodbye, if the transport still works, or vanishes for good.
    fn depart(&mut self, who: u64) {
        let own = self.people.remove(&who).unwrap();
        if let Some(connection) = own.connection {
            self.person_by_connection.remove(&connection);
            let departure = if own.is_cut { Departure::Lost } else { Departure::Left };
            self.matcher.handle_closed(connection, departure, self.now);
        }
        self.deliver();
    }

    /// The server learns that a transport is dead.
    fn notice(&mut self, who: u64) {
        if let Some(connection) = self.people.get_mut(&who).unwrap().connection.take() {
            self.person_by_connection.remove(&connection);
            self.matcher.handle_closed(connection, Departure::Lost, self.now);
            self.deliver();
        }
    }

    /// Whoever was cut off opens a new transport, perhaps before the server has missed the old one.
    fn come_back(&mut self, who: u64) {
        let Some(connection) = self.matcher.handle_opened(None, self.now) else { return };
        self.person_by_connection.insert(connection, who);
        let own = self.people.get_mut(&who).unwrap();
        if let Some(before) = own.connection.replace(connection) {
            self.person_by_connection.remove(&before);
        }
        own.is_cut = false;
        (own.is_waiting, own.is_in_room) = (false, false);
        let hello = if own.token.is_empty() {
            json!({"t": "hello", "v": 1})
        } else {
            json!({"t": "hello", "v": 1, "resume": {"token": own.token, "got": own.sessions}})
        };
        self.say(who, &hello);
    }

    fn act(&mut self, who: u64) {
        let own = &self.people[&who];
        if own.is_cut {
            return self.send_payload(who);
        }
        let has_asked = own.has_asked;
        let want = json!({
            "media": (["text", "video"][self.below(2) as usize]),
            "tags": ([["a"], ["b"], ["c"]][self.below(3) as usize]),
            "langs": ([["en"], ["de"]][self.below(2) as usize]),
        });
        let message = match self.below(12) {
            0 | 1 => json!({"t": "find", "want": want}),
            2 if has_asked => json!({"t": "next"}),
            2 | 3 => json!({"t": "next", "want": want}),
            4 => json!({"t": "open", "size": 2 + self.below(3)}),
            5 | 6 => {
                let pick = self.below(self.codes.len() as u64 + 1) as usize;
                json!({"t": "join", "room": self.codes.get(pick).map_or("nowhere", String::as_str)})
            }
            7 if self.below(2) == 0 => json!({"t": (["leave", "cancel", "hello"][self.below(3) as usize])}),
            _ => return self.send_payload(who),
        };
        self.say(who, &message);
    }

    /// Sends a payload with the right counter, now and then with a wrong one.
    fn send_payload(&mut self, who: u64) {
        let own = &self.people[&who];
        let is_cut = own.is_cut;
        let sessions: Vec<String> = own.sessions.keys().cloned().collect();
        if sessions.is_empty() {
            return;
        }
        let session = sessions[self.below(sessions.len() as u64) as usize].clone();
        let sent = self.sent.entry((session.clone(), who)).or_default();
        let n = sent.len() as u64 + 1;
        if self.random.next_u64().is_multiple_of(8) && !is_cut {
            let wrong = payload(&session, n + 1, "wrong");
            return self.say(who, &wrong);
        }
        let text = format!("{who}-{n}");
        sent.push(text.clone());
        if !is_cut {
            self.say(who, &payload(&session, n, &text));
        }
    }

    fn say(&mut self, who: u64, message: &Value) {
        let t = message["t"].as_str().unwrap();
        let connection = self.people[&who].connection.unwrap();
        self.matcher.handle_message(connection, Inbound::parse(&message.to_string()), self.now);
        let own = self.people.get_mut(&who).unwrap();
        // Who leaves knows at once that the session is over; nobody tells.
        if t == "leave" || t == "next" && !own.is_waiting {
            own.sessions.clear();
            own.is_in_room = false;
        }
        if t == "leave" || t == "cancel" {
            (own.is_waiting, own.has_asked) = (own.is_waiting && t != "cancel", false);
        }
        own.is_in_room |= t == "join";
        self.deliver();
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
                Output::Send { to, message } => self.hear(to, &message.to_json()),
                Output::Matched(matched) => {
                    let to = matched.to;
                    self.hear(to, &matched.into_message(Vec::new()).to_json());
                }
                Output::AskRelay(question) => {
                    let is_relaying = self.below(3) == 0;
                    self.matcher.handle_relaying(&question, is_relaying, self.now);
                }
                Output::SessionEnded { .. } => {}
                Output::Close { to, .. } => {
                    if let Some(who) = self.person_by_connection.remove(&to) {
                        self.people.remove(&who);
                    }
                }
            }
        }
    }

    fn hear(&mut self, to: ConnectionId, text: &str) {
        self.trace.push(text.to_owned());
        let who = self.person_by_connection.get(&to).copied();
        let Some((who, own)) = who.and_then(|who| Some((who, self.people.get_mut(&who)?))) else { return };
        if own.is_cut {
            return;
        }
        let message: Value = serde_json::from_str(text).unwrap();
        let (seed, session) = (self.seed, message["session"].as_str().unwrap_or_default().to_owned());
        match message["t"].as_str().unwrap() {
            "welcome" => self.greeted(who, &message),
            "matched" => {
                assert!(own.is_in_room || own.sessions.is_empty(), "seed {seed}: matched twice at once");
                own.is_waiting = false;
                assert_eq!(own.sessions.insert(session.clone(), 0), None, "seed {seed}: told twice");
                self.meshes += u64::from(own.sessions.len() > 1);
                let sides = self.people.values().filter(|own| own.sessions.contains_key(&session)).count();
                assert!(sides <= 2, "seed {seed}: a session of more than two");
            }
            "seal" => {
                let received = own.sessions.get_mut(&session);
                let received =
                    received.unwrap_or_else(|| panic!("seed {seed}: a payload of another's session"));
                *received += 1;
                assert_eq!(message["n"], *received, "seed {seed}");
                let (body, n) = (message["body"].as_str().unwrap(), *received as usize);
                let (partner, _) = body.split_once('-').unwrap();
                assert_ne!(partner, who.to_string(), "seed {seed}: matched with themselves");
                let sent = &self.sent[&(session, partner.parse().unwrap())];
                assert_eq!(sent[n - 1], body, "seed {seed}");
            }
            "gone" => {
                assert!(own.sessions.remove(&session).is_some(), "seed {seed}: told of another's end");
            }
            "waiting" => {
                assert!(!own.is_waiting && own.sessions.is_empty(), "seed {seed}");
                (own.is_waiting, own.has_asked) = (true, true);
            }
            "room" => {
                own.is_in_room = true;
                let code = message["code"].as_str().unwrap().to_owned();
                if !self.codes.contains(&code) {
                    self.codes.push(code);
                }
            }
            "error" if message["code"] == "expired" => (own.is_waiting, own.is_in_room) = (false, false),
            "error" if message["code"] == "no-room" => own.is_in_room = !own.sessions.is_empty(),
            _ => {}
        }
    }

    /// A client that came back sends again what did not arrive; one that came too late starts anew.
    fn greeted(&mut self, who: u64, welcome: &Value) {
        let own = self.people.get_mut(&who).unwrap();
        own.token = welcome["resume"].as_str().unwrap().to_owned();
        let Some(got) = welcome["got"].as_object() else {
            *own = Person { connection: own.connection, token: own.token.clone(), ..Person::default() };
            return;
        };
        let again: Vec<Value> = got
            .iter()
            .flat_map(|(session, got)| {
                let sent = self.sent.get(&(session.clone(), who)).map_or(&[][..], Vec::as_slice);
                let missed = sent.iter().enumerate().skip(got.as_u64().unwrap() as usize);
                missed.map(|(i, text)| payload(session, i as u64 + 1, text)).collect::<Vec<_>>()
            })
            .collect();
        let connection = self.people[&who].connection.unwrap();
        for message in again {
            self.matcher.handle_message(connection, Inbound::parse(&message.to_string()), self.now);
        }
    }

    /// What was sent in a session that both still have has come, whoever was cut off in between.
    fn everything_arrived(&self) {
        for (who, own) in &self.people {
            for (session, received) in &own.sessions {
                let sent = self.sent.iter().find(|((of, by), _)| of == session && by != who);
                let sent = sent.map_or(0, |(_, sent)| sent.len() as u64);
                let is_whole = self
                    .people
                    .iter()
                    .any(|(other, own)| other != who && !own.is_cut && own.sessions.contains_key(session));
                if is_whole && !own.is_cut {
                    assert_eq!(*received, sent, "seed {}: a payload was lost", self.seed);
                }
            }
        }
    }

    /// Ten more seconds without a word: then at most one still waits.
    fn nobody_starves(&mut self) {
        self.pass(Duration::from_secs(10));
        let waiting = self.matcher.counters().waiting;
        assert!(waiting <= 1, "seed {}: {waiting} wait for each other", self.seed);
    }

    fn anyone(&mut self) -> Option<u64> {
        let pick = self.below(self.people.len().max(1) as u64);
        self.people.keys().nth(pick as usize).copied()
    }

    fn anyone_cut(&mut self) -> Option<u64> {
        let cut: Vec<u64> = self.people.iter().filter(|(_, own)| own.is_cut).map(|(who, _)| *who).collect();
        let pick = self.below(cut.len().max(1) as u64);
        cut.get(pick as usize).copied()
    }

    fn below(&mut self, n: u64) -> u64 {
        self.random.next_u64() % n
    }
}

fn payload(session: &str, n: u64, body: &str) -> Value {
    json!({"t": "seal", "session": session, "n": n, "body": body})
}
