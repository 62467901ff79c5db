//! Rows 126, 131 and 132 over QUIC: lengths, encodings, floods and readers that do not read end as they do
//! over a WebSocket.

use std::time::Duration;

use serde_json::{Value, json};
use signal_plane::{Config, Limits, Refusal};
use tokio::time::timeout;

use crate::common::quic::Quic;
use crate::common::{PATIENCE, Server, plain};

#[tokio::test]
async fn row_126_a_length_over_the_limit_is_refused_before_its_bytes_come() {
    let server = Server::start().await;
    let quic = Quic::serve(&server.signal);
    for length in [32_769_u32, 0x4745_5420, u32::MAX] {
        let mut client = quic.raw().await;
        client.greet().await;
        client.send.write_all(&length.to_be_bytes()).await.unwrap();
        let error = client.hear_a("error").await;
        assert_eq!((&error["code"], &error["fatal"]), (&json!("too-large"), &json!(true)));
        assert_eq!(client.hear_close().await, 1009);
    }
    assert_eq!(server.signal.counters().refusals_total[Refusal::TooLarge as usize], 3);
}

#[tokio::test]
async fn row_127_what_is_not_text_ends_the_connection() {
    let server = Server::start().await;
    let quic = Quic::serve(&server.signal);
    let mut client = quic.raw().await;
    client.send.write_all(b"\0\0\0\x01\xff").await.unwrap();
    assert_eq!(client.hear_close().await, 1007);
}

#[tokio::test]
async fn an_empty_message_is_no_json_and_the_third_one_ends_it() {
    let server = Server::start().await;
    let quic = Quic::serve(&server.signal);
    let mut client = quic.raw().await;
    client.send.write_all(&[0; 12]).await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.hear_a("error").await["code"], "bad-json");
    }
    assert_eq!(client.hear_close().await, 1008);
}

#[tokio::test]
async fn row_132_a_flood_of_messages_ends() {
    let server = Server::start().await;
    let quic = Quic::serve(&server.signal);
    let mut client = quic.raw().await;
    client.greet().await;
    let flood = [0, 0, 0, 2, b'{', b'}'].repeat(10_000);
    // The connection may end under it.
    let _ = client.send.write_all(&flood).await;
    assert_eq!(client.hear_close().await, 1008);
    server.counts("counted", |counters| counters.refusals_total[Refusal::TooFast as usize] == 1).await;
}

#[tokio::test]
async fn row_131_who_does_not_read_is_dropped_and_the_partner_is_told() {
    let mut config = Config::default();
    config.matcher.resume_s = 0;
    config.matcher.limits.burst_messages = 100_000;
    config.limits.outbound_bytes_max = 100_000;
    let server = Server::with(config).await;
    let quic = Quic::serve(&server.signal);
    let mut deaf = quic.raw().await;
    deaf.greet().await;
    deaf.say(json!({"t": "find", "want": {"media": "text"}})).await;
    deaf.hear_a("waiting").await;
    let mut client = server.greeted().await;
    client.find("text").await;
    let session = client.hear_a("matched").await["session"].as_str().unwrap().to_owned();
    // From here on it reads nothing.
    let mut n = 0;
    let gone = loop {
        n += 1;
        assert!(n < 2_000, "nobody noticed");
        client.say(plain(&session, n, long_offer())).await;
        match timeout(Duration::from_millis(1), client.hear()).await {
            Ok(message) if message["t"] == "gone" => break message,
            Ok(message) => panic!("{message}"),
            Err(_) => {}
        }
    };
    assert_eq!(gone["why"], "lost");
    server.counts("it goes", |all| all.quic.connections == 0).await;
}

/// As much as passes in one message.
fn long_offer() -> Value {
    let line = format!("a=fmtp:111 {}\r\n", "x".repeat(900));
    let pair = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 {pair}:{pair}\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{}",
        line.repeat(30)
    );
    json!({"desc": {"type": "offer", "sdp": sdp}})
}

#[tokio::test]
async fn who_says_nothing_at_all_is_let_go() {
    let limits = Limits { request_ms_max: 200, ..Limits::default() };
    let server = Server::with(Config { limits, ..Config::default() }).await;
    let quic = Quic::serve(&server.signal);
    // No stream; settings but no request; a request but no stream of the session.
    let raw = quic.connect("ginnel.1").await;
    let silent = quic.http3().await;
    let half = quic.http3().await;
    let (_send, _recv, answer) = half.ask(&quic.request("/signal")).await;
    assert!(answer.is_ok());
    timeout(PATIENCE, raw.closed()).await.expect("an end");
    assert_eq!(silent.hear_close().await, 0x10d);
    assert_eq!(half.hear_close().await, 0x10d);
    server.counts("nobody left", |counters| counters.connections == 0).await;
}

#[tokio::test]
async fn names_that_are_not_ours_and_protocols_we_do_not_speak_get_nothing() {
    let config = Config { names: vec!["chat.example.org".into()], ..Config::default() };
    let server = Server::with(config).await;
    let quic = Quic::serve(&server.signal);
    let connection = quic.connect("ginnel.1").await;
    match timeout(PATIENCE, connection.closed()).await.expect("an end") {
        quinn::ConnectionError::ApplicationClosed(close) => assert_eq!(close.error_code, 421_u32.into()),
        other => panic!("{other:?}"),
    }
    assert!(quic.try_connect("http/1.1", "localhost").await.is_err());
    server.counts("counted", |counters| counters.quic.failed_total == 1).await;
}
