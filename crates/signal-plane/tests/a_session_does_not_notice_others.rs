//! A session goes on, message by message and in order, while others send all kinds of garbage.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use futures_util::SinkExt as _;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Server, candidate, plain};

#[tokio::test]
async fn while_others_send_garbage() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    let talk = async {
        for n in 1..=MESSAGES {
            caller.say(plain(&session, n, candidate(n))).await;
            assert_eq!(callee.hear().await, plain(&session, n, candidate(n)));
            callee.say(plain(&session, n, candidate(n))).await;
            assert_eq!(caller.hear().await, plain(&session, n, candidate(n)));
        }
    };
    tokio::join!(
        talk,
        join_all((0..FLOODS).map(|_| connections(&server))),
        join_all((0..FLOODS).map(|_| frames(&server)))
    );
    assert_eq!(server.relay.ended.lock().unwrap().len(), 0, "the session goes on");
    let all = server.signal.counters();
    assert_eq!((all.matcher.sessions, all.matcher.messages_total), (1, 2 * MESSAGES));
    let refused = |label: &str| all.refusals().any(|(reason, n)| reason.label() == label && n > 0);
    assert!(["request", "too-large", "frame"].into_iter().all(refused), "the garbage came: {all:?}");
}

/// Connections that speak anything but HTTP.
async fn connections(server: &Server) {
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"\0\x01\0\0\x21\x12\xa4\x42",
        b"GET / HTTP/9\r\n\r\n",
        &[b'x'; 20_000],
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        // It may be closed on us before we are done.
        let _ = stream.write_all(garbage).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    }
}

/// WebSockets that send anything but messages.
async fn frames(server: &Server) {
    for garbage in [
        Message::text("["),
        Message::text("x".repeat(40_000)),
        Message::binary(vec![0; 1000]),
        Message::text("{}"),
    ] {
        let mut client = server.greeted().await;
        for _ in 0..10 {
            if client.socket.send(garbage.clone()).await.is_err() {
                break;
            }
        }
        let _ = client.socket.close(None).await;
        client.hear_the_end().await;
    }
}

/// As many as a side may send candidates.
const MESSAGES: u64 = 20;
const FLOODS: usize = 8;
