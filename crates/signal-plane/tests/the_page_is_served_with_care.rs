//! Files, validators, methods, and requests that try to be understood in two ways.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::Server;

async fn get(server: &Server, line: &str, headers: &str) -> String {
    server
        .raw(format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").as_bytes())
        .await
}

#[tokio::test]
async fn files_and_validators() {
    let server = Server::start().await;
    let page = get(&server, "GET /", "").await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    for header in [
        "content-security-policy: default-src 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
    ] {
        assert!(page.contains(header), "{header} in {page}");
    }
    let (head, body) = page.split_once("\r\n\r\n").unwrap();
    assert!(!body.is_empty());
    let etag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
    let known = get(&server, "GET /", &format!("If-None-Match: \"other\", W/{etag}\r\n")).await;
    assert!(known.starts_with("HTTP/1.1 304 ") && known.ends_with("\r\n\r\n"), "{known}");
    let head = get(&server, "HEAD /", "").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(head.contains(&format!("content-length: {}\r\n", body.len())));
    assert!(get(&server, "GET /none", "").await.starts_with("HTTP/1.1 404 "));
    let post = get(&server, "POST /", "").await;
    assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("allow: GET, HEAD"), "{post}");
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /none HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 404");
        let mut seen = Vec::new();
        while !seen.ends_with(b"\r\n\r\n") {
            seen.push(stream.read_u8().await.unwrap());
        }
    }
}

#[tokio::test]
async fn row_122_requests_that_can_be_read_in_two_ways() {
    let server = Server::start().await;
    let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(16 * 1024));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(200));
    for (request, expected) in [
        (&long[..], "431"),
        (&many, "431"),
        ("GET / HTTP/1.1\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "400"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "400",
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n", "400"),
        ("GET / HTTP/1.1\nHost: a\n\n", "400"),
        ("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "400"),
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET /..%2fetc HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET /../etc HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
        ("GET /\r\n\r\n", "400"),
        ("GET / HTTP/7.0\r\nHost: a\r\n\r\n", "400"),
        ("nonsense\r\n\r\n", "400"),
    ] {
        let answer = server.raw(request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{request:.60}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:.60}: {answer}");
    }
    assert_eq!(server.raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await, "");
}

#[tokio::test]
async fn a_request_that_never_ends_has_its_time() {
    let mut config = signal_plane::Config::default();
    config.limits.request_ms_max = 100;
    let server = Server::with(config).await;
    server.raw(b"GET / HTTP/1.1\r\nHost: a\r\n").await;
    server.raw(b"").await;
    server.counts("they go", |all| all.connections == 0).await;
}

#[tokio::test]
async fn beyond_the_cap_there_is_no_room() {
    let mut config = signal_plane::Config::default();
    config.limits.connections_per_prefix_max = 1;
    let server = Server::with(config).await;
    let first = server.greeted().await;
    assert!(server.raw(b"").await.starts_with("HTTP/1.1 503 "));
    drop(first);
    server.counts("its place is free", |all| all.connections == 0).await;
    server.greeted().await;
}

#[tokio::test]
async fn plain_http_sends_people_to_https() {
    let server = Server::start().await;
    for (port, path, location) in [
        (8443, "/", "https://chat.example.org:8443/"),
        (443, "/app/main.js", "https://chat.example.org/app/main.js"),
        (443, "/signal", "https://chat.example.org/signal"),
    ] {
        let (mut client, stream) = tokio::io::duplex(4096);
        let peer = signal_plane::Peer { address: None, secure: false, proxied: false, redirect: Some(port) };
        let signal = server.signal.clone();
        let serving = tokio::spawn(async move { signal.serve(stream, peer).await });
        let request = format!("GET {path} HTTP/1.1\r\nHost: chat.example.org\r\nConnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 307 "), "{answer}");
        assert!(answer.contains(&format!("location: {location}\r\n")), "{answer}");
        drop(client);
        serving.await.unwrap();
    }
}

/// The kernel forgets an answer that goes out over a request nobody has read.
#[tokio::test]
async fn who_is_turned_away_can_read_why() {
    let mut config = signal_plane::Config::default();
    config.limits.connections_max = 0;
    let server = Server::with(config).await;
    let (mut client, stream) = tokio::io::duplex(64);
    let peer = signal_plane::Peer { address: None, secure: false, proxied: false, redirect: None };
    let serving = tokio::spawn({
        let signal = server.signal.clone();
        async move { signal.serve(stream, peer).await }
    });
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "y".repeat(1000));
    let (mut reader, mut writer) = tokio::io::split(&mut client);
    let mut answer = String::new();
    let (written, read) =
        tokio::join!(writer.write_all(request.as_bytes()), reader.read_to_string(&mut answer));
    written.expect("all of the request is read");
    read.expect("the answer ends");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(client);
    serving.await.unwrap();
}
