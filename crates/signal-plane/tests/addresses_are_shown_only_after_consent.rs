//! Where a candidate that tells its sender's address may pass: never, after both agreed, or always.

use match_core::Exposure;
use serde_json::{Value, json};
use signal_plane::Config;

use crate::common::{Client, Server, candidate, plain};

#[tokio::test]
async fn rows_154_and_155_consent_takes_both() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    caller.say(plain(&session, 1, host())).await;
    caller.hear_error("bad-payload").await;
    caller.say(plain(&session, 1, json!({"direct": true}))).await;
    assert_eq!(callee.hear_a("plain").await["body"], json!({"direct": true}));
    for (client, n) in [(&mut caller, 2), (&mut callee, 1)] {
        client.say(plain(&session, n, host())).await;
        client.hear_error("bad-payload").await;
    }
    callee.say(plain(&session, 1, json!({"direct": true}))).await;
    caller.hear_a("plain").await;
    caller.say(plain(&session, 2, host())).await;
    assert_eq!(callee.hear().await, plain(&session, 2, host()));
    for (n, away) in [(3, "udp 1 192.168.0.1 80"), (4, "udp 1 127.0.0.1 5000"), (5, "tcp 1 192.168.0.1 8080")]
    {
        let text = format!("candidate:1 1 {away} typ host");
        caller.say(plain(&session, n, json!({"cand": [{"candidate": text, "sdpMid": "0"}]}))).await;
        assert_eq!(callee.hear().await, plain(&session, n, json!({"cand": []})));
    }
}

#[tokio::test]
async fn rows_154_and_155_relay_allows_nobody() {
    let server = Server::with(with(Exposure::Relay, Exposure::Direct)).await;
    let (mut caller, mut callee, session) = server.pair().await;
    for body in [json!({"direct": true}), host()] {
        caller.say(plain(&session, 1, body)).await;
        caller.hear_error("bad-payload").await;
    }
    caller.say(plain(&session, 1, candidate(1))).await;
    callee.hear_a("plain").await;
}

#[tokio::test]
async fn rooms_have_their_own_rule() {
    let server = Server::with(with(Exposure::Relay, Exposure::Direct)).await;
    let (mut host_of_room, mut guest) = (server.greeted().await, server.greeted().await);
    let (session, exposure) = meet(&mut host_of_room, &mut guest).await;
    assert_eq!(exposure, "direct");
    guest.say(plain(&session, 1, host())).await;
    assert_eq!(host_of_room.hear().await, plain(&session, 1, host()));
}

async fn meet(host: &mut Client, guest: &mut Client) -> (String, String) {
    host.say(json!({"t": "open"})).await;
    let code = host.hear_a("room").await["code"].clone();
    guest.say(json!({"t": "join", "room": code})).await;
    host.hear_a("matched").await;
    let matched = guest.hear_a("matched").await;
    let text = |key: &str| matched[key].as_str().unwrap_or_default().to_owned();
    (text("session"), text("exposure"))
}

fn with(exposure: Exposure, room_exposure: Exposure) -> Config {
    let matcher = match_core::Config { exposure, room_exposure, ..Default::default() };
    Config { matcher, ..Config::default() }
}

fn host() -> Value {
    json!({"cand": [{"candidate": "candidate:1 1 udp 1 192.168.0.1 5000 typ host", "sdpMid": "0"}]})
}
