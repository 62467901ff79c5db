//! What belongs to somebody else is worth nothing: cookies, sessions, tokens that were used.

use serde_json::json;

use crate::common::{Server, candidate, plain};

#[tokio::test]
async fn row_125_cookies_say_nothing() {
    let server = Server::start().await;
    let protocol = ("sec-websocket-protocol", "ginnel.1");
    let cookies = ("cookie", "session=AAAAAAAAAAAAAAAAAAAAAA; admin=1");
    let mut client = server.try_open(&[protocol, cookies, ("authorization", "Bearer x")]).await.unwrap();
    client.find("text").await;
    client.hear_error("not-greeted").await;
    let answer =
        server.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: a=b\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && !answer.to_lowercase().contains("set-cookie"));
}

#[tokio::test]
async fn rows_149_and_150_a_strangers_session_is_no_way_in() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    let mut stranger = server.greeted().await;
    for message in [
        plain(&session, 1, candidate(1)),
        json!({"t": "seal", "session": session, "n": 1, "body": "Zm9v"}),
        json!({"t": "report", "session": session, "why": "spam"}),
    ] {
        stranger.say(message).await;
        stranger.hear_error("bad-session").await;
    }
    // Who sends says nothing about itself: there is no field for it.
    stranger.say(json!({"t": "seal", "session": session, "n": 1, "body": "Zm9v", "from": "caller"})).await;
    stranger.hear_error("bad-message").await;
    let mut thief = server.open().await;
    let resume = json!({"token": session, "got": {(&session): 0}});
    thief.say(json!({"t": "hello", "v": 1, "resume": resume})).await;
    assert_eq!(thief.hear_a("welcome").await.get("got"), None, "a newcomer like any other");
    caller.say(plain(&session, 1, candidate(7))).await;
    assert_eq!(callee.hear().await, plain(&session, 1, candidate(7)));
}
