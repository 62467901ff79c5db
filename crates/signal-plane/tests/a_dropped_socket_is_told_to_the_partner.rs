//! When one side's connection breaks and does not come back, the other is told, and can go on.

use serde_json::json;
use signal_plane::Config;

use crate::common::Server;

#[tokio::test]
async fn row_160_a_dropped_socket_is_told_to_the_partner() {
    let mut config = Config::default();
    config.matcher.resume_s = 0;
    let server = Server::with(config).await;
    let (caller, mut callee, session) = server.pair().await;
    drop(caller);
    assert_eq!(callee.hear_a("gone").await, json!({"t": "gone", "session": session, "why": "lost"}));
    callee.find("text").await;
    callee.hear_a("waiting").await;
    assert_eq!(server.relay.ended.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn row_159_a_waiter_whose_socket_dropped_is_not_matched() {
    let server = Server::start().await;
    let mut first = server.greeted().await;
    first.find("text").await;
    first.hear_a("waiting").await;
    drop(first);
    server.counts("the ticket goes", |all| all.matcher.waiting == 0).await;
    let mut second = server.greeted().await;
    second.find("text").await;
    second.hear_a("waiting").await;
}

#[tokio::test]
async fn an_orderly_close_is_answered() {
    let server = Server::start().await;
    let (mut caller, mut callee, _) = server.pair().await;
    caller.socket.close(None).await.unwrap();
    caller.hear_the_end().await;
    assert_eq!(callee.hear_a("gone").await["why"], "left");
    server.counts("its place is free", |all| all.connections == 1).await;
}
