//! A relay on loopback with a `public` user, and the little that a client of it needs. Not a test.

#[path = "../config/mod.rs"]
mod config;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use relay_plane::{Config, Relay};
use stun_wire::{AttributeType, Class, IntegrityKey, Message, MessageWriter, Method, TransactionId};
use turn_core::{
    AddressPolicy, AddressRange, External, PasswordAlgorithm, PeerPolicy, Rules, StaticUser, TicketKey,
};

use self::config::closed;
pub(crate) use self::config::{PATIENCE, REALM};

pub(crate) const ID: TransactionId = TransactionId([5; 12]);
pub(crate) const USER: &str = "user";
pub(crate) const PASSWORD: &str = "known-to-this-test";
pub(crate) const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// On a socket that is open already, or on one of its own.
pub(crate) fn start(inherited: Option<UdpSocket>, icmp: bool) -> Relay {
    let listen = inherited.as_ref().map_or(SocketAddr::new(V4, 0), |it| it.local_addr().expect("bound"));
    let all_of = |ip| AddressRange::new(ip, ip).expect("a range of one");
    Relay::start(Config {
        listen: vec![listen],
        inherited: inherited.into_iter().collect(),
        turn: turn_core::Config {
            password_algorithms: vec![PasswordAlgorithm::Md5],
            users: vec![StaticUser::new(USER, REALM, PASSWORD, PeerPolicy::Public)],
            addresses: AddressPolicy {
                rules: Rules { allow: vec![all_of(V4), all_of(V6)], ..Rules::default() },
                ..AddressPolicy::default()
            },
            external: [V4, V6].map(|public| External { public, local: Some(public) }).to_vec(),
            relay_ports: 61_000..=65_535,
            icmp,
            mobility: Some(TicketKey::new([9; 32])),
            ..closed().turn
        },
        ..closed()
    })
    .expect("a relay")
}

pub(crate) fn socket(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(ip, 0)).expect("a free port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    socket
}

pub(crate) fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; 65_536];
    let (length, from) = socket.recv_from(&mut buffer).expect("a datagram within the time limit");
    buffer.truncate(length);
    (buffer, from)
}

/// Asks with credentials; the answer is a success.
pub(crate) fn ask(
    socket: &UdpSocket,
    nonce: &[u8],
    method: Method,
    fill: impl FnOnce(&mut MessageWriter<'_>),
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::new(&mut out, Class::Request, method, ID);
    fill(&mut writer);
    authenticate(writer, nonce);
    socket.send(&out).expect("sent");
    let answer = receive(socket).0;
    assert_eq!(Message::parse(&answer).expect("a message").class(), Class::Success);
    answer
}

/// Ends a request with credentials.
pub(crate) fn authenticate(mut writer: MessageWriter<'_>, nonce: &[u8]) {
    let key = IntegrityKey::long_term_md5(USER.as_bytes(), REALM.as_bytes(), PASSWORD.as_bytes());
    writer
        .attribute(AttributeType::USERNAME, USER.as_bytes())
        .attribute(AttributeType::REALM, REALM.as_bytes())
        .attribute(AttributeType::NONCE, nonce)
        .integrity(&key);
}

pub(crate) fn nonce(socket: &UdpSocket) -> Vec<u8> {
    let mut out = Vec::new();
    MessageWriter::new(&mut out, Class::Request, Method::ALLOCATE, ID)
        .attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    socket.send(&out).expect("sent");
    let challenge = receive(socket).0;
    let challenge = Message::parse(&challenge).expect("a message");
    challenge.find(AttributeType::NONCE).expect("a nonce").to_vec()
}
