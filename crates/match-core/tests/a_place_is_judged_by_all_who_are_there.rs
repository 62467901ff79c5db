//! A place keeps its name over the change of keys, moves with its client, is many people's only if they are
//! there together, and cannot take everybody who waits, nor the room of others' records.

use std::net::IpAddr;
use std::time::Duration;

use match_core::{
    Config, ConnectionId, Departure, Inbound, Limits, Matcher, Now, Origin, Output, WorkLimits,
};
use serde_json::{Value, json};

struct World(Matcher, Now);

impl World {
    fn new(config: Config) -> Self {
        Self(Matcher::new(config, [1; 32]), Now { mono: Duration::from_secs(1), unix_s: 5_000 })
    }

    /// Somebody from an address says hello, perhaps with more; gives the answer.
    fn enter(&mut self, address: &str, more: &Value) -> (ConnectionId, Value) {
        let address: IpAddr = address.parse().unwrap_or_else(|_| panic!("an address"));
        let id = self.0.handle_opened(Some(Origin::from(address)), self.1);
        let id = id.unwrap_or_else(|| panic!("there is room"));
        let mut hello = json!({"t": "hello", "v": 1});
        if let (Some(hello), Some(more)) = (hello.as_object_mut(), more.as_object()) {
            hello.extend(more.clone());
        }
        (id, self.say(id, &hello))
    }

    /// Says something; gives the first answer to it.
    fn say(&mut self, from: ConnectionId, message: &Value) -> Value {
        self.0.handle_message(from, Inbound::parse(&message.to_string()), self.1);
        self.hear(from)
    }

    /// The first of what somebody hears.
    fn hear(&mut self, whose: ConnectionId) -> Value {
        let mut first = Value::Null;
        while let Some(output) = self.0.poll_output() {
            let (to, text) = match output {
                Output::Send { to, message } => (to, message.to_json()),
                Output::Matched(matched) => (matched.to, matched.into_message(Vec::new()).to_json()),
                _ => continue,
            };
            if to == whose && first.is_null() {
                first = serde_json::from_str(&text).unwrap_or_default();
            }
        }
        first
    }

    fn leave(&mut self, id: ConnectionId, departure: Departure) {
        self.0.handle_closed(id, departure, self.1);
        while self.0.poll_output().is_some() {}
    }

    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds.div_ceil(10) {
            self.1.mono += Duration::from_secs(10);
            self.0.handle_deadline(self.1);
            while let Some(output) = self.0.poll_output() {
                if let Output::AskRelay(question) = output {
                    self.0.handle_relaying(&question, true, self.1);
                }
            }
        }
    }

    /// Somebody meets the bad one, stays for so long and reports them.
    fn meet_and_report(&mut self, bad: ConnectionId, other: ConnectionId, after_s: u64) {
        self.say(bad, &json!({"t": "next", "want": {"media": "text"}}));
        let matched = self.say(other, &json!({"t": "next", "want": {"media": "text"}}));
        assert_eq!(matched["t"], "matched");
        self.pass(after_s);
        let report = json!({"t": "report", "session": matched["session"], "why": "abuse"});
        assert_ne!(self.say(other, &report)["t"], "error");
        self.say(other, &json!({"t": "leave"}));
    }

    /// Three people of three networks report somebody.
    fn report_thrice(&mut self, bad: ConnectionId) {
        for network in 1..=3 {
            let (other, _) = self.enter(&format!("198.51.{network}.7"), &json!({}));
            self.meet_and_report(bad, other, 20);
            self.leave(other, Departure::Left);
        }
    }
}

const BAD: &str = "203.0.113.1";

#[test]
fn who_came_before_the_change_of_keys_is_banned_after_it() {
    let mut world = World::new(Config { ban_s: 600, rotate_s: 2000, ..Config::default() });
    let (bad, _) = world.enter(BAD, &json!({}));
    world.pass(3000);
    world.report_thrice(bad);
    assert_eq!(world.enter(BAD, &json!({})).1["code"], "banned");
    world.pass(500);
    assert_eq!(world.enter(BAD, &json!({})).1["code"], "banned", "for all of its time");
    world.pass(100);
    assert_eq!(world.enter(BAD, &json!({})).1["t"], "welcome");
}

#[test]
fn one_network_is_one_before_and_after_the_change_of_keys() {
    let mut world = World::new(Config { rotate_s: 3000, ..Config::default() });
    let (bad, _) = world.enter(BAD, &json!({}));
    let (early, _) = world.enter("198.51.1.7", &json!({}));
    let (second, _) = world.enter("198.51.2.7", &json!({}));
    world.pass(3100);
    world.meet_and_report(bad, early, 20);
    world.meet_and_report(bad, second, 20);
    let (late, _) = world.enter("198.51.1.8", &json!({}));
    world.meet_and_report(bad, late, 20);
    assert_eq!(world.0.counters().bans_total, 0, "two networks have reported");
    let (third, _) = world.enter("198.51.3.7", &json!({}));
    world.meet_and_report(bad, third, 20);
    assert_eq!(world.0.counters().bans_total, 1);
}

