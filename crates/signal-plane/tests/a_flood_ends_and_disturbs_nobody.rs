//! Who sends faster than the budget is told, then closed; meanwhile others are served as ever.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::json;
use signal_plane::Config;
use tokio_tungstenite::tungstenite::Message;

use crate::common::{Server, candidate, plain};

#[tokio::test]
async fn row_132_text_beyond_the_budget() {
    let server = Server::start().await;
    let client = server.greeted().await;
    let (mut told, mut fatal) = (0, false);
    let (mut sender, mut receiver) = client.socket.split();
    let flood = async { while sender.send(Message::text(r#"{"t":"cancel"}"#)).await.is_ok() {} };
    let listen = async {
        while let Some(Ok(message)) = receiver.next().await {
            match message {
                Message::Text(text) => {
                    let error: serde_json::Value = serde_json::from_str(&text).unwrap();
                    told += u32::from(error["code"] == "too-fast" && error["retry_ms"].as_u64() > Some(0));
                    fatal |= error["code"] == "too-fast" && error["fatal"] == true;
                }
                Message::Close(Some(frame)) => return u16::from(frame.code),
                _ => {}
            }
        }
        0
    };
    let both = async { tokio::join!(flood, listen).1 };
    assert_eq!(tokio::time::timeout(crate::common::PATIENCE, both).await.unwrap(), 1008);
    assert!(told > 0 && fatal);
}

#[tokio::test]
async fn who_is_too_fast_hears_it_in_turn() {
    let mut config = Config::default();
    (config.matcher.limits.messages_per_s, config.matcher.limits.burst_messages) = (1, 2);
    let server = Server::with(config).await;
    let mut client = server.open().await;
    let said = [
        json!({"t": "hello", "v": 1}),
        json!({"t": "find", "want": {"media": "text"}}),
        json!({"t": "cancel"}),
        json!({"t": "cancel"}),
    ];
    for message in said {
        client.socket.feed(Message::text(message.to_string())).await.unwrap();
    }
    client.socket.flush().await.unwrap();
    for expected in ["welcome", "waiting", "error", "error"] {
        assert_eq!(client.hear().await["t"], expected);
    }
}

#[tokio::test]
async fn row_131_pings_beyond_the_budget() {
    let server = Server::start().await;
    let mut client = server.greeted().await;
    let flood = async { while client.socket.send(Message::Ping(vec![0; 100].into())).await.is_ok() {} };
    tokio::time::timeout(crate::common::PATIENCE, flood).await.expect("the flood ends");
    server
        .counts("it is counted", |all| all.refusals().any(|(r, n)| r.label() == "too-fast" && n == 1))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_are_served_meanwhile() {
    let server = Server::start().await;
    let (mut caller, mut callee, session) = server.pair().await;
    let flooding = tokio::spawn({
        let mut clients = Vec::new();
        for _ in 0..8 {
            clients.push(server.greeted().await);
        }
        async move {
            let floods = clients.into_iter().map(|mut client| async move {
                while client.socket.send(Message::text(r#"{"t":"cancel"}"#)).await.is_ok() {}
            });
            futures_util::future::join_all(floods).await;
        }
    });
    for n in 1..=20 {
        caller.say(plain(&session, n, candidate(n))).await;
        assert_eq!(callee.hear_a("plain").await["n"], n);
    }
    caller.say(json!({"t": "leave"})).await;
    callee.hear_a("gone").await;
    flooding.await.unwrap();
    server.counts("all floods", |all| all.refusals().any(|(r, n)| r.label() == "too-fast" && n == 8)).await;
}
