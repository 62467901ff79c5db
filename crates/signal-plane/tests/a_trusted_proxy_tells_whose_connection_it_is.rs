//! The limits count by what a trusted proxy says of a client's address; what anybody else says is nothing.

use signal_plane::{AddressHeader, Config, Limits, Proxies};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;

use crate::common::{Client, PATIENCE, Server};

#[tokio::test]
async fn and_each_client_has_limits_of_its_own() {
    let server = Server::with(config("127.0.0.1")).await;
    let first = opened(&server, "203.0.113.5").await;
    // The client itself wrote the first of the two.
    assert_eq!(opened(&server, "198.51.100.7, 203.0.113.5").await.err(), Some(503));
    let _other = opened(&server, "203.0.113.5, 198.51.100.7").await.unwrap();
    // Who is not told of is one person like any other.
    let _unknown = [opened(&server, "unknown").await.unwrap(), opened(&server, "unknown").await.unwrap()];
    drop(first);
    let place = async { while opened(&server, "203.0.113.5").await.is_err() {} };
    timeout(PATIENCE, place).await.expect("the place is free again");
}

#[tokio::test]
async fn but_not_who_is_no_proxy() {
    let server = Server::with(config("192.0.2.1")).await;
    let _first = opened(&server, "203.0.113.5").await.unwrap();
    assert_eq!(
        server.raw(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n").await[..12],
        *"HTTP/1.1 503"
    );
}

async fn opened(server: &Server, forwarded: &str) -> Result<Client, u16> {
    let headers = [("sec-websocket-protocol", "ginnel.1"), ("x-forwarded-for", forwarded)];
    server.try_open(&headers).await.map_err(|error| match error {
        Error::Http(response) => response.status().as_u16(),
        error => panic!("{error}"),
    })
}

fn config(proxy: &str) -> Config {
    let proxy = proxy.parse().expect("an address of this file");
    Config {
        proxies: Proxies::new(AddressHeader::XForwardedFor, vec![proxy..=proxy]),
        limits: Limits { connections_per_prefix_max: 1, ..Limits::default() },
        ..Config::default()
    }
}
