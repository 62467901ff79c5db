//! Row 133: where no descriptor is left and little memory, those who come wait, those who are there notice
//! nothing, nothing spins, and whoever waits is served once others have left.

#![allow(clippy::print_stdout, reason = "a share that is read, and judged coarsely")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{PATIENCE, Serving, get, ginnel, upgrade};

const CROWD: usize = 60;
/// Of the crowd at least so many find room.
const SPARE_DESCRIPTORS: usize = 8;
/// What it may map beyond what it has mapped before.
const SPARE_BYTES: u64 = 16 << 20;
const MESSAGES: u64 = 25;

#[test]
fn row_133_without_descriptors_newcomers_wait_and_sessions_go_on() {
    let mut serving = Serving::start(&mut ginnel(&["serve"]));
    serving.until_told("Open ");
    let port = serving.port("listen.local");
    let mut pair = Pair::new(port);
    pair.talk(MESSAGES);
    // The limit is on numbers: those that are higher already leave as many more below it.
    let most = descriptors(&serving) + SPARE_DESCRIPTORS;
    let bytes = serving.memory_bytes("VmSize") + SPARE_BYTES;
    let limits = [format!("--nofile={most}:{most}"), format!("--as={bytes}:{bytes}")];
    let limited = Command::new("prlimit").args(limits).arg(format!("--pid={}", serving.id())).status();
    assert!(limited.expect("prlimit; install it: apt-get install util-linux").success());

    let mut crowd: Vec<_> = (0..CROWD).map(|_| Visitor::asking(port)).collect();
    serving.until_logged("cannot accept connections");
    pair.talk(2 * MESSAGES);
    let (begun, spent) = (Instant::now(), cpu_time(&serving));
    // A second in which there is nothing to do but to wait for a descriptor.
    while begun.elapsed() < Duration::from_secs(1) {
        park_timeout(Duration::from_millis(50));
    }
    let share = (cpu_time(&serving) - spent).as_secs_f64() / begun.elapsed().as_secs_f64();
    println!("{:.1} % of a core while there is no descriptor", 100.0 * share);
    assert!(share < 0.5, "{share}");

    // The first ones are inside. As they leave, those behind them are served.
    crowd.drain(..CROWD / 2);
    crowd[0].greeted();
    pair.talk(3 * MESSAGES);
    drop(crowd);
    Visitor::asking(port).greeted();
    assert!(get(serving.port("listen.admin"), "/readyz").starts_with("HTTP/1.1 200 "));
    pair.talk(4 * MESSAGES);
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(0));
}

/// Two who are in a session.
struct Pair {
    members: [Visitor; 2],
    session: Value,
    said: u64,
}

impl Pair {
    fn new(port: u16) -> Self {
        let mut members = [(); 2].map(|()| Visitor::asking(port));
        let mut told = Vec::new();
        for member in &mut members {
            member.greeted();
            member.say(&json!({"t": "find", "want": {"media": "text"}}));
            told.push(member.hear());
        }
        assert_eq!((&told[0]["t"], &told[1]["t"]), (&json!("waiting"), &json!("matched")));
        assert_eq!(members[0].hear()["session"], told[1]["session"]);
        Self { members, session: told[1]["session"].clone(), said: 0 }
    }

    /// Both say something until they have said so much, at a pace that anybody may have.
    fn talk(&mut self, until: u64) {
        for n in self.said + 1..=until {
            let message = json!({"t": "seal", "session": self.session, "n": n, "body": "AAAA"});
            for (from, to) in [(0, 1), (1, 0)] {
                self.members[from].say(&message);
                assert_eq!(self.members[to].hear(), message);
            }
            park_timeout(Duration::from_millis(50));
        }
        self.said = until;
    }
}

/// Somebody who has asked for a WebSocket and may have to wait for it.
struct Visitor(TcpStream);

impl Visitor {
    fn asking(port: u16) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(upgrade().as_bytes()).unwrap();
        Self(stream)
    }

    /// Waits for it, and says hello.
    fn greeted(&mut self) {
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(self.byte());
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
        self.say(&json!({"t": "hello", "v": 1}));
        assert_eq!(self.hear()["t"], "welcome");
    }

    /// A masked text frame of at most 125 bytes; the mask is zero.
    fn say(&mut self, message: &Value) {
        let text = message.to_string();
        assert!(text.len() <= 125);
        let head = [0x81, 0x80 | text.len() as u8, 0, 0, 0, 0];
        self.0.write_all(&[&head[..], text.as_bytes()].concat()).unwrap();
    }

    /// The next text frame.
    fn hear(&mut self) -> Value {
        loop {
            let (kind, length) = (self.byte(), self.byte());
            let length = match length {
                126 => usize::from(self.byte()) << 8 | usize::from(self.byte()),
                short => usize::from(short),
            };
            let mut payload = vec![0; length];
            self.0.read_exact(&mut payload).expect("a message in time");
            if kind == 0x81 {
                return serde_json::from_slice(&payload).unwrap();
            }
        }
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0; 1];
        self.0.read_exact(&mut byte).expect("an answer in time");
        byte[0]
    }
}

fn descriptors(serving: &Serving) -> usize {
    fs::read_dir(format!("/proc/{}/fd", serving.id())).unwrap().count()
}

/// What all its threads have spent, which the kernel tells in hundredths of a second.
fn cpu_time(serving: &Serving) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", serving.id())).unwrap();
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(10 * ticks)
}
