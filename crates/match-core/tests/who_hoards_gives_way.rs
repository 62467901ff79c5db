//! What is held for all clients has one bound: where too much comes together, those for whom the most is held
//! lose it, and nobody else notices.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::time::Duration;

use match_core::{Config, ConnectionId, Departure, Inbound, Matcher, Now, Output};
use serde_json::{Value, json};

#[test]
fn the_sum_has_a_bound_and_the_modest_come_back_to_all_of_theirs() {
    let mut config = Config::default();
    config.limits.held_total_bytes_max = BYTES_MAX;
    let mut world = World(Matcher::new(config, [7; 32]), Vec::new());
    let modest = world.pair();
    let modest_token = world.1[0].clone();
    world.0.handle_closed(modest.to, Departure::Lost, NOW);
    for n in 1..=MODEST {
        world.send(&modest, n, "modest");
    }
    let hoards: Vec<_> = (0..HOARDS).map(|_| world.pair()).collect();
    let body = "x".repeat(20_000);
    for n in 1..=10 {
        for hoard in &hoards {
            world.send(hoard, n, &body);
            let bytes = world.0.counters().held_bytes;
            assert!(bytes <= BYTES_MAX as u64, "{bytes} bytes");
        }
    }
    let dropped = world.0.counters().held_dropped_total;
    assert!(dropped >= (HOARDS * 10 * 20_000 / BYTES_MAX) as u64, "{dropped}");

    let back = world.0.handle_opened(None, NOW).unwrap();
    let hello = json!({
        "t": "hello", "v": 1, "resume": {"token": modest_token, "got": {(modest.session.clone()): 0}}
    });
    let told = world.say(back, &hello);
    let payloads = told.iter().filter(|(to, message)| *to == back && message["t"] == "seal");
    let numbers: Vec<_> = payloads.map(|(_, message)| message["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=MODEST).collect::<Vec<_>>(), "all that it missed, in order");
}

#[test]
fn whose_payloads_are_gone_loses_the_session_on_its_return() {
    let mut config = Config::default();
    config.limits.held_total_bytes_max = BYTES_MAX;
    let mut world = World(Matcher::new(config, [7; 32]), Vec::new());
    let pair = world.pair();
    let token = world.1[0].clone();
    world.0.handle_closed(pair.to, Departure::Lost, NOW);
    let body = "x".repeat(30_000);
    for n in 1..=8 {
        world.send(&pair, n, &body);
    }
    let back = world.0.handle_opened(None, NOW).unwrap();
    let hello = json!({"t": "hello", "v": 1, "resume": {"token": token, "got": {(pair.session.clone()): 0}}});
    let told = world.say(back, &hello);
    let kinds: Vec<_> = told.iter().map(|(to, message)| (*to, message["t"].as_str().unwrap())).collect();
    assert_eq!(kinds, [(back, "welcome"), (back, "gone"), (pair.from, "gone")]);
    assert_eq!(world.0.counters().held_bytes, 0);
}

/// The matcher, and the tokens with which those may come back who were greeted.
struct World(Matcher, Vec<String>);

struct Pair {
    from: ConnectionId,
    to: ConnectionId,
    session: String,
}

impl World {
    fn pair(&mut self) -> Pair {
        let [to, from] = [(); 2].map(|()| {
            let id = self.0.handle_opened(None, NOW).unwrap();
            let told = self.say(id, &json!({"t": "hello", "v": 1}));
            self.1.push(told[0].1["resume"].as_str().unwrap().to_owned());
            id
        });
        self.say(to, &json!({"t": "find", "want": {"media": "text"}}));
        let told = self.say(from, &json!({"t": "find", "want": {"media": "text"}}));
        Pair { from, to, session: told[0].1["session"].as_str().unwrap().to_owned() }
    }

    fn send(&mut self, pair: &Pair, n: u64, body: &str) {
        let told = self.say(pair.from, &json!({"t": "seal", "session": pair.session, "n": n, "body": body}));
        assert!(told.iter().all(|(_, message)| message["t"] == "seal"), "{told:?}");
    }

    fn say(&mut self, from: ConnectionId, message: &Value) -> Vec<(ConnectionId, Value)> {
        self.0.handle_message(from, Inbound::parse(&message.to_string()), NOW);
        let told = std::iter::from_fn(|| self.0.poll_output()).filter_map(|output| match output {
            Output::Send { to, message } => Some((to, message.to_json())),
            Output::Forward { to, frame } => Some((to, frame.as_str().to_owned())),
            Output::Matched(matched) => Some((matched.to, matched.into_message(Vec::new()).to_json())),
            _ => None,
        });
        told.map(|(to, text)| (to, serde_json::from_str(&text).unwrap())).collect()
    }
}

const NOW: Now = Now { mono: Duration::ZERO, unix_s: 1_000_000 };
const BYTES_MAX: usize = 200_000;
const HOARDS: usize = 20;
const MODEST: u64 = 5;
