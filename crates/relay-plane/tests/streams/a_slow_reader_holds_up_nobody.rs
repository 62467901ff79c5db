//! A TCP client that does not read loses frames, and others get theirs (row 98).

use std::time::Duration;

use crate::client::{Wire, pair};
use crate::server::{Server, soon};

/// Far more than the kernel's buffers and our queue hold together.
const FLOOD_BYTES: usize = 32 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_98_a_slow_reader_loses_frames_and_others_none() {
    let server = Server::start();
    let (mut sender, mut slow) = pair(Wire::tcp(&server).await, Wire::tcp(&server).await).await;
    let (mut one, mut other) = pair(Wire::udp(&server).await, Wire::tls(&server).await).await;
    let payload = vec![7; 1_000];
    let mut sent = 0;
    while sent < FLOOD_BYTES || server.counters().streams.overflow_frames == 0 {
        for _ in 0..100 {
            sender.send(&payload).await;
            sent += payload.len();
        }
        one.send(b"not held up").await;
        assert_eq!(other.receive().await.as_deref(), Some(&b"not held up"[..]));
        assert!(sent < 8 * FLOOD_BYTES, "nothing was ever dropped");
    }
    // What it reads in the end is whole, and far less than was sent.
    let mut read = 0;
    while let Ok(Some(received)) = tokio::time::timeout(Duration::from_secs(1), slow.receive()).await {
        assert_eq!(received, payload);
        read += received.len();
    }
    assert!(read < sent, "{read} of {sent}");
    slow.send(b"still there").await;
    assert_eq!(soon(sender.receive()).await.as_deref(), Some(&b"still there"[..]));
}

/// The connections' tasks run on the one thread of this test, which stands still meanwhile.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "nothing is waited for: to stand still is what is tested")]
async fn row_98_what_waited_for_this_machine_and_not_for_its_reader_is_not_late() {
    let server = Server::start();
    let (mut one, mut other) = pair(Wire::udp(&server).await, Wire::tcp(&server).await).await;
    for payload in [b"one", b"two"] {
        one.send(payload).await;
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!(soon(other.receive()).await.as_deref(), Some(&payload[..]));
    }
    assert_eq!(server.counters().streams.late_frames, 0);
}
