//! Who loses one transport comes back on another with what it has: WebSocket, WebTransport and raw QUIC are
//! ways to the same client.

use serde_json::{Value, json};

use crate::common::quic::{Quic, QuicClient};
use crate::common::{Server, candidate, plain};

#[tokio::test]
async fn from_a_websocket_over_both_kinds_of_quic_and_back_in_the_middle_of_a_negotiation() {
    let server = Server::start().await;
    let quic = Quic::serve(&server.signal);
    let mut callee = server.greeted().await;
    callee.find("text").await;
    callee.hear_a("waiting").await;
    let mut caller = server.open().await;
    caller.say(json!({"t": "hello", "v": 1})).await;
    let token = text(&caller.hear_a("welcome").await["resume"]);
    caller.find("text").await;
    let session = text(&caller.hear_a("matched").await["session"]);
    callee.hear_a("matched").await;
    caller.say(plain(&session, 1, candidate(1))).await;
    assert_eq!(callee.hear().await, plain(&session, 1, candidate(1)));

    // It breaks; two are on the way meanwhile.
    drop(caller);
    server.counts("it is missed", |all| all.matcher.lost == 1).await;
    for n in [1, 2] {
        callee.say(plain(&session, n, candidate(n))).await;
    }
    server.counts("both", |all| all.matcher.messages_total == 3).await;
    let mut over_web_transport = quic.web_transport().await;
    let (token, welcome) = resume(&mut over_web_transport, &token, json!({&session: 0})).await;
    assert_eq!(welcome["got"], json!({&session: 1}));
    for n in [1, 2] {
        assert_eq!(over_web_transport.hear().await, plain(&session, n, candidate(n)));
    }
    over_web_transport.say(plain(&session, 2, candidate(2))).await;
    assert_eq!(callee.hear().await, plain(&session, 2, candidate(2)));

    // Nobody has noticed yet that this one is dead; the third arrives on a path that nobody reads.
    callee.say(plain(&session, 3, candidate(3))).await;
    server.counts("the third", |all| all.matcher.messages_total == 5).await;
    let mut raw = quic.raw().await;
    let (token, welcome) = resume(&mut raw, &token, json!({&session: 2})).await;
    assert_eq!(welcome["got"], json!({&session: 2}));
    assert_eq!(raw.hear().await, plain(&session, 3, candidate(3)));

    let mut back = server.open().await;
    let hello = json!({"t": "hello", "v": 1, "resume": {"token": token, "got": {&session: 3}}});
    back.say(hello).await;
    assert_eq!(back.hear_a("welcome").await["got"], json!({&session: 2}));
    assert_eq!(raw.hear_close().await, 1008);
    back.say(plain(&session, 3, candidate(4))).await;
    assert_eq!(callee.hear().await, plain(&session, 3, candidate(4)), "the partner has noticed nothing");
    assert_eq!(server.signal.counters().matcher.resumed_total, 3);
    assert_eq!(server.signal.counters().matcher.sessions, 1);
}

/// Comes back; gives the next token and the welcome.
async fn resume(client: &mut QuicClient, token: &str, got: Value) -> (String, Value) {
    client.say(json!({"t": "hello", "v": 1, "resume": {"token": token, "got": got}})).await;
    let welcome = client.hear_a("welcome").await;
    (text(&welcome["resume"]), welcome)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
