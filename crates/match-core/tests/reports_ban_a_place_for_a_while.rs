//! Three reporters of three networks ban a place; fewer, or too soon, or too often, do not; a place of many
//! has to work instead; and no ban outlives its time, nor the key of its tags by more than that.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use match_core::{Config, ConnectionId, Inbound, Matcher, Now, Origin, Output};

struct World(Matcher, Now);

impl World {
    fn new(config: Config) -> Self {
        Self(Matcher::new(config, [1; 32]), Now { mono: Duration::from_secs(1), unix_s: 5_000 })
    }

    /// Somebody from an address says hello; the answer is the first word of what comes back.
    fn enter(&mut self, network: u8, host: u8) -> (ConnectionId, String) {
        let origin = Origin::from(IpAddr::V4(Ipv4Addr::new(198, 51, network, host)));
        let id = self.0.handle_opened(Some(origin), self.1).unwrap_or_else(|| panic!("there is room"));
        let heard = self.say(id, r#"{"t":"hello","v":1}"#);
        (id, heard)
    }

    fn say(&mut self, from: ConnectionId, message: &str) -> String {
        self.0.handle_message(from, Inbound::parse(message), self.1);
        self.hear()
    }

    fn pass(&mut self, seconds: u64) -> String {
        self.1.mono += Duration::from_secs(seconds);
        self.1.unix_s += seconds;
        self.0.handle_deadline(self.1);
        self.hear()
    }

    fn hear(&mut self) -> String {
        let mut heard = Vec::new();
        while let Some(output) = self.0.poll_output() {
            heard.push(match output {
                Output::Send { message, .. } => {
                    let message: serde_json::Value =
                        serde_json::from_str(&message.to_json()).unwrap_or_default();
                    let detail = message["code"].as_str().or(message["why"].as_str()).unwrap_or("");
                    format!("{} {detail}", message["t"].as_str().unwrap_or("?"))
                }
                Output::Matched(matched) => {
                    let matched: serde_json::Value =
                        serde_json::from_str(&matched.into_message(Vec::new()).to_json()).unwrap_or_default();
                    format!("matched {}", matched["session"].as_str().unwrap_or("?"))
                }
                Output::Forward { .. } => "a payload".to_owned(),
                Output::Close { reason, .. } => format!("close {reason:?}"),
                Output::SessionEnded { .. } | Output::AskRelay(_) | Output::UseToken(_) => continue,
            });
        }
        heard.join(", ")
    }

    /// The bad one meets somebody of a network, who reports after so many seconds.
    fn meet_and_report(&mut self, bad: ConnectionId, network: u8, after_s: u64) -> String {
        let (other, _) = self.enter(network, 7);
        self.say(bad, FIND);
        let matched = self.say(other, FIND);
        let session = matched.split(' ').nth(1).unwrap_or("").trim_end_matches(',').to_owned();
        self.pass(after_s);
        let heard = self.say(other, &format!(r#"{{"t":"report","session":"{session}","why":"abuse"}}"#));
        let again = self.say(other, &format!(r#"{{"t":"report","session":"{session}","why":"spam"}}"#));
        self.say(other, r#"{"t":"leave"}"#);
        self.0.handle_closed(other, match_core::Departure::Left, self.1);
        self.hear();
        assert!(again.is_empty() || heard.contains("gone"), "a second report says nothing: {again}");
        heard
    }
}

const FIND: &str = r#"{"t":"find","want":{"media":"text"}}"#;

#[test]
fn three_networks_ban_for_the_time_of_a_ban() {
    let mut world = World::new(Config { ban_s: 600, ..Config::default() });
    let (bad, _) = world.enter(0, 1);
    assert_eq!(world.meet_and_report(bad, 1, 19), "", "too soon to count");
    assert_eq!(world.meet_and_report(bad, 1, 20), "");
    assert_eq!(world.meet_and_report(bad, 2, 20), "");
    let end = world.meet_and_report(bad, 3, 20);
    assert_eq!(end, "error banned, close Banned, gone lost", "the reporter hears no more than that");
    assert_eq!(world.enter(0, 1).1, "error banned, close Banned");
    assert_eq!(world.enter(0, 2).1, "welcome ", "a neighbour is not banned");
    world.pass(600);
    assert_eq!(world.enter(0, 1).1, "welcome ");
    let counters = world.0.counters();
    assert_eq!((counters.bans_total, counters.reports_total), (1, 3));
}

#[test]
fn a_ban_holds_over_the_change_of_keys_and_ends() {
    let mut world = World::new(Config { ban_s: 600, rotate_s: 300, ..Config::default() });
    let (bad, _) = world.enter(0, 1);
    for network in 1..=3 {
        world.meet_and_report(bad, network, 20);
    }
    world.pass(300);
    assert_eq!(world.enter(0, 1).1, "error banned, close Banned", "under the key before");
    world.pass(600);
    assert_eq!(world.enter(0, 1).1, "welcome ");
    assert!(world.0.inventory(world.1).iter().filter(|kept| kept.kind == "bans").all(|kept| kept.count == 0));
}

#[test]
fn a_place_of_many_has_to_work_instead() {
    let mut world = World::new(Config::default());
    let (bad, _) = world.enter(0, 1);
    for _ in 0..4 {
        world.enter(0, 1);
    }
    for network in 1..=3 {
        assert_eq!(world.meet_and_report(bad, network, 20), "");
    }
    assert_eq!(world.enter(0, 1).1, "challenge ");
    assert_eq!(world.0.counters().bans_total, 0);
}

#[test]
fn records_end_by_themselves() {
    let mut world = World::new(Config::default());
    let (bad, _) = world.enter(0, 1);
    world.meet_and_report(bad, 1, 20);
    let kept = |world: &World, kind: &str| {
        world
            .0
            .inventory(world.1)
            .into_iter()
            .filter(|kept| kept.kind == kind)
            .map(|kept| kept.count)
            .sum::<u64>()
    };
    assert_eq!((kept(&world, "arrivals"), kept(&world, "reports"), kept(&world, "reporters")), (2, 1, 1));
    for _ in 0..62 {
        world.pass(60);
    }
    assert_eq!((kept(&world, "arrivals"), kept(&world, "reports"), kept(&world, "reporters")), (0, 0, 0));
    for kept in world.0.inventory(world.1) {
        let (Some(oldest), Some(longest)) = (kept.oldest_s, kept.longest_s) else { continue };
        assert!(oldest <= longest, "{kept:?}");
    }
}

#[test]
fn the_last_partner_may_be_reported_for_an_hour_and_is_forgotten_then() {
    let mut world = World::new(Config::default());
    let [(bad, _), (good, _)] = [world.enter(0, 1), world.enter(1, 1)];
    let find = r#"{"t":"find","want":{"media":"text"}}"#;
    world.say(bad, find);
    let matched = world.say(good, find);
    let session = matched.rsplit(' ').next().unwrap_or_default().to_owned();
    world.pass(20);
    world.say(bad, r#"{"t":"leave"}"#);
    // Alone in rooms, both may stay for half a day.
    for client in [bad, good] {
        assert!(world.say(client, r#"{"t":"open"}"#).starts_with("room "));
    }
    let known = |world: &World| -> Vec<_> {
        let kept = world.0.inventory(world.1);
        let last = kept.into_iter().filter(|kept| kept.kind == "last partners");
        last.map(|kept| (kept.count, kept.longest_s)).collect()
    };
    let report = format!(r#"{{"t":"report","session":"{session}","why":"abuse"}}"#);
    world.pass(3599);
    assert_eq!((world.say(good, &report), known(&world)), (String::new(), vec![(2, Some(3600))]));
    world.pass(1);
    assert_eq!(known(&world), [(0, Some(3600))]);
    assert_eq!(world.say(good, &report), "error bad-session");
}

#[test]
fn a_report_that_did_not_count_may_be_made_again() {
    let mut world = World::new(Config::default());
    let (good, _) = world.enter(9, 9);
    let next = r#"{"t":"next","want":{"media":"text"}}"#;
    let mut report = String::new();
    for network in 1..=6 {
        let (bad, _) = world.enter(network, 1);
        world.say(bad, next);
        let matched = world.say(good, next);
        let session = matched.rsplit(' ').next().unwrap_or_default();
        report = format!(r#"{{"t":"report","session":"{session}","why":"abuse"}}"#);
        world.say(good, &report);
        assert_eq!(world.0.counters().reports_total, u64::from(network) - 1, "too soon");
        world.pass(20);
        let told = world.say(good, &report);
        assert_eq!(told, if network < 6 { "" } else { "error too-fast" });
        assert_eq!(world.say(good, &report), told, "it counts once");
        assert_eq!(world.0.counters().reports_total, u64::from(network).min(5));
    }
    world.pass(3600);
    assert_eq!(world.say(good, &report), "");
    assert_eq!(world.0.counters().reports_total, 6);
}
