//! What others notice of clients that flood a signaling server, or do not read what it sends: messages of
//! some pairs before, while hostile clients are at the same server and, beside that, while they are at
//! another one on the same core.
//!
//! The last says what the load does to the machine; only what the one before has beyond it is the server's.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use clap::Parser;
use futures_util::future::join_all;
use load::{Exchange, Exchanged, LoadError, Server as Asked, Talker as _, Target, Wire, exchange, open_many};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::server::{self, Server};
use crate::signal::{Kind, start_ginnel};
use crate::signal_client::Member;

#[derive(Parser)]
pub(crate) struct Options {
    /// Hostile clients at once; one whose connection ends comes back.
    #[arg(long, default_value_t = 8)]
    hostile: usize,
    /// Pairs whose messages are measured.
    #[arg(long, default_value_t = 20)]
    pairs: usize,
    /// How long each is measured.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// The program to measure.
    #[arg(long, default_value = "target/release/ginnel")]
    ginnel: PathBuf,
}

/// Measures each kind of flood and prints a line for it.
///
/// # Errors
/// The program is missing, or the server refused those who are measured.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    server::pin_driver()?;
    let runtime = runtime()?;
    crate::say(&format!(
        "{:<25} before: p50 ms   p99 ms   here: p50 ms   p99 ms   lost   elsewhere: p50 ms   p99 ms   {}",
        "hostile clients", "sent a second"
    ))?;
    for (name, attack) in attacks() {
        let before = measure(&runtime, options, &Attack::None, true)?.0.latency;
        let [here, elsewhere] = [true, false].map(|is_here| measure(&runtime, options, &attack, is_here));
        let ((here, sent), (elsewhere, _)) = (here?, elsewhere?);
        let (near, far) = (here.latency, elsewhere.latency);
        let sent = sent as f64 / options.seconds as f64;
        crate::say(&format!(
            "{name:<25} {:>14.2} {:>8.2} {:>14.2} {:>8.2} {:>6} {:>19.2} {:>8.2} {sent:>15.0}",
            before.p50_ms, before.p99_ms, near.p50_ms, near.p99_ms, here.lost, far.p50_ms, far.p99_ms
        ))?;
    }
    Ok(())
}

fn measure(
    runtime: &Runtime,
    options: &Options,
    attack: &Attack,
    is_here: bool,
) -> Result<(Exchanged, u64), String> {
    let (measured, other) = (start_ginnel(&options.ginnel)?, start_ginnel(&options.ginnel)?);
    let sent = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let exchanged = std::thread::scope(|scope| {
        let attacked = if is_here { &measured } else { &other };
        let flooding = flood(scope, attacked, options, attack, (&sent, &stop));
        let exchanged = runtime.block_on(talk(&measured, options));
        stop.store(true, Ordering::Relaxed);
        let flooded = flooding.join().map_err(|_| "the flood ended".to_owned());
        exchanged.map_err(|e| measured.explain(&e.to_string())).and_then(|done| flooded?.map(|()| done))
    });
    exchanged.map(|exchanged| (exchanged, sent.into_inner()))
}

async fn talk(server: &Server, options: &Options) -> Result<Exchanged, LoadError> {
    let target = target(server).await?;
    let pairs = open_many(0..options.pairs, |index| Member::pair(Kind::Ginnel, &target, index)).await?;
    let plan = Exchange { per_s: 15.0, body_bytes: 2_000, lasting: Duration::from_secs(options.seconds) };
    exchange(pairs.into_iter().flatten().collect(), &Asked::default(), plan).await
}

/// The hostile clients on a thread of theirs, until they are stopped.
fn flood<'scope>(
    scope: &'scope Scope<'scope, '_>,
    server: &'scope Server,
    options: &'scope Options,
    attack: &'scope Attack,
    (sent, stop): (&'scope AtomicU64, &'scope AtomicBool),
) -> ScopedJoinHandle<'scope, Result<(), String>> {
    scope.spawn(move || {
        runtime()?.block_on(async {
            let target = target(server).await.map_err(|e| e.to_string())?;
            // Behind those who are measured: each pair meets by a tag of its own.
            let all = options.pairs..options.pairs + options.hostile;
            match attack {
                Attack::None => {}
                Attack::Flood(text) => {
                    join_all(all.map(|index| say(&target, index, text, sent, stop))).await;
                }
                Attack::Unread => {
                    join_all(all.map(|index| overfill(&target, index, sent, stop))).await;
                }
            }
            Ok(())
        })
    })
}

/// One thing again and again; a client whose connection ends comes back.
async fn say(target: &Target, index: usize, text: &str, sent: &AtomicU64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut wire) = Wire::open(target, "/signal", Some("ginnel.1"), index).await else { continue };
        let mut next = r#"{"t":"hello","v":1}"#;
        // One that is not read any more is left for the next.
        while !stop.load(Ordering::Relaxed)
            && matches!(timeout(PATIENCE, wire.send(next.to_owned())).await, Ok(Ok(())))
        {
            sent.fetch_add(1, Ordering::Relaxed);
            next = text;
            tokio::task::yield_now().await;
        }
    }
}

/// As much as a client may write to a partner that reads nothing, again with another two when it is ended.
async fn overfill(target: &Target, index: usize, sent: &AtomicU64, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Ok([mut writer, unread]) = Member::pair(Kind::Ginnel, target, index).await else { continue };
        while !stop.load(Ordering::Relaxed)
            && matches!(timeout(PATIENCE, writer.send("A".repeat(UNREAD_BYTES))).await, Ok(Ok(())))
        {
            sent.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
        // Open until here, so that it is the server that ends it.
        drop(unread);
    }
}

async fn target(server: &Server) -> Result<Target, LoadError> {
    Target::resolve(&format!("ws://{}", server.address())).await
}

fn runtime() -> Result<Runtime, String> {
    Builder::new_current_thread().enable_all().build().map_err(|e| format!("threads: {e}"))
}

/// What hostile clients do.
enum Attack {
    None,
    /// They say this as fast as they are let, and read nothing.
    Flood(String),
    /// They write to each other what is never read.
    Unread,
}

/// All of it; what is said is near the size of the largest message where size is what hurts.
fn attacks() -> Vec<(&'static str, Attack)> {
    let session = "AAAAAAAAAAAAAAAAAAAAAA";
    let list = |entry: &str, n| entry.repeat(n);
    let floods = [
        ("short messages", r#"{"t":"cancel"}"#.to_owned()),
        ("guesses of room codes", format!(r#"{{"t":"join","room":"{session}"}}"#)),
        ("deep nesting", list("[", 30_000)),
        (
            "long lists",
            format!(r#"{{"t":"find","want":{{"media":"text","tags":[{}1]}}}}"#, list("1,", 15_000)),
        ),
        ("long numbers", format!(r#"{{"t":"hello","v":1{}}}"#, list("0", 30_000))),
        (
            "payloads for nobody",
            format!(r#"{{"t":"seal","session":"{session}","n":1,"body":"{}"}}"#, list("A", 30_000)),
        ),
    ];
    let floods = floods.map(|(name, text)| (name, Attack::Flood(text)));
    [("none", Attack::None)]
        .into_iter()
        .chain(floods)
        .chain([("readers that do not read", Attack::Unread)])
        .collect()
}

/// Characters of what is written to those who do not read.
const UNREAD_BYTES: usize = 30_000;
/// How long a send may take.
const PATIENCE: Duration = Duration::from_secs(1);
