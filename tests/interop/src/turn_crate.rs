//! The client of the `turn` crate (webrtc-rs), ready to allocate.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::UdpSocket;
use turn::client::{Client, ClientConfig};

/// One that talks UDP to `server` and listens.
///
/// # Panics
/// Where the machine gives it no socket.
pub async fn client(server: SocketAddr, user: &str, password: &str) -> Client {
    let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).await.expect("a free port");
    let config = ClientConfig {
        stun_serv_addr: server.to_string(),
        turn_serv_addr: server.to_string(),
        username: user.into(),
        password: password.into(),
        realm: "ginnel".into(),
        software: String::new(),
        rto_in_ms: 0,
        conn: Arc::new(socket),
        vnet: None,
    };
    let client = Client::new(config).await.expect("a client");
    client.listen().await.expect("a client that listens");
    client
}
