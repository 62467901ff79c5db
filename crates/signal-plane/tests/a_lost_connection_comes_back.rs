//! Who loses a connection comes back on another with a token: same session, nothing lost, nothing doubled,
//! and the partner sees nothing.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use signal_plane::Config;

use crate::common::{Client, Server, candidate, plain};

#[tokio::test]
async fn in_a_session() {
    let server = Server::start().await;
    let (caller, mut callee, session, token) = pair(&server).await;
    callee.say(plain(&session, 1, candidate(1))).await;
    server.counts("the first", |all| all.matcher.messages_total == 1).await;
    drop(caller);
    server.counts("it is missed", |all| all.matcher.lost == 1).await;
    // Two more for the one who is away.
    callee.say(plain(&session, 2, candidate(2))).await;
    callee.say(plain(&session, 3, candidate(3))).await;
    server.counts("both", |all| all.matcher.messages_total == 3).await;

    let mut caller = server.open().await;
    let (_, welcome) = resume(&mut caller, &token, json!({&session: 1})).await;
    assert_eq!(welcome["got"], json!({&session: 0}));
    for n in [2, 3] {
        assert_eq!(caller.hear().await, plain(&session, n, candidate(n)));
    }
    caller.say(plain(&session, 1, candidate(9))).await;
    assert_eq!(callee.hear().await, plain(&session, 1, candidate(9)), "the partner has seen nothing else");
    assert!(server.relay.ended.lock().unwrap_or_else(|_| panic!("no panic")).is_empty());

    let mut thief = server.open().await;
    let (_, welcome) = resume(&mut thief, &token, json!({})).await;
    assert!(welcome.get("got").is_none(), "a token is good once");
}

#[tokio::test]
async fn before_the_old_connection_is_missed() {
    let server = Server::start().await;
    let (mut old, mut callee, session, token) = pair(&server).await;
    let mut caller = server.open().await;
    let (token, welcome) = resume(&mut caller, &token, json!({&session: 0})).await;
    assert_eq!(welcome["got"], json!({&session: 0}));
    assert_eq!(old.hear_close().await, 1008);
    drop(caller);
    let mut caller = server.open().await;
    resume(&mut caller, &token, json!({&session: 0})).await;
    caller.say(plain(&session, 1, candidate(1))).await;
    assert_eq!(callee.hear().await, plain(&session, 1, candidate(1)));
}

#[tokio::test]
async fn a_match_that_was_not_heard_is_told_again() {
    let server = Server::start().await;
    let (caller, mut callee, session, token) = pair(&server).await;
    callee.say(plain(&session, 1, candidate(1))).await;
    server.counts("the first", |all| all.matcher.messages_total == 1).await;
    drop(caller);
    let mut caller = server.open().await;
    resume(&mut caller, &token, json!({})).await;
    assert_eq!(caller.hear_a("matched").await["session"], session.as_str());
    assert_eq!(caller.hear().await, plain(&session, 1, candidate(1)));
}

#[tokio::test]
async fn a_partner_who_left_meanwhile() {
    let server = Server::start().await;
    let (caller, mut callee, session, token) = pair(&server).await;
    drop(caller);
    server.counts("it is missed", |all| all.matcher.lost == 1).await;
    callee.say(json!({"t": "leave"})).await;
    server.counts("the session ends", |all| all.matcher.sessions == 0).await;
    let mut caller = server.open().await;
    let (_, welcome) = resume(&mut caller, &token, json!({&session: 0})).await;
    assert_eq!(welcome["got"], json!({}));
    assert_eq!(caller.hear().await, json!({"t": "gone", "session": session, "why": "left"}));
}

#[tokio::test]
async fn in_the_queue() {
    let server = Server::start().await;
    let mut first = server.open().await;
    first.say(json!({"t": "hello", "v": 1})).await;
    let token = first.hear_a("welcome").await["resume"].clone();
    first.find("text").await;
    first.hear_a("waiting").await;
    drop(first);
    server.counts("nobody waits", |all| all.matcher.waiting == 0).await;
    let mut second = server.greeted().await;
    second.find("text").await;
    second.hear_a("waiting").await;
    let mut first = server.open().await;
    resume(&mut first, token.as_str().unwrap_or_default(), json!({})).await;
    first.hear_a("matched").await;
    second.hear_a("matched").await;
}

#[tokio::test]
async fn a_working_call_outlives_its_signaling() {
    let mut config = Config::default();
    config.matcher.resume_s = 0;
    let server = Server::with(config).await;
    server.relay.is_relaying.store(true, Ordering::Relaxed);
    let (caller, mut callee, session, token) = pair(&server).await;
    drop(caller);
    server.counts("it is missed", |all| all.matcher.lost == 1).await;
    callee.say(plain(&session, 1, candidate(1))).await;
    let mut caller = server.open().await;
    resume(&mut caller, &token, json!({&session: 0})).await;
    assert_eq!(caller.hear().await, plain(&session, 1, candidate(1)));
}

#[tokio::test]
async fn no_more_is_held_than_may_be() {
    let mut config = Config::default();
    config.matcher.limits.burst_messages = 1_000;
    let server = Server::with(config).await;
    let (caller, mut callee, session, token) = pair(&server).await;
    drop(caller);
    server.counts("it is missed", |all| all.matcher.lost == 1).await;
    for n in 1..=64 {
        callee.say(seal(&session, n)).await;
    }
    callee.say(seal(&session, 65)).await;
    assert!(callee.hear_error("too-fast").await["retry_ms"].is_u64());
    let mut caller = server.open().await;
    resume(&mut caller, &token, json!({&session: 0})).await;
    for n in 1..=64 {
        assert_eq!(caller.hear().await, seal(&session, n));
    }
    callee.say(seal(&session, 65)).await;
    assert_eq!(caller.hear().await, seal(&session, 65));
}

/// A pair, the caller first, with the session and the caller's token.
async fn pair(server: &Server) -> (Client, Client, String, String) {
    let mut callee = server.greeted().await;
    callee.find("text").await;
    callee.hear_a("waiting").await;
    let mut caller = server.open().await;
    caller.say(json!({"t": "hello", "v": 1})).await;
    let token = caller.hear_a("welcome").await["resume"].clone();
    caller.find("text").await;
    let session = caller.hear_a("matched").await["session"].clone();
    callee.hear_a("matched").await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (caller, callee, text(&session), text(&token))
}

/// Comes back; gives the next token and the welcome.
async fn resume(client: &mut Client, token: &str, got: Value) -> (String, Value) {
    client.say(json!({"t": "hello", "v": 1, "resume": {"token": token, "got": got}})).await;
    let welcome = client.hear_a("welcome").await;
    let next = welcome["resume"].as_str().unwrap_or_default().to_owned();
    assert_ne!(next, token);
    (next, welcome)
}

fn seal(session: &str, n: u64) -> Value {
    json!({"t": "seal", "session": session, "n": n, "body": "Zm9v"})
}
