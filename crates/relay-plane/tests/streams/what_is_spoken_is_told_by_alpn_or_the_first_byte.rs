//! On the shared port TURN and HTTP are told apart by ALPN, or by the first byte where none was offered.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{Wire, binding, tls};
use crate::server::{Server, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn turn_is_known_by_alpn_and_by_its_first_byte() {
    let server = Server::start();
    for protocols in [&[][..], &[b"stun.turn".as_slice()], &[b"stun.nat-discovery"]] {
        for at in [server.tls, server.web] {
            let mut wire = Wire::stream(tls(&server, at, protocols).await.unwrap());
            wire.send(&binding()).await;
            assert_eq!(wire.receive().await.unwrap().len(), 32);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_is_known_by_alpn_and_by_its_first_byte() {
    let mut server = Server::start();
    for protocols in [&[][..], &[b"http/1.1".as_slice()]] {
        let mut stream = tls(&server, server.web, protocols).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        stream.flush().await.unwrap();
        let mut handed_over = soon(server.http.recv()).await.unwrap();
        let mut request = [0; 16];
        soon(handed_over.stream.read_exact(&mut request)).await.unwrap();
        assert_eq!(&request, b"GET / HTTP/1.1\r\n");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_of_turn_alone_refuses_other_protocols_in_the_handshake() {
    let server = Server::start();
    assert!(tls(&server, server.tls, &[b"http/1.1"]).await.is_err());
    assert!(tls(&server, server.web, &[b"h2"]).await.is_err());
}
