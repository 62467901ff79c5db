//! A graceful stop tells everybody when to come back and closes every connection, in bounded time.

use tokio::net::TcpStream;

use crate::common::Server;

#[tokio::test]
async fn row_160_stopping_tells_everybody() {
    let server = Server::start().await;
    let (mut caller, mut callee, _) = server.pair().await;
    let idle = TcpStream::connect(server.address).await.unwrap();
    server.counts("all three", |all| all.connections == 3).await;
    let signal = server.signal.clone();
    let stopping = tokio::spawn(async move { signal.stop().await });
    let drain = caller.hear_a("drain").await;
    assert!(drain["after_ms"].as_u64().is_some_and(|ms| ms < 5_000), "{drain}");
    assert_eq!(caller.hear_close().await, 1001);
    assert_eq!(callee.hear_close().await, 1001);
    caller.hear_the_end().await;
    callee.hear_the_end().await;
    tokio::time::timeout(crate::common::PATIENCE, stopping).await.expect("it ends").unwrap();
    server.counts("nobody", |all| all.connections == 0 && all.matcher.sessions == 0).await;
    drop(idle);
}
