//! Malformed JSON twice is forgiven; oversize, binary and broken frames are not.

use futures_util::SinkExt as _;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::Message;

use crate::common::Server;

#[tokio::test]
async fn the_third_malformed_message_closes() {
    let server = Server::start().await;
    let mut client = server.greeted().await;
    for _ in 0..2 {
        client.text("{not json").await;
        assert_eq!(client.hear_error("bad-json").await.get("fatal"), None);
    }
    client.say(json!({"t": "dance"})).await;
    client.hear_error("bad-message").await;
    client.text("[]").await;
    assert_eq!(client.hear_error("bad-json").await["fatal"], true);
    assert_eq!(client.hear_close().await, 1008);
}

#[tokio::test]
async fn a_frame_over_32_kib_is_too_large() {
    let server = Server::start().await;
    let mut client = server.greeted().await;
    client.text(&format!("{{\"t\":\"cancel\"}}{}", " ".repeat(32 * 1024 - 14))).await;
    client.hear_error("bad-state").await;
    client.text(&" ".repeat(32 * 1024 + 1)).await;
    assert_eq!(client.hear_error("too-large").await["fatal"], true);
    assert_eq!(client.hear_close().await, 1009);
    server
        .counts("it is counted", |all| all.refusals().any(|(r, n)| r.label() == "too-large" && n == 1))
        .await;
}

#[tokio::test]
async fn a_binary_frame_is_refused() {
    let server = Server::start().await;
    let mut client = server.greeted().await;
    client.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(client.hear_error("bad-message").await["fatal"], true);
    assert_eq!(client.hear_close().await, 1003);
}

#[tokio::test]
async fn row_127_frames_outside_the_rfc() {
    let server = Server::start().await;
    for (frame, code) in [
        (&b"\x81\x02hi"[..], 1002),                              // unmasked
        (b"\xc1\x80\0\0\0\0", 1002),                             // RSV1
        (b"\x83\x80\0\0\0\0", 1002),                             // reserved opcode
        (&[&b"\x89\xfe\x00\x7e"[..], &[0; 130]].concat(), 1002), // control frame of 126 bytes
        (b"\x09\x80\0\0\0\0", 1002),                             // fragmented control frame
        (b"\x80\x80\0\0\0\0", 1002),                             // continuation of nothing
        (b"\x81\xff\x40\0\0\0\0\0\0\0\0\0\0\0", 1009),           // 2^62 bytes claimed
        (b"\x81\x81\0\0\0\0\xff", 1007),                         // not UTF-8
    ] {
        let mut client = server.greeted().await;
        client.socket.get_mut().write_all(frame).await.unwrap();
        assert_eq!(client.hear_close().await, code, "{frame:?}");
    }
}

#[tokio::test]
async fn row_127_frames_of_every_form_of_length() {
    let server = Server::start().await;
    let mut client = server.greeted().await;
    let cancel = r#"{"t":"cancel"}"#;
    for bytes in [14, 15, 124, 125, 126, 127, 128, 1023, 1024, 1025, 4096, 32_767, 32_768] {
        client.text(&format!("{cancel}{}", " ".repeat(bytes - cancel.len()))).await;
        client.hear_error("bad-state").await;
    }
    for bytes in [32_769, 65_535, 65_536, 1 << 20] {
        let mut client = server.greeted().await;
        // It may be closed before all of it is written.
        let _ = client.socket.send(Message::text(" ".repeat(bytes))).await;
        assert_eq!(client.hear_error("too-large").await["fatal"], true);
        assert_eq!(client.hear_close().await, 1009, "{bytes}");
    }
}

#[tokio::test]
async fn row_128_text_cut_inside_a_character_and_odd_closes() {
    let server = Server::start().await;
    let close = |code: u16| {
        let [high, low] = code.to_be_bytes();
        vec![0x88, 0x82, 0, 0, 0, 0, high, low]
    };
    for (frames, code) in [
        // The two halves of a character are one message, and no JSON.
        (b"\x01\x81\0\0\0\0\xc3\x80\x81\0\0\0\0\xbc".to_vec(), None),
        (b"\x01\x81\0\0\0\0\xc3\x80\x81\0\0\0\0x".to_vec(), Some(1007)),
        (b"\x01\x81\0\0\0\0\xc3\x80\x80\0\0\0\0".to_vec(), Some(1007)),
        (b"\x88\x81\0\0\0\0\x03".to_vec(), Some(1002)),
        (close(999), Some(1002)),
        (close(1005), Some(1002)),
        (close(1006), Some(1002)),
    ] {
        let mut client = server.greeted().await;
        client.socket.get_mut().write_all(&frames).await.unwrap();
        match code {
            Some(code) => assert_eq!(client.hear_close().await, code, "{frames:?}"),
            None => drop(client.hear_error("bad-json").await),
        }
    }
}

#[tokio::test]
async fn hello_must_come_in_time() {
    let server = Server::start().await;
    let mut client = server.open().await;
    assert_eq!(client.hear_error("not-greeted").await["fatal"], true);
    assert_eq!(client.hear_close().await, 1008);
}

#[tokio::test]
async fn row_129_fragments_without_end() {
    let server = Server::start().await;
    let mut client = server.greeted().await;
    let hello = b"{\"t\":\"cancel\"}";
    let fragment =
        |first: u8, byte: &[u8]| [&[first, 0x80 | byte.len() as u8, 0, 0, 0, 0][..], byte].concat();
    let mut message = fragment(0x01, &hello[..1]);
    message.extend(hello[1..].iter().flat_map(|byte| fragment(0x00, &[*byte])));
    message.extend(fragment(0x80, b""));
    client.socket.get_mut().write_all(&message).await.unwrap();
    client.hear_error("bad-state").await;
    let endless = [fragment(0x01, b""), fragment(0x00, b"").repeat(1000)].concat();
    client.socket.get_mut().write_all(&endless).await.unwrap();
    assert_eq!(client.hear_close().await, 1008);
}
