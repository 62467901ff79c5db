//! Clients find out how their NAT behaves, and nobody is flooded with the answers: RFC 5780, row 69.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stun_wire::{
    AttributeType, Class, Message, MessageWriter, Method, TransactionId, decode_address, decode_xor_address,
};
use turn_core::{
    AddressPolicy, AllocationLimits, AnswerLimits, BandwidthLimits, ClientAddr, Config, Directory, Discovery,
    Endpoint, Event, FiveTuple, ListenerId, LocalIp, Now, PeerPolicy, Server, SessionKey, Verdict, WorkerId,
};

const ID: TransactionId = TransactionId([7; 12]);
const CLIENT: &str = "198.51.100.7:40000";

/// Listeners in the order of their places; the last is none of the four.
const LISTENING: [&str; 5] =
    ["192.0.2.1:3478", "192.0.2.1:3479", "192.0.2.2:3478", "192.0.2.2:3479", "192.0.2.3:3478"];

fn server(known_as: [IpAddr; 2]) -> Server {
    let endpoint = |place: u8| {
        let local: SocketAddr = LISTENING[usize::from(place)].parse().expect("an address");
        let public = SocketAddr::new(known_as[usize::from(place / 2)], local.port());
        Endpoint { listener: ListenerId(place), local: local.ip(), public }
    };
    let config = Config {
        realm: "ginnel".into(),
        session_key: SessionKey::new([7; 32]),
        password_algorithms: Vec::new(),
        username_anonymity: false,
        session_peers: PeerPolicy::Partner,
        shared_secrets: Vec::new(),
        users: Vec::new(),
        addresses: AddressPolicy {
            answering: LISTENING.iter().map(|it| it.parse().expect("an address")).collect(),
            ..AddressPolicy::default()
        },
        external: Vec::new(),
        discovery: vec![Discovery::new([0, 1, 2, 3].map(endpoint))],
        answers: AnswerLimits::default(),
        relay_ports: 49152..=65535,
        old_channels: false,
        icmp: false,
        tcp: false,
        mobility: None,
        lifetime_max: Duration::from_secs(3600),
        worker: WorkerId(0),
        workers: 1,
    };
    let limits = AllocationLimits { per_side: 16, per_prefix: 256, total: 100 };
    let directory = Directory::new(limits, BandwidthLimits::default(), (1, 2));
    Server::new(config, Arc::new(Mutex::new(directory)), [3; 32])
}

fn plain() -> Server {
    server([[192, 0, 2, 1].into(), [192, 0, 2, 2].into()])
}

