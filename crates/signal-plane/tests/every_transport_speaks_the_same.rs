//! WebSocket, WebTransport and raw QUIC carry the same messages to the same matcher.

use serde_json::json;

use crate::common::quic::Quic;
use crate::common::{Server, candidate, plain};

#[tokio::test]
async fn row_146_two_who_came_by_different_transports_meet_and_a_third_is_nobody_of_them() {
    let server = Server::start().await;
    let quic = Quic::serve(&server.signal);
    for mut one in [quic.raw().await, quic.web_transport().await] {
        one.greet().await;
        one.say(json!({"t": "find", "want": {"media": "text"}})).await;
        one.hear_a("waiting").await;
        let mut other = server.greeted().await;
        other.find("text").await;
        let matched = other.hear_a("matched").await;
        let session = matched["session"].as_str().unwrap().to_owned();
        let heard = one.hear_a("matched").await;
        assert_eq!(heard["session"], matched["session"]);
        assert_ne!(heard["role"], matched["role"]);
        assert_ne!(heard["ice"], matched["ice"], "each side has its own credentials");

        // The same person on another transport is another client.
        let mut third = server.greeted().await;
        third.say(plain(&session, 1, candidate(1))).await;
        third.hear_error("bad-session").await;

        other.say(plain(&session, 1, candidate(7))).await;
        assert_eq!(one.hear_a("plain").await["n"], 1);
        one.say(plain(&session, 1, candidate(8))).await;
        assert_eq!(other.hear_a("plain").await["n"], 1);
        one.say(json!({"t": "leave"})).await;
        assert_eq!(other.hear_a("gone").await["why"], "left");
    }
}

#[tokio::test]
async fn the_host_in_turn_urls_is_the_one_that_was_reached() {
    let server = Server::start().await;
    let quic = Quic::serve(&server.signal);
    let (mut one, mut other) = (quic.raw().await, quic.web_transport().await);
    for client in [&mut one, &mut other] {
        client.greet().await;
        client.say(json!({"t": "find", "want": {"media": "text"}})).await;
    }
    one.hear_a("waiting").await;
    for client in [&mut one, &mut other] {
        let matched = client.hear_a("matched").await;
        assert_eq!(matched["ice"][0]["urls"][0], "turn:localhost:3478");
    }
}

#[tokio::test]
async fn who_goes_away_is_missed_however_they_go() {
    let server = Server::start().await;
    let quic = Quic::serve(&server.signal);
    for way in 0..3 {
        let mut one = quic.web_transport().await;
        one.greet().await;
        one.say(json!({"t": "find", "want": {"media": "text"}})).await;
        one.hear_a("waiting").await;
        let mut other = server.greeted().await;
        other.find("text").await;
        other.hear_a("matched").await;
        match way {
            // The page closes the session, the stream, or the connection.
            0 => one.session.as_mut().unwrap().0.finish().unwrap(),
            1 => one.send.finish().unwrap(),
            _ => one.connection.close(0_u32.into(), b""),
        }
        assert_eq!(other.hear_a("gone").await["why"], "left");
    }
    server.counts("all gone", |counters| counters.quic.connections == 0).await;
}

#[tokio::test]
async fn stopping_tells_everybody_and_is_quick() {
    let server = Server::start().await;
    let quic = Quic::serve(&server.signal);
    let (mut raw, mut session) = (quic.raw().await, quic.web_transport().await);
    raw.greet().await;
    session.greet().await;
    server.signal.stop().await;
    assert_eq!(raw.hear_close().await, 1001);
    let (_, capsules, _) = session.session.as_mut().unwrap();
    let capsule = capsules.read_to_end(1_000).await.unwrap();
    // A DATA frame with CLOSE_WEBTRANSPORT_SESSION: the code in four bytes, then the reason.
    let expected = [b"\x68\x43\x14\x00\x00\x03\xe9".as_slice(), b"the server stops"].concat();
    assert_eq!(capsule, [&[0, expected.len() as u8], expected.as_slice()].concat());
    assert_eq!(session.hear_close().await, 0x100);
}
