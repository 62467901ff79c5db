//! Each state has a deadline: silence before `hello`, idling, waiting, an empty room, a session.

use std::time::Duration;

use match_core::{Config, ConnectionId, Departure, Inbound, Matcher, Now, Output};

struct World(Matcher, Now);

impl World {
    fn new() -> Self {
        Self(Matcher::new(Config::default(), [1; 32]), Now { mono: Duration::ZERO, unix_s: 5_000 })
    }

    fn open(&mut self) -> ConnectionId {
        self.0.handle_opened(None, self.1).unwrap_or_else(|| panic!("there is room"))
    }

    /// Says each of these and gives what comes of it.
    fn say(&mut self, id: ConnectionId, messages: &[&str]) -> Vec<String> {
        for message in messages {
            self.0.handle_message(id, Inbound::parse(message), self.1);
        }
        self.outputs()
    }

    /// Lets time pass up to the next deadline; gives how much passed, in seconds, and what came of it.
    fn expire(&mut self) -> (u64, Vec<String>) {
        let at = self.0.next_deadline().unwrap_or_else(|| panic!("something is due"));
        let passed = at - self.1.mono;
        self.1.mono = at;
        self.0.handle_deadline(self.1);
        (passed.as_secs(), self.outputs())
    }

    fn outputs(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.0.poll_output())
            .map(|output| match output {
                Output::Send { message, .. } => {
                    let message: serde_json::Value =
                        serde_json::from_str(&message.to_json()).unwrap_or_default();
                    let detail =
                        ["code", "why"].map(|key| message[key].as_str().unwrap_or("").to_owned()).concat();
                    format!("{} {detail}", message["t"].as_str().unwrap_or("?"))
                }
                Output::Matched(matched) => format!("matched until {}", matched.ends_unix_s),
                Output::Forward { .. } => "a payload".to_owned(),
                Output::SessionEnded { .. } => "session ended".to_owned(),
                Output::AskRelay(_) => "ask the relay".to_owned(),
                Output::UseToken(_) => "use the token".to_owned(),
                Output::Close { reason, .. } => format!("close {reason:?}"),
            })
            .collect()
    }
}

/// Nothing but the next key for tags.
const NEXT_KEY: Option<Duration> = Some(Duration::from_secs(86_400));
const HELLO: &str = r#"{"t":"hello","v":1}"#;
const FIND: &str = r#"{"t":"find","want":{"media":"text"}}"#;

#[test]
fn silence_before_hello() {
    let mut world = World::new();
    world.open();
    assert_eq!(world.expire(), (5, vec!["error not-greeted".into(), "close NotGreeted".into()]));
    assert_eq!((world.0.counters().connections, world.0.next_deadline()), (0, NEXT_KEY));
}

#[test]
fn idling() {
    let mut world = World::new();
    let id = world.open();
    world.say(id, &[HELLO]);
    assert_eq!(world.expire(), (3600, vec!["error expired".into(), "close Idle".into()]));
}

#[test]
fn waiting() {
    let mut world = World::new();
    let id = world.open();
    world.say(id, &[HELLO, FIND]);
    for _ in 0..4 {
        assert_eq!(world.expire().1, Vec::<String>::new());
    }
    assert_eq!(world.expire(), (30 * 60 - 8, vec!["error expired".into()]));
    assert_eq!(world.0.counters().waiting, 0);
    assert_eq!(world.say(id, &[FIND]), ["waiting "]);
}

#[test]
fn an_empty_room() {
    let mut world = World::new();
    let id = world.open();
    world.say(id, &[HELLO, r#"{"t":"open"}"#]);
    assert_eq!(world.expire(), (12 * 3600, vec!["error expired".into()]));
    assert_eq!(world.0.counters().rooms, 0);
}

#[test]
fn a_session() {
    let mut world = World::new();
    let (one, other) = (world.open(), world.open());
    world.say(one, &[HELLO, FIND]);
    let until = "matched until 48200".to_owned();
    assert_eq!(world.say(other, &[HELLO, FIND]), ["welcome ".to_owned(), until.clone(), until]);
    // The hour after which they may meet again, then the end.
    assert_eq!(world.expire(), (3600, vec![]));
    let end = vec!["session ended".into(), "gone ended".into(), "gone ended".into()];
    assert_eq!(world.expire(), (11 * 3600, end));
}

#[test]
fn a_lost_client() {
    let mut world = World::new();
    let (one, other) = (world.open(), world.open());
    world.say(one, &[HELLO, FIND]);
    world.say(other, &[HELLO, FIND]);
    world.0.handle_closed(one, Departure::Lost, world.1);
    assert_eq!(world.outputs(), Vec::<String>::new(), "the partner sees nothing");
    // Nobody answers for the relay, so the call counts as working; it is asked about again and again.
    assert_eq!(world.expire(), (30, vec!["ask the relay".into()]));
    assert_eq!(world.expire(), (30, vec!["ask the relay".into()]));
    assert_eq!(world.0.counters().lost, 1);
}

#[test]
fn a_lost_waiter() {
    let mut world = World::new();
    let one = world.open();
    world.say(one, &[HELLO, FIND]);
    world.0.handle_closed(one, Departure::Lost, world.1);
    assert_eq!((world.0.counters().waiting, world.0.counters().lost), (0, 1));
    assert_eq!(world.expire(), (30, vec![]));
    assert_eq!((world.0.counters().lost, world.0.next_deadline()), (0, NEXT_KEY));
}
