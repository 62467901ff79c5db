//! A relay on loopback: answers come, from the address that was asked; junk gets nothing; a taken port is
//! told.

mod config;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::Instant;

use relay_plane::{Config, Relay, StartError};
use stun_wire::{AttributeType, Class, Message, MessageWriter, Method, TransactionId, decode_xor_address};

use self::config::{PATIENCE, closed};

const ID: TransactionId = TransactionId([5; 12]);

fn start(listen: &[&str], workers: usize) -> Result<Relay, StartError> {
    Relay::start(Config {
        listen: listen.iter().map(|address| address.parse().expect("an address")).collect(),
        workers,
        ..closed()
    })
}

fn client(server: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(server.ip(), 0)).expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

fn binding_request() -> Vec<u8> {
    let mut out = Vec::new();
    MessageWriter::new(&mut out, Class::Request, Method::BINDING, ID);
    out
}

fn ask(socket: &UdpSocket, server: SocketAddr, request: &[u8]) -> (Vec<u8>, SocketAddr) {
    socket.send_to(request, server).expect("sent");
    let mut buffer = [0; 2048];
    let (length, from) = socket.recv_from(&mut buffer).expect("an answer within the time limit");
    (buffer[..length].to_vec(), from)
}

/// The system gives ports of TCP and UDP out separately: this client has the number of our stream listener.
#[test]
fn a_client_may_have_the_number_of_a_tcp_port_of_ours() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let listen_streams = vec![socket.local_addr().unwrap()];
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let relay = Relay::start(Config { listen, listen_streams, ..closed() }).unwrap();
    let server = relay.listening()[0];
    let (_, from) = ask(&socket, server, &binding_request());
    assert_eq!(from, server);
    relay.stop();
}

#[test]
fn binding_is_answered_on_both_families() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let relay = start(&[listen], 2).unwrap();
        let server = relay.listening()[0];
        let socket = client(server);
        let (answer, from) = ask(&socket, server, &binding_request());
        assert_eq!(from, server);
        assert_eq!(answer.len(), if server.is_ipv4() { 32 } else { 44 });
        let message = Message::parse(&answer).unwrap();
        assert_eq!((message.class(), message.transaction_id()), (Class::Success, ID));
        let mapped = message.find(AttributeType::XOR_MAPPED_ADDRESS).unwrap();
        assert_eq!(decode_xor_address(mapped, ID), Ok(socket.local_addr().unwrap()));
        relay.stop();
    }
}

#[test]
fn row_75_answers_leave_from_the_address_that_was_asked() {
    let relay = start(&["0.0.0.0:0"], 1).unwrap();
    let port = relay.listening()[0].port();
    let socket = client("127.0.0.1:0".parse().unwrap());
    for ip in [[127, 0, 0, 1], [127, 0, 0, 2], [127, 7, 7, 7]] {
        let server = SocketAddr::from((ip, port));
        assert_eq!(ask(&socket, server, &binding_request()).1, server);
    }
}

#[test]
fn junk_gets_no_answer_and_does_no_harm() {
    let relay = start(&["127.0.0.1:0"], 1).unwrap();
    let server = relay.listening()[0];
    let socket = client(server);
    let request = binding_request();
    for end in 0..request.len() {
        socket.send_to(&request[..end], server).unwrap();
    }
    for first in 0..=255_u8 {
        socket.send_to(&[first; 100], server).unwrap();
    }
    socket.send_to(&vec![0x40; 65_000], server).unwrap();
    // Loopback keeps the order: the first thing to come back is the answer to the last thing sent.
    let (answer, _) = ask(&socket, server, &request);
    assert_eq!(Message::parse(&answer).unwrap().class(), Class::Success);
    let deadline = Instant::now() + PATIENCE;
    // 20 truncations, the empty one included, 256 first bytes and the large one.
    while relay.handle().counters().turn.drops.iter().sum::<u64>() < 277 {
        assert!(Instant::now() < deadline, "{:?}", relay.handle().counters());
        std::thread::yield_now();
    }
    assert_eq!(relay.handle().counters().turn.bindings, 1);
}

#[test]
fn a_port_in_use_is_an_error_even_if_its_holder_would_share_it() {
    let first = start(&["127.0.0.1:0"], 2).unwrap();
    let taken = first.listening()[0].to_string();
    match start(&[&taken], 2).map(drop) {
        Err(StartError::Bind { address, source }) => {
            assert_eq!(*address.expose(), first.listening()[0]);
            assert_eq!(source.kind(), io::ErrorKind::AddrInUse);
        }
        other => panic!("{other:?}"),
    }
}
