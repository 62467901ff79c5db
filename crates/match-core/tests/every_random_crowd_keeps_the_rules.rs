//! A model of a crowd that does anything at any time, in virtual time, one seed after another.
//!
//! Held: nobody is matched twice at once, nobody with themselves, nobody while their transport is known to be
//! lost; each payload arrives once and in order, over any number of lost and resumed transports and
//! greetings that went astray; whoever loses a session is told so once, and that the partner is lost only if
//! somebody was away for too long; strangers accept each other, and of those who do, who waits longest is
//! served first; and what is held for all keeps within its bound. The matcher checks its own maps after each
//! step.

#![allow(clippy::unwrap_used, reason = "a model is a test all over")]

#[path = "model/tickets.rs"]
mod tickets;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use match_core::{Config, ConnectionId, Departure, Inbound, Matcher, Now, Origin, Output, SessionId, Side};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::tickets::Tickets;

#[test]
fn every_random_crowd_keeps_the_rules() {
    let (mut matches, mut messages, mut resumed, mut meshes, mut dropped) = (0, 0, 0, 0, 0);
    let (mut judged, mut astray) = (0, 0);
    for seed in 0..440 {
        let mut world = World::new(seed);
        world.run(400);
        let counters = world.matcher.counters();
        matches += counters.matches_total;
        messages += counters.messages_total;
        resumed += counters.resumed_total;
        dropped += counters.held_dropped_total;
        meshes += world.meshes;
        judged += world.tickets.judged;
        astray += world.astray;
    }
    assert!(matches > 4_000 && messages > 4_000, "an idle crowd proves nothing: {matches} {messages}");
    assert!(resumed > 1_000 && meshes > 100, "nobody came back, or no room filled: {resumed} {meshes}");
    assert!(judged > 2_000 && astray > 1_000, "few were strangers, or all was heard: {judged} {astray}");
    assert!(dropped > 100, "nothing was ever too much: {dropped}");
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
    tickets: Tickets,
    /// Who has just asked for a partner, and for which.
    asking: Option<(u64, Value)>,
    /// The side of a session that was told of it last, if that is the caller.
    caller: Option<(String, u64)>,
    /// Who is in which session, as far as the server has said so.
    sides: BTreeMap<String, BTreeSet<u64>>,
    /// Sessions that may end because a side was away for too long.
    may_be_lost: BTreeSet<String>,
    /// Greetings that did not arrive.
    astray: u64,
    /// Times somebody had more than one partner.
    meshes: u64,
    /// Whether nobody has to give way to others.
    has_room: bool,
    trace: Vec<String>,
}

