//! NAT behaviour discovery over real sockets: an answer leaves by the address and port that was asked for,
//! whichever worker made it.

mod config;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use relay_plane::{Config, Relay};
use stun_wire::{AttributeType, Class, Message, MessageWriter, Method, TransactionId, decode_address};
use turn_core::{Discovery, Endpoint, ListenerId};

use self::config::closed;

/// A port of two addresses that nobody has at the moment.
fn free_port(ips: [&str; 2]) -> u16 {
    let of = |ip: &str, port: u16| UdpSocket::bind(format!("{ip}:{port}"));
    let free = (0..100).find_map(|_| {
        let first = of(ips[0], 0).ok()?;
        let port = first.local_addr().ok()?.port();
        of(ips[1], port).ok().map(|_| port)
    });
    free.expect("a port that is free on both addresses")
}

fn start(listen: [SocketAddr; 4]) -> Relay {
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
    .expect("a relay on four loopback endpoints")
}

#[test]
fn each_of_the_four_is_asked_for_each_of_the_four() {
    let ips = ["127.0.0.1", "127.0.0.2"];
    let ports = [free_port(ips), free_port(ips)];
    let listen: [SocketAddr; 4] = [(0, 0), (0, 1), (1, 0), (1, 1)]
        .map(|(ip, port)| format!("{}:{}", ips[ip], ports[port]).parse().unwrap());
    let relay = start(listen);
    // Several clients, so that several workers are asked.
    for _ in 0..8 {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
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
