//! NAT behaviour discovery over real sockets: an answer leaves by the address and port that was asked for,
//! whichever worker made it.

mod config;

use std::net::{SocketAddr, UdpSocket};

use relay_plane::{Config, Relay, StartError};
use stun_wire::{AttributeType, Class, Message, MessageWriter, Method, TransactionId, decode_address};
use turn_core::{Discovery, Endpoint, ListenerId};

use self::config::{PATIENCE, closed};

/// On two ports of two addresses that are free on both.
fn started() -> (Relay, [SocketAddr; 4]) {
    let ips = ["127.0.0.1", "127.0.0.2"];
    let of = |ip: &str, port: u16| UdpSocket::bind(format!("{ip}:{port}"));
    // Somebody else may get what was free a moment ago.
    let started = (0..100).find_map(|_| {
        let two = [of(ips[0], 0).ok()?, of(ips[0], 0).ok()?];
        let ports = two.map(|socket| socket.local_addr().expect("bound").port());
        let listen = [(0, 0), (0, 1), (1, 0), (1, 1)]
            .map(|(ip, port)| format!("{}:{}", ips[ip], ports[port]).parse().expect("an address"));
        start(listen).ok().map(|relay| (relay, listen))
    });
    started.expect("a relay on four loopback endpoints")
}

fn start(listen: [SocketAddr; 4]) -> Result<Relay, StartError> {
    let endpoint = |place: u8| {
        let address = listen[usize::from(place)];
        Endpoint { listener: ListenerId(place), local: address.ip(), public: address }
    };
    Relay::start(Config {
        listen: listen.to_vec(),
        workers: 3,
        turn: turn_core::Config {
            discovery: vec![Discovery::new([0, 1, 2, 3].map(endpoint))],
            ..closed().turn
        },
        ..closed()
    })
}

#[test]
fn each_of_the_four_is_asked_for_each_of_the_four() {
    let (relay, listen) = started();
    // Several clients, so that several workers are asked.
    for _ in 0..8 {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        for (place, asked) in listen.into_iter().enumerate() {
            for (flags, changed) in [(0_u8, 0), (2, 1), (4, 2), (6, 3)] {
                let id = TransactionId([flags; 12]);
                let mut request = Vec::new();
                MessageWriter::new(&mut request, Class::Request, Method::BINDING, id)
                    .attribute(AttributeType::CHANGE_REQUEST, &[0, 0, 0, flags]);
                client.send_to(&request, asked).unwrap();
                let mut buffer = [0; 2048];
                let (length, from) = client.recv_from(&mut buffer).expect("an answer in time");
                assert_eq!(from, listen[place ^ changed]);
                let answer = Message::parse(&buffer[..length]).unwrap();
                let address = |kind| decode_address(answer.find(kind).unwrap()).unwrap();
                assert_eq!(address(AttributeType::RESPONSE_ORIGIN), from);
                assert_eq!(address(AttributeType::OTHER_ADDRESS), listen[place ^ 3]);
            }
        }
    }
    relay.stop();
}
