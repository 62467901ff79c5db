//! Who does not read what the partner sends is dropped; the partner is told. Who does not answer pings, too.

use serde_json::json;
use signal_plane::Config;

use crate::common::{Server, plain};

#[tokio::test]
async fn row_131_a_slow_reader_is_dropped() {
    let mut config = Config::default();
    config.matcher.resume_s = 0;
    config.matcher.limits.burst_messages = 100_000;
    config.limits.outbound_bytes_max = 100_000;
    let server = Server::with(config).await;
    let (mut caller, callee, session) = server.pair().await;
    // As much as passes in one message: the kernel's buffers hold a good deal before anything is felt.
    let line = format!("a=fmtp:111 {}\r\n", "x".repeat(900));
    let pair = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 {pair}:{pair}\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{}",
        line.repeat(30)
    );
    let offer = json!({"desc": {"type": "offer", "sdp": sdp}});
    let mut n = 0;
    let gone = loop {
        n += 1;
        assert!(n < 2_000, "nobody noticed");
        caller.say(plain(&session, n, offer.clone())).await;
        // The caller reads whatever is there without waiting for it.
        match tokio::time::timeout(std::time::Duration::from_millis(1), caller.hear()).await {
            Ok(message) if message["t"] == "gone" => break message,
            Ok(message) => panic!("{message}"),
            Err(_) => {}
        }
    };
    assert_eq!(gone["why"], "lost");
    drop(callee);
}

#[tokio::test]
async fn row_159_a_silent_peer_is_dropped() {
    let mut config = Config::default();
    // Long enough for it to be greeted, whatever else the machine does.
    config.limits.ping_ms = 500;
    let server = Server::with(config).await;
    let silent = server.greeted().await;
    server.counts("it goes", |all| all.connections == 0).await;
    server
        .counts("it is counted", |all| all.refusals().any(|(r, n)| r.label() == "ping-timeout" && n == 1))
        .await;
    drop(silent);
}

#[tokio::test]
async fn row_131_a_close_that_is_not_answered_has_its_time() {
    let server = Server::start().await;
    let mut client = server.open().await;
    client.say(json!({"t": "hello", "v": 9})).await;
    // Never reads, never answers the close.
    server.counts("it goes", |all| all.requests_total == 1 && all.connections == 0).await;
}
