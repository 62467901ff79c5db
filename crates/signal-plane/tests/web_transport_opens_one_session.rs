//! Rows 142 to 145 over HTTP/3: who gets no session, who gets one, and nobody gets two.

use match_core::limits::MESSAGE_BYTES_MAX;
use serde_json::json;
use signal_plane::{Config, Refusal};
use web_transport_proto::{ConnectError, ConnectResponse};

use crate::common::Server;
use crate::common::quic::Quic;

/// A request as bytes, with whatever fields, in the plainest encoding there is (RFC 9204 §4.5.6).
fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut section = vec![0, 0];
    for (name, value) in fields {
        number(0x20, 3, name.len(), &mut section);
        section.extend_from_slice(name.as_bytes());
        number(0, 7, value.len(), &mut section);
        section.extend_from_slice(value.as_bytes());
    }
    let mut frame = vec![0x01];
    frame.extend_from_slice(&(0x8000_0000 | section.len() as u32).to_be_bytes());
    frame.append(&mut section);
    frame
}

/// A number behind so many bits of a byte (RFC 7541 §5.1).
fn number(flags: u8, bits: u8, mut value: usize, out: &mut Vec<u8>) {
    let full = (1 << bits) - 1;
    if value < full {
        return out.push(flags | value as u8);
    }
    out.push(flags | full as u8);
    value -= full;
    while value >= 128 {
        out.push(128 | (value & 127) as u8);
        value >>= 7;
    }
    out.push(value as u8);
}

fn status(answer: &Result<ConnectResponse, ConnectError>) -> u16 {
    match answer {
        Ok(response) => response.status.as_u16(),
        Err(ConnectError::WrongStatus(Some(status))) => status.as_u16(),
        other => panic!("an answer with a status, not {other:?}"),
    }
}

async fn named() -> (Server, Quic) {
    let config = Config { names: vec!["localhost".into()], ..Config::default() };
    let server = Server::with(config).await;
    let quic = Quic::serve(&server.signal);
    (server, quic)
}

#[tokio::test]
async fn row_143_what_is_no_session_of_ours_gets_its_status() {
    let (server, quic) = named().await;
    let here = format!("localhost:{}", quic.address.port());
    let connect = [(":method", "CONNECT"), (":scheme", "https")];
    let target = [(":authority", here.as_str()), (":path", "/signal")];
    let with = |protocol| [connect.as_slice(), &target, &[(":protocol", protocol)]].concat();
    let get = [(":method", "GET"), (":scheme", "https"), target[0], (":path", "/")];
    let long = "x".repeat(16 * 1024);
    let http3 = quic.http3().await;
    for (fields, expected) in [
        (get.to_vec(), 405),
        ([connect.as_slice(), &target].concat(), 400),
        (with("websocket"), 400),
        (with("WebTransport"), 400),
        (connect.to_vec(), 400),
        ([connect.as_slice(), &[target[0], (":path", "/"), (":protocol", "webtransport")]].concat(), 404),
        ([connect.as_slice(), &[target[0], (":path", "/x"), (":protocol", "webtransport")]].concat(), 404),
        (
            [&[(":authority", "evil.example")], &with("webtransport")[..2], &with("webtransport")[3..]]
                .concat(),
            421,
        ),
        (
            [&[(":authority", "a@localhost")], &with("webtransport")[..2], &with("webtransport")[3..]]
                .concat(),
            400,
        ),
        ([with("webtransport").as_slice(), &[("x", long.as_str())]].concat(), 431),
    ] {
        let (_, _, answer) = http3.ask_in_bytes(&headers(&fields)).await;
        assert_eq!(status(&answer), expected, "{:?}", &fields[..fields.len().min(5)]);
    }
    // The connection is as good as before.
    let (_, _, answer) = http3.ask_in_bytes(&headers(&with("webtransport"))).await;
    assert_eq!(status(&answer), 200);
    let refused = server.signal.counters();
    assert_eq!(refused.refusals_total[Refusal::UnknownHost as usize], 1);
}

#[tokio::test]
async fn row_144_the_origin_is_judged_as_that_of_a_websocket() {
    let (server, quic) = named().await;
    for (origin, expected) in [
        (Some("https://evil.example"), 403),
        (Some("null"), 403),
        (Some("http://localhost"), 403),
        (Some("https://localhost"), 403),
        (None, 200),
    ] {
        let mut request = quic.request("/signal");
        request.headers.remove("origin");
        origin.map(|origin| request.headers.insert("origin", origin.parse().unwrap()));
        let (_, _, answer) = quic.http3().await.ask(&request).await;
        assert_eq!(status(&answer), expected, "{origin:?}");
    }
    assert_eq!(server.signal.counters().refusals_total[Refusal::Origin as usize], 4);
}

