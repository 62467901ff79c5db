//! Whoever lost a transport finds on the next what was there: payloads of long ago, though a greeting went
//! astray on the way; partners who came into the room meanwhile; and a place to come back to, though a crowd
//! from somewhere else vanished at the same time.

use std::net::IpAddr;
use std::time::Duration;

use match_core::{Config, ConnectionId, Departure, Inbound, Limits, Matcher, Now, Origin, Output};
use serde_json::{Value, json};

struct World(Matcher, Now);

/// Somebody, and what they hear on the transport of now.
struct Person {
    id: ConnectionId,
    heard: Vec<Value>,
}

impl World {
    fn new(config: Config) -> Self {
        Self(Matcher::new(config, [1; 32]), Now { mono: Duration::from_secs(1), unix_s: 5_000 })
    }

    fn open(&mut self, address: &str) -> ConnectionId {
        let address: IpAddr = address.parse().unwrap_or_else(|_| panic!("an address"));
        self.0.handle_opened(Some(Origin::from(address)), self.1).unwrap_or_else(|| panic!("there is room"))
    }

    /// Somebody from an address says hello.
    fn enter(&mut self, address: &str) -> Person {
        let mut person = Person { id: self.open(address), heard: Vec::new() };
        self.say(&mut person, &json!({"t": "hello", "v": 1}));
        person
    }

    /// Two strangers in a session; the second is the caller.
    fn pair(&mut self, addresses: [&str; 2]) -> ([Person; 2], String) {
        let [mut one, mut other] = addresses.map(|address| self.enter(address));
        let find = json!({"t": "find", "want": {"media": "text", "tags": [addresses[0]]}});
        self.say(&mut one, &find);
        let mut heard = self.say_all(&mut other, &find);
        one.heard.extend(heard.extract_if(.., |(to, _)| *to == one.id).map(|(_, message)| message));
        let session = other.last("matched")["session"].as_str().unwrap_or_default().to_owned();
        ([one, other], session)
    }

    fn say(&mut self, person: &mut Person, message: &Value) {
        self.say_all(person, message);
    }

    /// Says something; gives what others hear of it.
    fn say_all(&mut self, person: &mut Person, message: &Value) -> Vec<(ConnectionId, Value)> {
        self.0.handle_message(person.id, Inbound::parse(&message.to_string()), self.1);
        let mut heard = self.hear();
        person.heard.extend(heard.extract_if(.., |(to, _)| *to == person.id).map(|(_, message)| message));
        heard
    }

    fn lose(&mut self, person: &Person) {
        self.0.handle_closed(person.id, Departure::Lost, self.1);
        self.hear();
    }

    /// Comes back on another transport with a token and what has arrived; gives what others hear of it.
    fn resume(&mut self, person: &mut Person, token: &Value, got: &Value) -> Vec<(ConnectionId, Value)> {
        *person = Person { id: self.open("192.0.2.99"), heard: Vec::new() };
        self.say_all(person, &json!({"t": "hello", "v": 1, "resume": {"token": token, "got": got}}))
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.1.mono += Duration::from_secs(1);
            self.0.handle_deadline(self.1);
            self.hear();
        }
    }

    fn hear(&mut self) -> Vec<(ConnectionId, Value)> {
        let mut heard = Vec::new();
        while let Some(output) = self.0.poll_output() {
            let (to, text) = match output {
                Output::Send { to, message } => (to, message.to_json()),
                Output::Forward { to, frame } => (to, frame.as_str().to_owned()),
                Output::Matched(matched) => (matched.to, matched.into_message(Vec::new()).to_json()),
                // A call goes on, whoever is lost.
                Output::AskRelay(question) => {
                    self.0.handle_relaying(&question, true, self.1);
                    continue;
                }
                Output::SessionEnded { .. } | Output::UseToken(_) | Output::Close { .. } => continue,
            };
            heard.push((to, serde_json::from_str(&text).unwrap_or_default()));
        }
        heard
    }
}

impl Person {
    fn last(&self, t: &str) -> &Value {
        self.heard.iter().rfind(|message| message["t"] == t).unwrap_or(&Value::Null)
    }

    fn token(&self) -> Value {
        self.last("welcome")["resume"].clone()
    }

    /// What was heard, by kind, with the detail of an error or an end.
    fn kinds(&self) -> Vec<String> {
        let text = |message: &Value, key: &str| message[key].as_str().unwrap_or_default().to_owned();
        self.heard
            .iter()
            .map(|message| ["t", "why", "code"].map(|key| text(message, key)).join(" "))
            .map(|kind| match kind.split_once(' ') {
                // A room's code is no detail.
                Some(("room", _)) => "room".to_owned(),
                _ => kind.trim().to_owned(),
            })
            .collect()
    }
}

fn seal(session: &str, n: u64) -> Value {
    json!({"t": "seal", "session": session, "n": n, "body": format!("{n:04}")})
}