fn request(attributes: &[(AttributeType, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::new(&mut out, Class::Request, Method::BINDING, ID);
    for (kind, value) in attributes {
        writer.attribute(*kind, value);
    }
    out
}

/// The answer to a request that came to the listener at `place`: what, from where, and to whom.
struct Answer {
    message: Vec<u8>,
    from: &'static str,
    to: SocketAddr,
}

impl Answer {
    fn to(server: &mut Server, place: usize, attributes: &[(AttributeType, &[u8])]) -> Self {
        let local: SocketAddr = LISTENING[place].parse().expect("an address");
        let asked = FiveTuple {
            client: ClientAddr(CLIENT.parse().expect("an address")),
            local: LocalIp(local.ip()),
            listener: ListenerId(u8::try_from(place).expect("a place")),
        };
        let now = Now { mono: Duration::from_secs(1), unix_s: 1_800_000_000 };
        let mut reply = Vec::new();
        let (way, message) = match server.handle_client(now, asked, &request(attributes), &mut reply) {
            Verdict::Reply => (asked, reply),
            Verdict::Later => {
                assert!(reply.is_empty());
                let Some(Event::Send { to, message }) = server.poll_event() else { panic!("an answer") };
                (to, message)
            }
            _ => panic!("an answer"),
        };
        let from = LISTENING[usize::from(way.listener.0)];
        assert_eq!(from.parse::<SocketAddr>().expect("an address").ip(), way.local.0);
        Self { message, from, to: way.client.0 }
    }

    fn address(&self, kind: AttributeType) -> SocketAddr {
        decode_address(Message::parse(&self.message).expect("an answer").find(kind).expect("the attribute"))
            .expect("an address")
    }

    fn code(&self) -> Option<(u8, u8)> {
        let message = Message::parse(&self.message).expect("an answer");
        message.find(AttributeType::ERROR_CODE).map(|value| (value[2], value[3]))
    }
}

const CHANGE: AttributeType = AttributeType::CHANGE_REQUEST;

#[test]
fn all_sixteen_cells_of_the_rfcs_table_are_right() {
    let mut server = plain();
    for place in 0..4 {
        for (flags, changed) in [(0_u8, 0), (2, 1), (4, 2), (6, 3)] {
            let answer = Answer::to(&mut server, place, &[(CHANGE, &[0, 0, 0, flags])]);
            assert_eq!(answer.from, LISTENING[place ^ changed], "asked at {place}, flags {flags}");
            assert_eq!(answer.to, CLIENT.parse().unwrap());
            assert_eq!(answer.address(AttributeType::RESPONSE_ORIGIN), answer.from.parse().unwrap());
            let other = LISTENING[place ^ 3].parse().unwrap();
            assert_eq!(answer.address(AttributeType::OTHER_ADDRESS), other);
            let message = Message::parse(&answer.message).unwrap();
            let mapped = message.find(AttributeType::XOR_MAPPED_ADDRESS).unwrap();
            assert_eq!(decode_xor_address(mapped, ID), Ok(CLIENT.parse().unwrap()));
        }
    }
}

#[test]
fn behind_a_nat_the_public_addresses_are_told() {
    let mut server = server([[203, 0, 113, 1].into(), [203, 0, 113, 2].into()]);
    let answer = Answer::to(&mut server, 1, &[(CHANGE, &[0, 0, 0, 4])]);
    assert_eq!(answer.from, "192.0.2.2:3479");
    assert_eq!(answer.address(AttributeType::RESPONSE_ORIGIN), "203.0.113.2:3479".parse().unwrap());
    assert_eq!(answer.address(AttributeType::OTHER_ADDRESS), "203.0.113.2:3478".parse().unwrap());
}

#[test]
fn an_address_without_a_partner_answers_as_if_there_were_no_discovery() {
    let mut server = plain();
    assert_eq!(Answer::to(&mut server, 4, &[]).message.len(), 32);
    let refused = Answer::to(&mut server, 4, &[(CHANGE, &[0, 0, 0, 6])]);
    assert_eq!((refused.code(), refused.message.len()), (Some((4, 20)), 28));
}

#[test]
fn row_69_another_port_is_one_of_the_same_address_and_no_service() {
    let mut server = plain();
    let port = |port: u16| port.to_be_bytes();
    let asked =
        |server: &mut Server, value: &[u8]| Answer::to(server, 0, &[(AttributeType::RESPONSE_PORT, value)]);
    let answer = asked(&mut server, &port(50_000));
    assert_eq!(answer.to, "198.51.100.7:50000".parse().unwrap());
    assert_eq!(answer.message.len(), 56);
    assert_eq!(asked(&mut server, &port(40_000)).to, CLIENT.parse().unwrap());
    for refused in [0, 1, 53, 123, 1023, 1900, 5060, 11211] {
        let answer = asked(&mut server, &port(refused));
        assert_eq!((answer.code(), answer.to), (Some((4, 0)), CLIENT.parse().unwrap()), "{refused}");
    }
    for malformed in [&[][..], &[1], &[1, 2, 3], &[0; 8]] {
        assert_eq!(asked(&mut server, malformed).code(), Some((4, 0)), "{malformed:?}");
    }
}

#[test]
fn row_69_padding_is_never_longer_than_the_request() {
    let mut server = plain();
    for bytes in [0_usize, 1, 4, 28, 32, 33, 36, 40, 100, 1500, 9000] {
        let padding = vec![0xAA; bytes];
        let asked = request(&[(AttributeType::PADDING, &padding)]);
        let answer = Answer::to(&mut server, 0, &[(AttributeType::PADDING, &padding)]);
        let padded = Message::parse(&answer.message).unwrap().find(AttributeType::PADDING).is_some();
        let expected = if padded { asked.len() } else { 56 };
        assert_eq!(answer.message.len(), expected, "{bytes}");
        assert_eq!(padded, asked.len() >= 56 + 4, "{bytes}");
    }
    let both = [(AttributeType::PADDING, &[0; 100][..]), (AttributeType::RESPONSE_PORT, &[0xC3, 0x50])];
    assert_eq!(Answer::to(&mut server, 0, &both).code(), Some((4, 0)));
}

#[test]
fn rows_63_and_69_every_answer_is_of_56_bytes_or_as_long_as_its_request() {
    let mut server = plain();
    for place in 0..4 {
        assert_eq!(Answer::to(&mut server, place, &[]).message.len(), 56);
        for flags in 0..=255 {
            let answer = Answer::to(&mut server, place, &[(CHANGE, &[0, 0, 0, flags])]);
            assert_eq!(answer.message.len(), 56);
        }
    }
    for malformed in [&[][..], &[6], &[0, 6], &[0; 8]] {
        let answer = Answer::to(&mut server, 0, &[(CHANGE, malformed)]);
        assert_eq!((answer.code(), answer.message.len()), (Some((4, 0)), 28), "{malformed:?}");
    }
}
