//! What a greeted WebSocket costs in memory, client's end included, read from the kernel.
//!
//! It is a binary of its own, because tests of one binary share a process and its memory.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::Server;

#[expect(dead_code, reason = "the other tests use the rest")]
mod common;

#[tokio::test]
async fn an_idle_connection_is_small() {
    let mut config = signal_plane::Config::default();
    config.matcher.limits.work.place_burst = u32::MAX;
    let server = Server::with(config).await;
    // The first ones pay for what all share, and for what the allocator keeps at hand.
    let mut idle = open(&server, WARM_UP).await;
    let before = resident_bytes();
    idle.extend(open(&server, MEASURED).await);
    let each = resident_bytes().saturating_sub(before) / MEASURED;
    println!("{each} bytes per idle connection");
    assert!(each <= BYTES_MAX, "{each} bytes per idle connection");
    server.counts("all are open", |all| all.matcher.connections == idle.len() as u64).await;
}

/// Clients that hold no more than a socket.
async fn open(server: &Server, n: usize) -> Vec<TcpStream> {
    let mut clients = Vec::with_capacity(n);
    for _ in 0..n {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(HANDSHAKE).await.unwrap();
        read_past(&mut stream, b"\r\n\r\n").await;
        // A masked text frame; the mask is zero.
        let hello = br#"{"t":"hello","v":1}"#;
        stream.write_all(&[&[0x81, 0x80 | hello.len() as u8, 0, 0, 0, 0][..], hello].concat()).await.unwrap();
        read_past(&mut stream, b"}}").await;
        clients.push(stream);
    }
    clients
}

async fn read_past(stream: &mut TcpStream, end: &[u8]) {
    let mut seen = Vec::new();
    while !seen.ends_with(end) {
        seen.push(stream.read_u8().await.unwrap());
    }
}

/// The second field of `statm` counts resident pages.
fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

const WARM_UP: usize = 100;
const MEASURED: usize = 300;
const BYTES_MAX: usize = 7_500;
const HANDSHAKE: &[u8] =
    b"GET /signal HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
    Sec-WebSocket-Protocol: ginnel.1\r\n\r\n";
