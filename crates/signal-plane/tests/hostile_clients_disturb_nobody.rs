//! Whatever some clients send, others lose nothing and hear everything in order; how long it takes is
//! printed, beside how long it takes while another server has that load.

#![allow(clippy::print_stdout, reason = "a measurement that asserts no times")]

use std::time::{Duration, Instant};

use futures_util::SinkExt as _;
use serde_json::{Value, json};
use signal_plane::{Config, Counters};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Client, Server};

#[test]
fn rows_131_and_132_and_147_and_151_others_notice_nothing() {
    // A thread each for the server, for those who disturb it, and for those who are measured.
    let [serving, beside, attacking] = [(); 3].map(|()| thread());
    let (mut server, decoy) = (serving.block_on(start()), beside.block_on(start()));
    server.client_buffer_bytes = 0;
    let measuring = Builder::new_current_thread().enable_all().build().unwrap();
    let mut pairs: Vec<_> = (0..PAIRS).map(|_| measuring.block_on(Pair::new(&server))).collect();
    server.client_buffer_bytes = decoy.client_buffer_bytes;
    let mut talk = || measuring.block_on(talk(&mut pairs));
    println!("{:<25} {} ", "nobody disturbs", talk());
    for (name, message) in attacks() {
        // The same load on another server: what they notice of that is the machine's.
        let [elsewhere, here] = [&decoy, &server].map(|target| {
            let mut hostile = JoinSet::new();
            for _ in 0..HOSTILE {
                let client = attacking.block_on(target.open());
                hostile.spawn_on(flood(client, message.clone()), attacking.handle());
            }
            let times = talk();
            // Their budgets end, and so do they.
            attacking.block_on(hostile.join_all());
            times
        });
        println!("{name:<25} {here}, elsewhere {elsewhere}");
    }
    let [(elsewhere, _), (here, readers)] = [&decoy, &server].map(|target| {
        let mut unread = JoinSet::new();
        for _ in 0..HOSTILE {
            let pair = attacking.block_on(Pair::new(target));
            unread.spawn_on(overfill(pair), attacking.handle());
        }
        // Their connections stay open, so that it is the server that ends them.
        (talk(), attacking.block_on(unread.join_all()))
    });
    println!("{:<25} {here}, elsewhere {elsewhere}", "readers that do not read");
    let refused = |all: &Counters, label: &str| -> u64 {
        all.refusals().filter(|(reason, _)| reason.label() == label).map(|(_, n)| n).sum()
    };
    let all_are_dropped = |all: Counters| refused(&all, "slow-reader") == HOSTILE as u64;
    measuring.block_on(server.counts("they are dropped", all_are_dropped));
    drop(readers);
    let all = server.signal.counters();
    assert!(refused(&all, "too-fast") >= 3 * HOSTILE as u64, "{all:?}");
    assert!(all.matcher.sessions >= PAIRS as u64 && all.matcher.rooms == 0);
}

#[tokio::test]
async fn row_147_guesses_run_out_of_budget() {
    let server = Server::start().await;
    let limits = match_core::Config::default().limits;
    let mut host = server.greeted().await;
    host.say(json!({"t": "open"})).await;
    let code = host.hear_a("room").await["code"].as_str().unwrap().to_owned();
    let mut guesser = server.greeted().await;
    let (mut answers, began) = (0_u64, Instant::now());
    loop {
        let guess = format!("{}{answers:04}", &code[..18]);
        if guesser.socket.send(Message::text(json!({"t": "join", "room": guess}).to_string())).await.is_err()
        {
            break;
        }
        let error = guesser.hear_a("error").await;
        match error["code"].as_str().unwrap() {
            "no-room" => answers += 1,
            code => assert_eq!(code, "too-fast"),
        }
        if error["fatal"] == true {
            break;
        }
    }
    let allowed =
        u64::from(limits.burst_messages) + u64::from(limits.messages_per_s) * (began.elapsed().as_secs() + 1);
    println!("{answers} guesses before the connection ended");
    assert!(answers <= allowed, "{answers} of {allowed}");
    assert_eq!(guesser.hear_close().await, 1008);
    let mut guest = server.greeted().await;
    guest.say(json!({"t": "join", "room": code})).await;
    guest.hear_a("matched").await;
    host.hear_a("matched").await;
}

/// Two who are in a session and never too fast.
struct Pair {
    members: [Client; 2],
    session: String,
    n: u64,
}

impl Pair {
    async fn new(server: &Server) -> Self {
        let (caller, callee, session) = server.pair().await;
        Self { members: [caller, callee], session, n: 0 }
    }

    /// A message each way; how long each took.
    async fn exchange(&mut self) -> [Duration; 2] {
        self.n += 1;
        let message = seal(&self.session, self.n, &"x".repeat(2_000));
        let mut took = [Duration::ZERO; 2];
        for (from, to) in [(0, 1), (1, 0)] {
            let began = Instant::now();
            self.members[from].say(message.clone()).await;
            assert_eq!(self.members[to].hear().await, message, "nothing lost, nothing out of order");
            took[from] = began.elapsed();
        }
        took
    }
}

/// All pairs talk, one after the other, and how long it took.
async fn talk(pairs: &mut [Pair]) -> String {
    let mut times = Vec::new();
    for _ in 0..EXCHANGES {
        for pair in &mut *pairs {
            times.extend(pair.exchange().await);
        }
    }
    times.sort_unstable();
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    format!("p50 {p50:>7.0?} p99 {p99:>7.0?} of {}", times.len())
}

fn thread() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

async fn start() -> Server {
    let mut config = Config::default();
    // A reader that does not read is felt only once the kernel's buffers are full.
    config.matcher.limits.burst_messages = BURST;
    // Nobody answers pings while the floods end.
    config.limits.ping_ms = 120_000;
    Server::with(config).await
}

/// What a client says again and again.
fn attacks() -> [(&'static str, Message); 6] {
    let nested = "[".repeat(20_000);
    let array = format!(r#"{{"t":"find","want":{{"media":"text","tags":[{}1]}}}}"#, "1,".repeat(15_000));
    let huge = format!(r#"{{"t":"hello","v":1{}}}"#, "0".repeat(4_000));
    let guess = r#"{"t":"join","room":"AAAAAAAAAAAAAAAAAAAAAA"}"#;
    [
        ("a flood of messages", Message::text(r#"{"t":"cancel"}"#)),
        ("a flood of pings", Message::Ping(vec![0; 100].into())),
        ("guesses of room codes", Message::text(guess)),
        ("deep nesting", Message::text(nested)),
        ("long arrays", Message::text(array)),
        ("huge numbers", Message::text(huge)),
    ]
}

/// Says hello, then one thing for as long as it is let, and reads nothing.
async fn flood(mut client: Client, message: Message) {
    client.say(json!({"t": "hello", "v": 1})).await;
    while client.socket.send(message.clone()).await.is_ok() {}
}

/// One writes as much as it may to one that does not read, which is returned.
async fn overfill(pair: Pair) -> Client {
    let Pair { members: [mut writer, reader], session, .. } = pair;
    for n in 1..=u64::from(BURST) - 10 {
        let message = seal(&session, n, &"x".repeat(30_000)).to_string();
        if writer.socket.send(Message::text(message)).await.is_err() {
            break;
        }
    }
    reader
}

fn seal(session: &str, n: u64, body: &str) -> Value {
    json!({"t": "seal", "session": session, "n": n, "body": body})
}

const PAIRS: usize = 8;
const HOSTILE: usize = 4;
/// In each phase: few enough that budgets hold through all of them.
const EXCHANGES: usize = 14;
const BURST: u32 = 300;