/// What one client knows.
#[derive(Default)]
struct Person {
    connection: Option<ConnectionId>,
    /// Nothing passes its transport any more, in neither direction.
    is_cut: bool,
    cut_since: Duration,
    token: String,
    /// What was asked for last.
    want: Value,
    /// How many payloads have come in each session.
    sessions: BTreeMap<String, u64>,
    is_in_room: bool,
    is_waiting: bool,
    /// Whether what was said last did not fit the state.
    is_refused: bool,
    /// Whether a bare `next` has something to repeat.
    has_asked: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut config = Config { session_ttl_s: 600, room_size: 4, ..Config::default() };
        config.limits.connections_max = 12;
        config.limits.waiting_max = 8;
        config.limits.rooms_max = 3;
        config.rotate_s = 60;
        config.resume_s = if seed.is_multiple_of(5) { 300 } else { 30 };
        config.limits.lost_max = if seed.is_multiple_of(3) { 3 } else { 100 };
        if seed.is_multiple_of(8) {
            // What a few messages take.
            config.limits.held_total_bytes_max = HELD_BYTES;
        }
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
            tickets: Tickets::default(),
            asking: None,
            caller: None,
            sides: BTreeMap::new(),
            may_be_lost: BTreeSet::new(),
            astray: 0,
            meshes: 0,
            has_room: !seed.is_multiple_of(3) && !seed.is_multiple_of(4),
            trace: Vec::new(),
        }
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.step();
            let idle = self.tickets.idle_pair(self.now.mono);
            assert_eq!(idle, None, "seed {}: they wait for each other", self.seed);
        }
        let cut: Vec<u64> = self.people.iter().filter(|(_, own)| own.is_cut).map(|(who, _)| *who).collect();
        for who in cut {
            self.come_back(who, true);
        }
        self.everything_arrived();
        self.nobody_starves();
    }

    fn step(&mut self) {
        if self.seed.is_multiple_of(8) {
            assert!(self.matcher.counters().held_bytes <= HELD_BYTES as u64, "seed {}", self.seed);
        }
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
                let s = self.below(if self.is_patient() { 200 } else { 40 });
                self.pass(Duration::from_secs(s));
            }
            5 | 6 => {
                if let Some(who) = self.anyone() {
                    self.cut(who);
                }
            }
            7 | 8 => {
                if let Some(who) = self.anyone_cut() {
                    self.notice(who);
                }
            }
            9..=12 => {
                if let Some(who) = self.anyone_cut() {
                    let arrives = self.below(4) > 0;
                    self.come_back(who, arrives);
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
        if let Some(connection) = self.open() {
            let who = self.next_person;
            self.next_person += 1;
            self.people.insert(who, Person { connection: Some(connection), ..Person::default() });
            self.person_by_connection.insert(connection, who);
            self.say(who, &json!({"t": "hello", "v": 1}));
        }
    }

    /// A transport from one of a few places.
    fn open(&mut self) -> Option<ConnectionId> {
        let (network, host) = (self.below(3) as u8, self.below(3) as u8);
        let origin = Origin::from(IpAddr::V4(Ipv4Addr::new(192, 0, network, host)));
        self.matcher.handle_opened(Some(origin), self.now)
    }

    fn cut(&mut self, who: u64) {
        let own = self.people.get_mut(&who).unwrap();
        if !own.is_cut {
            (own.is_cut, own.cut_since) = (true, self.now.mono);
        }
    }

    /// Says goodbye, if the transport still works, or vanishes for good.
    fn depart(&mut self, who: u64) {
        self.end_of_unnoticed(who);
        self.tickets.forget(who);
        let own = self.people.remove(&who).unwrap();
        if let Some(connection) = own.connection {
            self.person_by_connection.remove(&connection);
            let departure = if own.is_cut { Departure::Lost } else { Departure::Left };
            self.matcher.handle_closed(connection, departure, self.now);
        }
        self.deliver();
    }

    /// The server learns of a dead transport. What it sent for a minute meanwhile it has not kept.
    fn end_of_unnoticed(&mut self, who: u64) {
        let own = &self.people[&who];
        if own.is_cut && own.connection.is_some() && self.now.mono - own.cut_since >= HELD {
            let sessions = self.sides.iter().filter(|(_, sides)| sides.contains(&who));
            self.may_be_lost.extend(sessions.map(|(session, _)| session.clone()));
        }
    }

    /// The server learns that a transport is dead.
    fn notice(&mut self, who: u64) {
        self.end_of_unnoticed(who);
        self.tickets.set_there(who, false);
        if let Some(connection) = self.people.get_mut(&who).unwrap().connection.take() {
            self.person_by_connection.remove(&connection);
            self.matcher.handle_closed(connection, Departure::Lost, self.now);
            self.deliver();
        }
    }

    /// Whoever was cut off opens a new transport, perhaps before the server has missed the old one, and
    /// perhaps that breaks before anything comes by it.
    fn come_back(&mut self, who: u64, arrives: bool) {
        let Some(connection) = self.open() else { return };
        self.end_of_unnoticed(who);
        self.tickets.set_there(who, true);
        self.person_by_connection.insert(connection, who);
        let own = self.people.get_mut(&who).unwrap();
        if let Some(before) = own.connection.replace(connection) {
            self.person_by_connection.remove(&before);
        }
        if arrives {
            own.is_cut = false;
            (own.is_waiting, own.is_in_room) = (false, false);
        } else {
            own.cut_since = self.now.mono;
            self.astray += 1;
        }
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
        let (has_asked, sessions) = (own.has_asked, own.sessions.keys().cloned().collect::<Vec<_>>());
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
            8 if self.below(3) == 0 && !sessions.is_empty() => {
                let pick = self.below(sessions.len() as u64) as usize;
                json!({"t": "leave", "session": sessions[pick]})
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
        if matches!(t, "find" | "next") {
            let want = if message["want"].is_null() { &self.people[&who].want } else { &message["want"] };
            self.asking = Some((who, want.clone()));
        } else if t == "cancel" {
            self.tickets.forget(who);
        }
        self.matcher.handle_message(connection, Inbound::parse(&message.to_string()), self.now);
        let own = self.people.get_mut(&who).unwrap();
        // Who leaves knows at once that the session is over; nobody tells.
        if let Some(session) = message["session"].as_str().filter(|_| t == "leave") {
            own.sessions.remove(session);
            own.has_asked &= own.is_in_room;
            return self.deliver();
        }
        if t == "leave" || t == "next" && !own.is_waiting {
            own.sessions.clear();
            own.is_in_room = false;
        }
        if t == "leave" || t == "cancel" {
            (own.is_waiting, own.has_asked) = (own.is_waiting && t != "cancel", false);
        }
        let was_in_room = own.is_in_room;
        own.is_in_room |= t == "join";
        own.is_refused = false;
        self.deliver();
        self.asking = None;
        if let Some(own) = self.people.get_mut(&who).filter(|own| own.is_refused) {
            own.is_in_room = was_in_room;
        }
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
                    let text = message.to_json();
                    self.observe(to, &text);
                    self.hear(to, &text);
                }
                Output::Forward { to, frame } => self.hear(to, frame.as_str()),
                Output::Matched(matched) => {
                    let to = matched.to;
                    self.observe_match(to, &name(matched.session), matched.side);
                    self.hear(to, &matched.into_message(Vec::new()).to_json());
                }
                Output::AskRelay(question) => {
                    let is_relaying = self.below(3) == 0;
                    if !is_relaying {
                        self.may_be_lost.insert(name(question.session()));
                    }
                    self.matcher.handle_relaying(&question, is_relaying, self.now);
                }
                Output::SessionEnded { .. } | Output::UseToken(_) => {}
                Output::Close { to, .. } => {
                    if let Some(who) = self.person_by_connection.remove(&to) {
                        self.tickets.forget(who);
                        self.people.remove(&who);
                    }
                }
            }
        }
    }

    /// What the server says of the queue, whether it arrives or not.
    fn observe(&mut self, to: ConnectionId, text: &str) {
        let Some(who) = self.person_by_connection.get(&to).copied() else { return };
        let message: Value = serde_json::from_str(text).unwrap();
        match message["t"].as_str().unwrap() {
            "waiting" => self.note_asking(who),
            "welcome" if message["got"].is_null() => self.tickets.forget_partners(who),
            "error" if message["code"] == "expired" => self.tickets.forget(who),
            _ => {}
        }
    }

    fn observe_match(&mut self, to: ConnectionId, session: &str, side: Side) {
        let Some(who) = self.person_by_connection.get(&to).copied() else { return };
        let sides = self.sides.entry(session.to_owned()).or_default();
        let is_new = sides.insert(who);
        match (side, self.caller.take()) {
            (Side::A, _) => {
                self.note_asking(who);
                self.caller = Some((session.to_owned(), who));
            }
            (Side::B, Some((of, caller))) if is_new && of == session && self.tickets.has(who) => {
                let judged = self.tickets.judge(caller, who, self.now.mono);
                assert_eq!(judged, Ok(()), "seed {}", self.seed);
            }
            (Side::B, _) => {}
        }
    }

    /// Somebody who has just asked was let into the queue.
    fn note_asking(&mut self, who: u64) {
        if let Some((_, want)) = self.asking.take_if(|(asking, _)| *asking == who) {
            self.tickets.ask(who, &want, self.now.mono);
            self.people.get_mut(&who).unwrap().want = want;
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
                let may_be_lost = self.may_be_lost.contains(&session) || !self.has_room;
                assert!(message["why"] != "lost" || may_be_lost, "seed {seed}: {who} lost nobody");
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
            "error" if message["code"] == "bad-state" => own.is_refused = true,
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
            let sessions = std::mem::take(&mut self.people.get_mut(&who).unwrap().sessions);
            let goes_on = |(session, _): &(String, u64)| {
                self.people.values().any(|other| !other.is_cut && other.sessions.contains_key(session))
            };
            let forgotten = sessions.into_iter().find(goes_on);
            assert!(forgotten.is_none() || !self.has_room, "seed {}: {who} is not known any more", self.seed);
            let own = self.people.get_mut(&who).unwrap();
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

    /// Whether those who are lost may come back after longer than anything is held for those who are not.
    fn is_patient(&self) -> bool {
        self.seed.is_multiple_of(5)
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

fn name(session: SessionId) -> String {
    serde_json::to_value(session).unwrap().as_str().unwrap().to_owned()
}

/// How long a payload is held for somebody who is there.
const HELD: Duration = Duration::from_secs(60);

fn payload(session: &str, n: u64, body: &str) -> Value {
    json!({"t": "seal", "session": session, "n": n, "body": body})
}

const HELD_BYTES: usize = 800;