#[tokio::test]
async fn row_143_a_connection_has_one_session_however_often_it_asks() {
    let (server, quic) = named().await;
    let http3 = quic.http3().await;
    let (send, _capsules, answer) = http3.ask(&quic.request("/signal")).await;
    assert_eq!(status(&answer), 200);
    let mut stream = http3.stream(http3.id(&send)).await;
    // Who says hello may stay however long all of this takes.
    let hello = json!({"t": "hello", "v": 1}).to_string();
    let length = (hello.len() as u32).to_be_bytes();
    stream.0.write_all(&[&length, hello.as_bytes()].concat()).await.unwrap();
    server.counts("a session", |counters| counters.matcher.connections == 1).await;
    for _ in 0..100 {
        let (_, _, answer) = http3.ask(&quic.request("/signal")).await;
        assert_eq!(status(&answer), 429);
    }
    assert_eq!(server.signal.counters().matcher.connections, 1);
    // Nor does a second stream of the session get anywhere, nor does it go on for ever.
    for _ in 0..28 {
        let (stream, _) = http3.stream(http3.id(&send)).await;
        let _ = stream.stopped().await;
    }
    assert_eq!(http3.hear_close().await, 0x107);
    server.counts("no session", |counters| counters.matcher.connections == 0).await;
}

#[tokio::test]
async fn row_142_a_broken_rule_of_http3_ends_the_connection_with_its_code() {
    let (_server, quic) = named().await;
    for (bytes, code) in [
        // Unidirectional: a second control stream, a push stream, a second encoder stream, a flood of it.
        (&b"\x00\x04\x00"[..], 0x103),
        (b"\x01\x00", 0x103),
        (b"\x02", 0x103),
    ] {
        let http3 = quic.http3().await;
        let mut first = http3.connection.open_uni().await.unwrap();
        first.write_all(b"\x02").await.unwrap();
        let mut stream = http3.connection.open_uni().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        assert_eq!(http3.hear_close().await, code, "{bytes:?}");
    }
    for (control, code) in [(&b"\x04\x00"[..], 0x105), (b"\x00\x00", 0x105), (b"\x21\xbf\xff\xff\xff", 0x107)]
    {
        let mut http3 = quic.http3().await;
        http3.control.write_all(control).await.unwrap();
        assert_eq!(http3.hear_close().await, code, "{control:?}");
    }
    for (first, code) in [(&b"\x00\x21\x00\x01\x00"[..], 0x10a), (b"\x00\x04\x01\x40", 0x106)] {
        let connection = quic.connect("h3").await;
        let mut control = connection.open_uni().await.unwrap();
        control.write_all(first).await.unwrap();
        let http3 = crate::common::quic::Http3 { connection, control };
        assert_eq!(http3.hear_close().await, code, "{first:?}");
    }
    for (request, code) in [
        // A reference into the dynamic table, frames that begin no request, half a request.
        (&b"\x01\x03\x01\x00\x80"[..], 0x200),
        (b"\x00\x01x", 0x105),
        (b"\x04\x00", 0x105),
    ] {
        let http3 = quic.http3().await;
        let (mut send, _recv) = http3.connection.open_bi().await.unwrap();
        send.write_all(request).await.unwrap();
        assert_eq!(http3.hear_close().await, code, "{request:?}");
    }
    let http3 = quic.http3().await;
    let (_send, _recv, answer) = http3.ask(&quic.request("/signal")).await;
    assert_eq!(status(&answer), 200);
    let _other = http3.stream(web_transport_proto::VarInt::from_u32(64)).await;
    assert_eq!(http3.hear_close().await, 0x108);
}

#[tokio::test]
async fn row_142_streams_that_we_do_not_know_and_datagrams_change_nothing() {
    let (_server, quic) = named().await;
    let mut client = quic.web_transport().await;
    for kind in [0x21_u8, 0x3f] {
        let mut stream = client.connection.open_uni().await.unwrap();
        stream.write_all(&[kind, 1, 2, 3]).await.unwrap();
        assert!(stream.stopped().await.unwrap().is_some(), "it is not read");
    }
    for _ in 0..1_000 {
        client.connection.send_datagram_wait(vec![7; 1_000].into()).await.unwrap();
    }
    client.greet().await;
    assert!(client.connection.open_uni().await.is_ok());
}

#[tokio::test]
async fn row_145_nothing_is_taken_before_the_handshake_is_over() {
    let (_server, quic) = named().await;
    assert!(!quic.may_speak_early().await);
}

#[tokio::test]
async fn a_message_may_be_as_large_as_over_a_websocket() {
    let (_server, quic) = named().await;
    let mut client = quic.web_transport().await;
    client.greet().await;
    let overhead = json!({"t": "join", "room": ""}).to_string().len();
    client.say(json!({"t": "join", "room": "x".repeat(MESSAGE_BYTES_MAX - overhead)})).await;
    assert_eq!(client.hear_a("error").await["code"], "no-room");
}