#[test]
fn a_payload_is_held_as_long_as_its_reader_is_away() {
    let mut world = World::new(Config { resume_s: 300, ..Config::default() });
    let ([mut away, mut there], session) = world.pair(["192.0.2.1", "198.51.100.1"]);
    let token = away.token();
    world.lose(&away);
    world.say(&mut there, &seal(&session, 1));
    world.pass(250);
    world.resume(&mut away, &token, &json!({session.as_str(): 0}));
    assert_eq!(away.kinds(), ["welcome", "seal"]);
    // From here on as long as for anybody who is there.
    let token = away.token();
    world.pass(30);
    world.lose(&away);
    world.resume(&mut away, &token, &json!({session.as_str(): 0}));
    assert_eq!(away.kinds(), ["welcome", "seal"]);
    let token = away.token();
    world.pass(60);
    world.lose(&away);
    world.resume(&mut away, &token, &json!({session.as_str(): 0}));
    assert_eq!(away.kinds(), ["welcome", "gone lost"], "it was there for a minute and did not say otherwise");
}

#[test]
fn a_greeting_may_go_astray() {
    let mut world = World::new(Config::default());
    let ([mut away, mut there], session) = world.pair(["192.0.2.1", "198.51.100.1"]);
    let (old, got) = (away.token(), json!({session.as_str(): 0}));
    world.lose(&away);
    world.say(&mut there, &seal(&session, 1));
    let mut lost_tokens = Vec::new();
    for _ in 0..3 {
        world.resume(&mut away, &old, &got);
        assert_eq!(away.kinds(), ["welcome", "seal"], "nothing of it arrives");
        lost_tokens.push(away.token());
        world.lose(&away);
    }
    // Those that nobody heard of are worth nothing, but for the latest.
    world.resume(&mut away, &lost_tokens[0], &got);
    assert_eq!(away.kinds(), ["welcome"], "a new client");
    world.resume(&mut away, &lost_tokens[2], &got);
    assert_eq!(away.kinds(), ["welcome", "seal"]);
    // Once something was said on the new transport, the token that led to it is used up.
    let new = away.token();
    world.say(&mut away, &seal(&session, 1));
    world.lose(&away);
    world.resume(&mut away, &lost_tokens[2], &got);
    assert_eq!(away.kinds(), ["welcome"], "a new client");
    world.resume(&mut away, &new, &got);
    assert_eq!(away.kinds(), ["welcome", "seal"]);
}

#[test]
fn an_end_that_went_astray_keeps_its_reason() {
    let mut world = World::new(Config::default());
    let ([mut away, mut there], session) = world.pair(["192.0.2.1", "198.51.100.1"]);
    let (old, got) = (away.token(), json!({session.as_str(): 0}));
    world.say(&mut there, &json!({"t": "leave"}));
    world.resume(&mut away, &old, &got);
    assert_eq!(away.kinds(), ["welcome", "gone left"], "it had not arrived when the transport broke");
}

#[test]
fn who_joins_while_a_member_is_away_meets_them_when_they_are_back() {
    let mut world = World::new(Config::default());
    let mut first = world.enter("192.0.2.1");
    world.say(&mut first, &json!({"t": "open"}));
    let (token, code) = (first.token(), first.last("room")["code"].clone());
    world.lose(&first);
    let mut second = world.enter("198.51.100.1");
    world.say(&mut second, &json!({"t": "join", "room": code}));
    assert_eq!(second.kinds(), ["welcome", "room"], "nobody is there to answer");
    world.pass(25);
    let others = world.resume(&mut first, &token, &json!({}));
    assert_eq!(first.kinds(), ["welcome", "room", "matched"]);
    assert_eq!(first.last("matched")["role"], "callee");
    let told: Vec<_> = others.iter().filter(|(to, _)| *to == second.id).map(|(_, message)| message).collect();
    assert!(matches!(told[..], [matched] if matched["role"] == "caller"), "{told:?}");
}

#[test]
fn two_of_a_room_who_missed_too_much_start_anew() {
    let mut world = World::new(Config { resume_s: 300, ..Config::default() });
    let mut first = world.enter("192.0.2.1");
    world.say(&mut first, &json!({"t": "open"}));
    let code = first.last("room")["code"].clone();
    let mut second = world.enter("198.51.100.1");
    let told = world.say_all(&mut second, &json!({"t": "join", "room": code}));
    first.heard.extend(told.into_iter().map(|(_, message)| message));
    let session = first.last("matched")["session"].as_str().unwrap_or_default().to_owned();
    world.say(&mut second, &seal(&session, 1));
    let token = first.token();
    world.pass(61);
    world.lose(&first);
    world.resume(&mut first, &token, &json!({session.as_str(): 0}));
    assert_eq!(first.kinds(), ["welcome", "room", "gone lost", "matched"]);
}

#[test]
fn a_crowd_that_vanishes_pushes_out_its_own() {
    let limits = Limits { lost_max: 8, ..Limits::default() };
    let mut world = World::new(Config { limits, ..Config::default() });
    let mut crowd = Vec::new();
    for i in 0..20 {
        let ([one, other], _) = world.pair([&format!("2001:db8:1:{i}::1"), &format!("2001:db8:1:{i}::2")]);
        crowd.extend([one, other]);
    }
    let ([mut honest, _there], session) = world.pair(["192.0.2.1", "198.51.100.1"]);
    crowd.iter().for_each(|person| world.lose(person));
    assert_eq!(world.0.counters().lost, 8);
    let token = honest.token();
    world.lose(&honest);
    let mut late = world.enter("2001:db8:1:ff::1");
    world.say(&mut late, &json!({"t": "open"}));
    world.lose(&late);
    world.resume(&mut honest, &token, &json!({session.as_str(): 0}));
    assert_eq!(honest.kinds(), ["welcome"], "nothing was missed");
    assert_eq!(honest.last("welcome")["got"], json!({session.as_str(): 0}));
}
