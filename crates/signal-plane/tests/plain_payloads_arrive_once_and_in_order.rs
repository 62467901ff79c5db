//! Payloads cross both ways, each with its own counter; what the gate refuses takes up no number.

use futures_util::{FutureExt as _, SinkExt as _};
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Server, candidate, plain};

#[tokio::test]
async fn both_ways_in_order() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    for n in 1..=15 {
        caller.say(plain(&session, n, candidate(n))).await;
        callee.say(plain(&session, n, candidate(100 + n))).await;
    }
    for n in 1..=15 {
        assert_eq!(callee.hear().await, plain(&session, n, candidate(n)));
        assert_eq!(caller.hear().await, plain(&session, n, candidate(100 + n)));
    }
    server.counts("thirty", |all| all.matcher.messages_total == 30).await;
}

/// On one thread the matcher handles the whole burst before the reader's task has a turn.
#[tokio::test]
async fn a_burst_within_the_budget_arrives_whole() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    let no_more = json!({"cand": [{"candidate": "", "sdpMid": "0"}]});
    // Two messages of the budget went into the pairing.
    let burst = u64::from(match_core::Limits::default().burst_messages) - 2;
    for n in 1..=burst {
        let message = Message::text(plain(&session, n, no_more.clone()).to_string());
        caller.socket.feed(message).now_or_never().expect("it is only buffered").unwrap();
    }
    caller.socket.flush().await.unwrap();
    for n in 1..=burst {
        assert_eq!(callee.hear_a("plain").await["n"], n);
    }
}

#[tokio::test]
async fn counters_and_sessions_are_strict() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    for n in [0, 2, u64::MAX] {
        caller.say(plain(&session, n, candidate(1))).await;
        caller.hear_error("bad-counter").await;
    }
    caller.say(plain("AAAAAAAAAAAAAAAAAAAAAA", 1, candidate(1))).await;
    caller.hear_error("bad-session").await;
    caller.say(plain(&session, 1, candidate(1))).await;
    caller.say(plain(&session, 1, candidate(1))).await;
    caller.hear_error("bad-counter").await;
    assert_eq!(callee.hear_a("plain").await["n"], 1);
    let mut stranger = server.greeted().await;
    stranger.say(plain(&session, 2, candidate(1))).await;
    stranger.hear_error("bad-session").await;
}

#[tokio::test]
async fn a_payload_that_tells_too_much_stays_here() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    let host = json!({"cand": [{"candidate": "candidate:1 1 udp 1 192.168.0.1 80 typ host"}]});
    let sdes = json!({"desc": {"type": "offer", "sdp": "v=0\r\nm=audio 9 RTP/SAVP 0\r\na=crypto:1 x\r\n"}});
    for (body, reason) in [(host, "relay"), (sdes, "UDP/TLS/RTP/SAVPF")] {
        caller.say(plain(&session, 1, body)).await;
        let text = caller.hear_error("bad-payload").await["text"].to_string();
        assert!(text.contains(reason), "it says what to mend: {text}");
    }
    caller.say(plain(&session, 1, candidate(1))).await;
    assert_eq!(callee.hear().await, plain(&session, 1, candidate(1)));
}

#[tokio::test]
async fn row_157_candidates_are_counted_over_messages() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    for n in 1..=20 {
        caller.say(plain(&session, n, candidate(n))).await;
        callee.hear_a("plain").await;
    }
    caller.say(plain(&session, 21, candidate(21))).await;
    caller.hear_error("bad-payload").await;
}

#[tokio::test]
async fn bye_ends_the_session() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    caller.say(plain(&session, 1, json!({"bye": true}))).await;
    callee.hear_a("plain").await;
    assert_eq!(callee.hear_a("gone").await["why"], "left");
    caller.find("text").await;
    caller.hear_a("waiting").await;
}
