//! A server that drains brings nobody together any more; those who talk notice nothing but a word.

use serde_json::json;

use crate::common::{Server, candidate, plain};

#[tokio::test]
async fn those_who_wait_are_sent_away_and_those_who_talk_go_on() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    let mut host = server.greeted().await;
    host.say(json!({"t": "open"})).await;
    let room = host.hear_a("room").await["code"].clone();
    let mut waiting = server.greeted().await;
    waiting.find("video").await;
    waiting.hear_a("waiting").await;

    server.signal.drain().await;
    for client in [&mut caller, &mut callee, &mut host, &mut waiting] {
        assert!(client.hear_a("drain").await["after_ms"].as_u64().is_some_and(|ms| ms < 5_000));
    }
    server.counts("nobody waits", |all| all.matcher.waiting == 0 && all.matcher.sessions == 1).await;
    let mut late = server.greeted().await;
    for client in [&mut waiting, &mut late] {
        client.find("video").await;
        client.hear_error("draining").await;
    }
    late.say(json!({"t": "join", "room": room})).await;
    late.hear_error("draining").await;
    late.say(json!({"t": "open"})).await;
    late.hear_error("draining").await;

    caller.say(plain(&session, 1, candidate(1))).await;
    assert_eq!(callee.hear().await, plain(&session, 1, candidate(1)));
    caller.say(json!({"t": "next", "want": {"media": "video"}})).await;
    caller.hear_error("draining").await;
    assert_eq!(callee.hear_a("gone").await["why"], "left");
}