#[test]
fn who_comes_back_from_elsewhere_is_banned_there() {
    let mut world = World::new(Config::default());
    let (bad, welcome) = world.enter("203.0.113.77", &json!({}));
    world.say(bad, &json!({"t": "open"}));
    world.leave(bad, Departure::Lost);
    let (bad, welcome) = world.enter(BAD, &json!({"resume": {"token": welcome["resume"], "got": {}}}));
    assert!(welcome["got"].is_object());
    world.report_thrice(bad);
    assert_eq!(world.enter(BAD, &json!({})).1["code"], "banned");
    assert_eq!(world.enter("203.0.113.77", &json!({})).1["t"], "welcome", "somebody else's by now");
}

#[test]
fn who_reloads_is_no_crowd() {
    let mut world = World::new(Config::default());
    for _ in 0..20 {
        let (bad, _) = world.enter(BAD, &json!({}));
        world.leave(bad, Departure::Left);
    }
    let (bad, _) = world.enter(BAD, &json!({}));
    world.report_thrice(bad);
    assert_eq!(world.enter(BAD, &json!({})).1["code"], "banned");
}

#[test]
fn an_office_is_a_crowd_as_long_as_it_works() {
    let mut world = World::new(Config::default());
    let office: Vec<_> = (0..100).map(|_| world.enter(BAD, &json!({})).0).collect();
    for _ in 0..3 {
        world.pass(3000);
        office.iter().for_each(|id| {
            world.say(*id, &json!({"t": "open"}));
            world.say(*id, &json!({"t": "leave"}));
        });
    }
    world.report_thrice(office[0]);
    assert_eq!(world.0.counters().bans_total, 0);
    assert_eq!(world.enter(BAD, &json!({})).1["t"], "challenge", "it has to work instead");
}

#[test]
fn nobody_takes_all_who_wait() {
    let mut world = World::new(Config::default());
    let want = |i: u32| json!({"media": "text", "langs": [i.to_string()]});
    for i in 0..150 {
        let (id, _) = world.enter(&format!("198.51.{i}.1"), &json!({}));
        assert_eq!(world.say(id, &json!({"t": "find", "want": want(i)}))["t"], "waiting");
    }
    let takers: Vec<_> = (0..5).map(|_| world.enter(BAD, &json!({})).0).collect();
    let mut heard = Vec::new();
    for i in 0..150 {
        let taker = takers[i as usize % takers.len()];
        heard.push(world.say(taker, &json!({"t": "next", "want": want(i)})));
        world.say(taker, &json!({"t": "leave"}));
    }
    let taken = heard.iter().take_while(|answer| answer["t"] == "matched").count();
    assert!((30..100).contains(&taken), "{taken}");
    for refused in &heard[taken..] {
        assert_eq!(refused["code"], "too-fast");
        assert!(refused["retry_ms"].as_u64().is_some_and(|ms| (1..=2_000).contains(&ms)), "{refused}");
    }
    world.pass(10);
    let heard = world.say(takers[0], &json!({"t": "find", "want": want(149)}));
    assert_eq!(heard["t"], "waiting", "later it may, and there is nobody left: they have met each other");
}

#[test]
fn who_has_met_forty_others_meanwhile_is_not_met_again() {
    let limits = Limits { burst_searches: 1000, ..Limits::default() };
    let mut world = World::new(Config { limits, ..Config::default() });
    let find = json!({"t": "next", "want": {"media": "text"}});
    let (busy, _) = world.enter(BAD, &json!({}));
    let (calm, _) = world.enter("198.51.100.1", &json!({}));
    world.say(calm, &find);
    assert_eq!(world.say(busy, &find)["t"], "matched");
    for i in 0..40 {
        let (other, _) = world.enter(&format!("198.51.{i}.1"), &json!({}));
        world.say(busy, &find);
        assert_eq!(world.say(other, &find)["t"], "matched");
    }
    world.say(busy, &json!({"t": "leave"}));
    world.say(calm, &find);
    assert_eq!(world.say(busy, &find)["t"], "waiting", "the calm one remembers");
}

#[test]
fn a_network_of_many_places_does_not_hide_among_them() {
    let work =
        WorkLimits { total_burst: u32::MAX, place_per_s: 0, place_burst: 100, ..WorkLimits::default() };
    let limits = Limits { work, ..Limits::default() };
    let mut world = World::new(Config { limits, ..Config::default() });
    let mut welcome = 0;
    for i in 0..5_000 {
        let (id, heard) = world.enter(&format!("2001:db8:1:{i:x}::1"), &json!({}));
        welcome += u32::from(heard["t"] == "welcome");
        world.leave(id, Departure::Left);
    }
    assert!(welcome < 1_200, "{welcome} came in without work");
    assert_eq!(world.enter("2001:db8:2::1", &json!({})).1["t"], "welcome", "others do not notice");
}
