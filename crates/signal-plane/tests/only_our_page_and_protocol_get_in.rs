//! The handshake: origin, subprotocol, host name, version, key.

use signal_plane::Config;
use tokio_tungstenite::tungstenite::Error;

use crate::common::Server;

const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "ginnel.1");

async fn status(server: &Server, headers: &[(&'static str, &str)]) -> u16 {
    match server.try_open(headers).await {
        Ok(_) => 101,
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn row_124_origins() {
    let server = Server::start().await;
    let own = format!("http://{}", server.address);
    assert_eq!(status(&server, &[PROTOCOL]).await, 101);
    assert_eq!(status(&server, &[PROTOCOL, ("origin", &own)]).await, 101);
    for origin in ["null", "http://evil.example", &format!("{own}.evil"), &own.replace("http:", "https:")] {
        assert_eq!(status(&server, &[PROTOCOL, ("origin", origin)]).await, 403, "{origin}");
    }
    assert_eq!(status(&server, &[PROTOCOL, ("origin", &own), ("origin", &own)]).await, 403);
}

#[tokio::test]
async fn the_subprotocol_is_required() {
    let server = Server::start().await;
    assert_eq!(status(&server, &[]).await, 400);
    assert_eq!(status(&server, &[("sec-websocket-protocol", "chat")]).await, 400);
    assert_eq!(status(&server, &[("sec-websocket-protocol", "chat, ginnel.1")]).await, 101);
}

#[tokio::test]
async fn row_126_host_names() {
    let config = Config { names: vec!["chat.example.org".into()], ..Config::default() };
    let server = Server::with(config).await;
    assert_eq!(status(&server, &[PROTOCOL]).await, 421);
    for (host, expected) in
        [("chat.example.org:8443", "200"), ("CHAT.example.org", "200"), ("evil.example", "421")]
    {
        let answer = server
            .raw(format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes())
            .await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{answer}");
    }
}

#[tokio::test]
async fn row_123_handshakes() {
    let server = Server::start().await;
    let good = [
        "GET /signal HTTP/1.1",
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol: ginnel.1",
    ];
    for (line, instead, expected) in [
        (2, "X: y", "426"),
        (3, "Upgrade: h2c", "426"),
        (4, "Sec-WebSocket-Version: 8", "426"),
        (5, "X: y", "400"),
        (5, "Sec-WebSocket-Key: AAAA", "400"),
        (0, "GET /signal HTTP/1.0", "426"),
        (0, "POST /signal HTTP/1.1", "405"),
        (0, "HEAD /signal HTTP/1.1", "405"),
    ] {
        let mut lines = good;
        lines[line] = instead;
        let answer = server.raw(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).await;
        assert_eq!(answer.split(' ').nth(1), Some(expected), "{instead}: {answer}");
    }
}

#[tokio::test]
async fn row_130_compression_is_declined() {
    let server = Server::start().await;
    let offer = ("sec-websocket-extensions", "permessage-deflate");
    // A client that offered nothing it knows fails if the server agreed on it.
    assert_eq!(status(&server, &[PROTOCOL, offer]).await, 101);
}

/// RFC 6455 §4.1: a client waits for the answer. What comes with the handshake was read as HTTP.
#[tokio::test]
async fn frames_ahead_of_the_answer_end_the_connection() {
    let server = Server::start().await;
    let handshake = "GET /signal HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
        Sec-WebSocket-Protocol: ginnel.1\r\n\r\n";
    // A mask that holds a line feed.
    let hello: Vec<u8> = br#"{"t":"hello","v":1}"#.iter().map(|byte| byte ^ b'\n').collect();
    let frame = [&[0x81, 0x80 | hello.len() as u8][..], b"\n\n\n\n", &hello].concat();
    let answer = server.raw(&[handshake.as_bytes(), &frame].concat()).await;
    assert!(answer.ends_with("\r\n\r\n"), "nothing follows the handshake: {answer}");
    server.counts("it is counted", |all| all.refusals().any(|(r, n)| r.label() == "request" && n == 1)).await;
}
