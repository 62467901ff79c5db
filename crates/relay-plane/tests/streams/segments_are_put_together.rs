//! However a stream is cut into segments, the answers are the same (row 120).

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{bare_allocate, binding};
use crate::server::{Server, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn row_120_three_messages_cut_anywhere_get_the_same_answers() {
    let server = Server::start();
    let requests = [binding(), bare_allocate(), binding()].concat();
    for cut in 0..=requests.len() {
        let mut stream = TcpStream::connect(server.tcp).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let client = stream.local_addr().unwrap();
        for part in [&requests[..cut], &requests[cut..]] {
            stream.write_all(part).await.unwrap();
            // Otherwise the server would find both in one read.
            soon(async {
                while unread(server.tcp, client) > 0 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
        stream.shutdown().await.unwrap();
        let mut answers = Vec::new();
        soon(stream.read_to_end(&mut answers)).await.unwrap();
        assert_eq!(without_what_differs(&mut answers, client), expected(), "cut at {cut}");
    }
}

/// Bytes that have come to one end of a connection and were not read there (proc_pid_net(5)).
fn unread(at: SocketAddr, from: SocketAddr) -> u64 {
    let written = |address: SocketAddr| {
        let SocketAddr::V4(address) = address else { panic!("the server listens on IPv4") };
        format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port())
    };
    let (at, from) = (written(at), written(from));
    let sockets = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let socket = sockets.lines().map(fields).find(|fields| fields[1] == at && fields[2] == from);
    let queues = socket.expect("the connection is open")[4].clone();
    u64::from_str_radix(queues.split(':').nth(1).unwrap(), 16).unwrap()
}

/// Takes out the client's port and the nonce, which have been looked at.
fn without_what_differs(answers: &mut [u8], client: SocketAddr) -> Vec<u8> {
    assert_eq!(answers.len(), 32 + 60 + 32);
    for start in [0, 92] {
        let port = &mut answers[start + 26..start + 28];
        // RFC 8489 §14.2: X-Port is the port and the first half of the magic cookie.
        assert_eq!(u16::from_be_bytes([port[0], port[1]]) ^ 0x2112, client.port());
        port.fill(0);
    }
    let nonce = answers[32..92].windows(4).position(|it| it == [0x00, 0x15, 0, 16]).expect("a nonce");
    answers[32 + nonce + 4..32 + nonce + 20].fill(0);
    answers.to_vec()
}

/// A mapped address, a challenge, and the address again.
fn expected() -> Vec<u8> {
    let header = |kind: [u8; 2], length: u8, id: u8| {
        [&kind[..], &[0, length, 0x21, 0x12, 0xa4, 0x42], &[id; 12]].concat()
    };
    let address = [0x00, 0x20, 0, 8, 0, 1, 0, 0, 0x7f ^ 0x21, 0x12, 0xa4, 0x01 ^ 0x42];
    let mapped = [header([0x01, 0x01], 12, 9), address.to_vec()].concat();
    let realm = crate::config::REALM.as_bytes();
    let padded = realm.len().next_multiple_of(4);
    let mut challenge = header([0x01, 0x13], 8 + 4 + padded as u8 + 20, 8);
    challenge.extend([0x00, 0x09, 0, 4, 0, 0, 4, 1]);
    challenge.extend([0x00, 0x14, 0, realm.len() as u8]);
    challenge.extend(realm);
    challenge.resize(20 + 8 + 4 + padded, 0);
    challenge.extend([0x00, 0x15, 0, 16]);
    challenge.extend([0; 16]);
    [mapped.clone(), challenge, mapped].concat()
}
