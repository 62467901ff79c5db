//! `next` ends the session and prefers somebody new; with nobody else in the world, the same two meet again.

use serde_json::json;

use crate::common::Server;

#[tokio::test]
async fn a_third_is_preferred() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    let mut third = server.greeted().await;
    third.find("text").await;
    third.hear_a("waiting").await;
    callee.say(json!({"t": "next"})).await;
    assert_eq!(caller.hear_a("gone").await, json!({"t": "gone", "session": session, "why": "left"}));
    assert_eq!(callee.hear_a("matched").await["session"], third.hear_a("matched").await["session"]);
    caller.say(json!({"t": "next"})).await;
    caller.hear_a("waiting").await;
    server.counts("the relay is told", |all| all.matcher.sessions == 1).await;
    assert_eq!(server.relay.ended.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn two_alone_meet_again_soon() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    caller.say(json!({"t": "next"})).await;
    callee.hear_a("gone").await;
    callee.say(json!({"t": "next"})).await;
    caller.hear_a("waiting").await;
    callee.hear_a("waiting").await;
    let matched = caller.hear_a("matched").await;
    assert_eq!(callee.hear_a("matched").await["session"], matched["session"]);
    assert_ne!(matched["session"], session);
}

#[tokio::test]
async fn after_leave_and_cancel_there_is_nothing_to_repeat() {
    let server = Server::start().await;
    let (mut caller, mut callee, _) = server.pair().await;
    caller.say(json!({"t": "leave"})).await;
    caller.say(json!({"t": "next"})).await;
    caller.hear_error("bad-state").await;
    callee.hear_a("gone").await;
    callee.say(json!({"t": "next"})).await;
    callee.hear_a("waiting").await;
    callee.say(json!({"t": "cancel"})).await;
    callee.say(json!({"t": "next"})).await;
    callee.hear_error("bad-state").await;
}
