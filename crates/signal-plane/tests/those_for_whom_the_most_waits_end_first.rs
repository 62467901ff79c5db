//! Where too much waits to be sent on all connections together, those that read nothing end, and two who read
//! lose nothing.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use signal_plane::{Config, Counters};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Client, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_131_many_who_do_not_read_cost_the_others_nothing() {
    let mut config = Config::default();
    config.matcher.resume_s = 0;
    config.matcher.limits.burst_messages = BURST;
    // No connection has a bound of its own that could be felt first.
    config.limits.outbound_bytes_max = usize::MAX;
    config.limits.outbound_total_bytes_max = BYTES_MAX;
    let mut server = Server::with_small_buffers(config).await;
    let small = std::mem::take(&mut server.client_buffer_bytes);
    let (mut caller, mut callee, session) = server.pair().await;
    server.client_buffer_bytes = small;
    let (mut writers, mut unread) = (Vec::new(), Vec::new());
    for _ in 0..HOARDS {
        let (writer, reader, session) = server.pair().await;
        unread.push(reader);
        writers.push((writer, session));
    }
    let mut writing: JoinSet<()> =
        writers.into_iter().map(|(writer, session)| write_on(writer, session)).collect();
    let mut waited_most = 0;
    for n in 1..=EXCHANGES {
        let message = seal(&session, n);
        caller.say(message.clone()).await;
        assert_eq!(callee.hear().await, message);
        callee.say(message.clone()).await;
        assert_eq!(caller.hear().await, message);
        waited_most = waited_most.max(server.signal.counters().outbound_bytes);
    }
    while writing.join_next().await.is_some() {
        waited_most = waited_most.max(server.signal.counters().outbound_bytes);
    }
    println!("{waited_most} bytes waited at most");
    // Told before it is counted.
    server.counts("all of them", |all| (dropped(&all), all.matcher.sessions) == (HOARDS, 1)).await;
    // What is just being put there comes on top.
    assert!(waited_most <= (BYTES_MAX + MESSAGE_BYTES) as u64, "{waited_most}");
    server.counts("nothing is left of it", |all| all.outbound_bytes == 0).await;
    drop(unread);
}

/// Writes as if somebody read it, until it is told that nobody is there.
async fn write_on(client: Client, session: String) {
    let (mut writing, mut reading) = client.socket.split();
    let write = async {
        for n in 1..=WRITTEN {
            writing.send(Message::text(seal(&session, n).to_string())).await.unwrap();
        }
    };
    let read = async {
        while let Message::Text(text) = reading.next().await.unwrap().unwrap() {
            if text.contains("gone") {
                return;
            }
        }
    };
    tokio::join!(write, read);
}

fn dropped(all: &Counters) -> u64 {
    all.refusals().filter(|(reason, _)| reason.label() == "slow-reader").map(|(_, n)| n).sum()
}

fn seal(session: &str, n: u64) -> Value {
    json!({"t": "seal", "session": session, "n": n, "body": "x".repeat(MESSAGE_BYTES - 1_000)})
}

/// Many times what the two who read ever have waiting.
const BYTES_MAX: usize = 400_000;
const HOARDS: u64 = 8;
const EXCHANGES: u64 = 15;
/// More than the kernel takes and than may wait for all of them.
const WRITTEN: u64 = 40;
const BURST: u32 = 100;
const MESSAGE_BYTES: usize = 31_000;
