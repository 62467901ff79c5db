//! What the state does not allow is answered with an error; the connection goes on.

use serde_json::json;

use crate::common::{Server, candidate, plain};

const SESSION: &str = "AAAAAAAAAAAAAAAAAAAAAA";

#[tokio::test]
async fn row_149_before_hello() {
    let server = Server::start().await;
    let mut client = server.open().await;
    for message in [
        json!({"t": "find", "want": {"media": "text"}}),
        json!({"t": "open"}),
        json!({"t": "join", "room": "x"}),
        json!({"t": "next"}),
        json!({"t": "leave"}),
        json!({"t": "cancel"}),
        plain(SESSION, 1, candidate(1)),
    ] {
        client.say(message).await;
        client.hear_error("not-greeted").await;
    }
    client.say(json!({"t": "hello", "v": 1})).await;
    client.hear_a("welcome").await;
}

#[tokio::test]
async fn rows_148_and_149_in_every_other_state() {
    let server = Server::start().await;
    let hello = json!({"t": "hello", "v": 1});
    let find = json!({"t": "find", "want": {"media": "text"}});
    let (open, join) = (json!({"t": "open"}), json!({"t": "join", "room": "x"}));
    let (next, leave, cancel) = (json!({"t": "next"}), json!({"t": "leave"}), json!({"t": "cancel"}));

    let mut greeted = server.greeted().await;
    for message in [&hello, &next, &leave, &cancel] {
        greeted.say(message.clone()).await;
        greeted.hear_error("bad-state").await;
    }
    greeted.say(plain(SESSION, 1, candidate(1))).await;
    greeted.hear_error("bad-session").await;
    for size in [0, 1, 3, 255] {
        greeted.say(json!({"t": "open", "size": size})).await;
        greeted.hear_error("bad-message").await;
    }

    let mut inside = server.greeted().await;
    inside.say(open.clone()).await;
    inside.hear_a("room").await;
    for message in [&hello, &find, &open, &join, &next, &cancel] {
        inside.say(message.clone()).await;
        inside.hear_error("bad-state").await;
    }

    let (mut matched, _callee, _) = server.pair().await;
    for message in [&hello, &find, &open, &join, &cancel] {
        matched.say(message.clone()).await;
        matched.hear_error("bad-state").await;
    }

    greeted.say(find.clone()).await;
    greeted.hear_a("waiting").await;
    for message in [&hello, &find, &open, &join, &next, &leave] {
        greeted.say(message.clone()).await;
        greeted.hear_error("bad-state").await;
    }
    greeted.say(cancel).await;
    greeted.say(leave).await;
    greeted.hear_error("bad-state").await;
}

#[tokio::test]
async fn rooms_can_be_switched_off() {
    let mut config = signal_plane::Config::default();
    config.matcher.rooms = false;
    let server = Server::with(config).await;
    let mut client = server.greeted().await;
    client.say(json!({"t": "open"})).await;
    client.hear_error("rooms-off").await;
    client.say(json!({"t": "join", "room": "x"})).await;
    client.hear_error("rooms-off").await;
}

#[tokio::test]
async fn another_version_is_fatal() {
    let server = Server::start().await;
    let mut client = server.open().await;
    client.say(json!({"t": "hello", "v": 2})).await;
    assert_eq!(client.hear_error("bad-version").await["fatal"], true);
    assert_eq!(client.hear_close().await, 1008);
}
