//! A room of more than two is a mesh: each pair is a session of its own, and the newcomer calls.

use std::collections::BTreeSet;

use serde_json::json;
use signal_plane::Config;

use crate::common::{Client, Server, candidate, plain};

#[tokio::test]
async fn a_room_of_three() {
    let mut config = Config::default();
    config.matcher.room_size = 4;
    let server = Server::with(config).await;
    let mut host = server.greeted().await;
    host.say(json!({"t": "open", "size": 5})).await;
    host.hear_error("bad-message").await;
    host.say(json!({"t": "open", "size": 3})).await;
    let code = host.hear_a("room").await["code"].as_str().unwrap_or_default().to_owned();

    let mut second = server.greeted().await;
    second.say(json!({"t": "join", "room": code})).await;
    let first_pair = matched(&mut second, "caller").await;
    assert_eq!(matched(&mut host, "callee").await, first_pair);

    let mut third = server.greeted().await;
    third.say(json!({"t": "join", "room": code})).await;
    let mut pairs = BTreeSet::from([first_pair.clone()]);
    let with_host = matched(&mut third, "caller").await;
    let with_second = matched(&mut third, "caller").await;
    assert_eq!(matched(&mut host, "callee").await, with_host);
    assert_eq!(matched(&mut second, "callee").await, with_second);
    pairs.extend([with_host.clone(), with_second.clone()]);
    assert_eq!(pairs.len(), 3, "each pair has a session of its own");

    let mut fourth = server.greeted().await;
    fourth.say(json!({"t": "join", "room": code})).await;
    fourth.hear_error("no-room").await;

    third.say(plain(&with_host, 1, candidate(1))).await;
    third.say(plain(&with_second, 1, candidate(2))).await;
    third.say(plain(&first_pair, 1, candidate(3))).await;
    third.hear_error("bad-session").await;
    assert_eq!(host.hear().await, plain(&with_host, 1, candidate(1)));
    assert_eq!(second.hear().await, plain(&with_second, 1, candidate(2)));

    second.say(json!({"t": "leave"})).await;
    assert_eq!(host.hear_a("gone").await["session"], first_pair.as_str());
    assert_eq!(third.hear_a("gone").await["session"], with_second.as_str());
    third.say(plain(&with_host, 2, candidate(4))).await;
    assert_eq!(host.hear().await, plain(&with_host, 2, candidate(4)), "the others go on");
    fourth.say(json!({"t": "join", "room": code})).await;
    matched(&mut fourth, "caller").await;
    matched(&mut fourth, "caller").await;
    server.counts("three pairs", |all| all.matcher.sessions == 3).await;
}

#[tokio::test]
async fn one_pair_of_a_mesh_ends_alone() {
    let mut config = Config::default();
    config.matcher.room_size = 3;
    let server = Server::with(config).await;
    let (mut host, mut second, mut third) =
        (server.greeted().await, server.greeted().await, server.greeted().await);
    host.say(json!({"t": "open", "size": 3})).await;
    let code = host.hear_a("room").await["code"].as_str().unwrap_or_default().to_owned();
    second.say(json!({"t": "join", "room": code})).await;
    let first_pair = matched(&mut second, "caller").await;
    matched(&mut host, "callee").await;
    third.say(json!({"t": "join", "room": code})).await;
    let with_host = matched(&mut third, "caller").await;
    let with_second = matched(&mut third, "caller").await;
    matched(&mut host, "callee").await;
    matched(&mut second, "callee").await;

    // An error about a payload says which, so that it ends no other session.
    third.say(plain(&with_host, 7, candidate(1))).await;
    let error = third.hear_error("bad-counter").await;
    assert_eq!((&error["session"], &error["n"]), (&json!(with_host), &json!(7)));
    assert_eq!(error["for"], "plain");
    third
        .say(plain(
            &with_host,
            1,
            json!({"cand": [{"candidate": "candidate:1 1 udp 1 192.0.2.1 5000 typ host"}]}),
        ))
        .await;
    let error = third.hear_error("bad-payload").await;
    assert_eq!((&error["session"], &error["n"]), (&json!(with_host), &json!(1)));

    third.say(json!({"t": "leave", "session": with_host})).await;
    assert_eq!(host.hear_a("gone").await["session"], with_host.as_str());
    third.say(json!({"t": "leave", "session": with_host})).await;
    let error = third.hear_error("bad-session").await;
    assert_eq!((&error["session"], &error["for"]), (&json!(with_host), &json!("leave")));
    third.say(json!({"t": "cancel"})).await;
    assert_eq!(third.hear_error("bad-state").await["for"], "cancel");
    third.say(json!({"t": "join", "room": code})).await;
    assert_eq!(third.hear_error("bad-state").await["for"], "join");
    server.counts("two pairs", |all| all.matcher.sessions == 2).await;
    assert_eq!(server.relay.ended.lock().unwrap().len(), 1, "the relay's credentials of that pair only");
    third.say(plain(&with_second, 1, candidate(1))).await;
    assert_eq!(second.hear().await, plain(&with_second, 1, candidate(1)));

    // A bye ends its own session too, and whoever is left alone is still in the room.
    third.say(plain(&with_second, 2, json!({"bye": true}))).await;
    second.hear_a("plain").await;
    assert_eq!(second.hear_a("gone").await["session"], with_second.as_str());
    third.say(json!({"t": "find", "want": {"media": "text"}})).await;
    third.hear_error("bad-state").await;
    second.say(plain(&first_pair, 1, candidate(1))).await;
    assert_eq!(host.hear().await, plain(&first_pair, 1, candidate(1)), "the others go on");
    let mut fourth = server.greeted().await;
    fourth.say(json!({"t": "join", "room": code})).await;
    fourth.hear_error("no-room").await;
}

#[tokio::test]
async fn a_stranger_may_name_the_session_that_it_leaves() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    caller.say(json!({"t": "leave", "session": session})).await;
    assert_eq!(callee.hear_a("gone").await["why"], "left");
    caller.say(json!({"t": "next"})).await;
    caller.hear_error("bad-state").await;
    caller.find("text").await;
    caller.hear_a("waiting").await;
}

async fn matched(client: &mut Client, role: &str) -> String {
    let matched = client.hear_a("matched").await;
    assert_eq!(matched["role"], role);
    matched["session"].as_str().unwrap_or_default().to_owned()
}
