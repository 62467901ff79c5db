//! A shared port on loopback: STUN is answered, what is QUIC comes out where QUIC is read, and what is sent
//! there leaves from the address that was reached.

mod config;

use std::future::poll_fn;
use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use quinn::AsyncUdpSocket as _;
use quinn::udp::{RecvMeta, Transmit};
use relay_plane::{Config, QuicSocket, Relay};
use stun_wire::{Class, Message, MessageWriter, Method, TransactionId};

use self::config::{PATIENCE, closed};

fn start(web: &str) -> (Relay, Arc<QuicSocket>) {
    let mut relay = Relay::start(Config { web: vec![web.parse().expect("an address")], ..closed() })
        .expect("a relay on loopback");
    let quic = relay.take_quic().pop().expect("one address, one socket");
    (relay, Arc::new(quic))
}

fn client(ip: &str) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

/// The next QUIC datagram, and where it came from and to.
async fn next(quic: &QuicSocket) -> (Vec<u8>, RecvMeta) {
    let (mut bytes, mut metas) = ([0; 1_500], [RecvMeta::default()]);
    let received = poll_fn(|cx| quic.poll_recv(cx, &mut [IoSliceMut::new(&mut bytes)], &mut metas));
    let filled = tokio::time::timeout(PATIENCE, received).await.expect("a datagram in time");
    assert_eq!(filled.expect("a queue does not fail"), 1);
    (bytes[..metas[0].len].to_vec(), metas[0])
}

#[tokio::test]
async fn each_first_byte_finds_its_reader() {
    let (relay, quic) = start("0.0.0.0:0");
    let port = relay.listening()[0].port();
    let socket = client("127.0.0.1");
    // The address that answers must be the one that was asked, on a machine that has many.
    let server = SocketAddr::from(([127, 0, 0, 7], port));
    for first in 0..=255_u8 {
        socket.send_to(&[first; 30], server).unwrap();
        if matches!(first, 64..=127 | 192..=255) {
            let (datagram, meta) = next(&quic).await;
            assert_eq!(datagram, [first; 30]);
            assert_eq!(meta.addr, socket.local_addr().unwrap());
            assert_eq!(meta.dst_ip, Some(server.ip()));
        }
    }
    let mut request = Vec::new();
    MessageWriter::new(&mut request, Class::Request, Method::BINDING, TransactionId([5; 12]));
    socket.send_to(&request, server).unwrap();
    let mut buffer = [0; 2048];
    let (length, from) = socket.recv_from(&mut buffer).expect("STUN is answered");
    assert_eq!(from, server);
    assert_eq!(Message::parse(&buffer[..length]).unwrap().class(), Class::Success);

    let destination = socket.local_addr().unwrap();
    let transmit = Transmit {
        destination,
        ecn: None,
        contents: &[9; 25],
        segment_size: Some(10),
        src_ip: Some(server.ip()),
    };
    quic.try_send(&transmit).expect("sent");
    for length in [10, 10, 5] {
        assert_eq!(socket.recv_from(&mut buffer).expect("a datagram of the burst"), (length, server));
    }
}

#[tokio::test]
async fn what_nobody_reads_is_dropped_and_counted_and_stun_goes_on() {
    let (relay, quic) = start("127.0.0.1:0");
    let server = relay.listening()[0];
    let socket = client("127.0.0.1");
    let deadline = Instant::now() + PATIENCE;
    // Reading nothing, so that the queue fills however slowly the kernel delivers.
    while relay.handle().counters().io.quic_drops == 0 {
        assert!(Instant::now() < deadline, "{:?}", relay.handle().counters());
        for _ in 0..64 {
            socket.send_to(&[0x40; 1_200], server).unwrap();
        }
        socket.send_to(&[0xc0; 1_501], server).unwrap();
    }
    let mut request = Vec::new();
    MessageWriter::new(&mut request, Class::Request, Method::BINDING, TransactionId([5; 12]));
    socket.send_to(&request, server).unwrap();
    assert_eq!(socket.recv_from(&mut [0; 64]).expect("STUN is answered").1, server);
    assert_eq!(next(&quic).await.0.len(), 1_200);
}
