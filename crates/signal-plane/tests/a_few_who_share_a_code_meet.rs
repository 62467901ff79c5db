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

async fn matched(client: &mut Client, role: &str) -> String {
    let matched = client.hear_a("matched").await;
    assert_eq!(matched["role"], role);
    matched["session"].as_str().unwrap_or_default().to_owned()
}
