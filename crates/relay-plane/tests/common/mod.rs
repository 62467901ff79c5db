//! A relay on loopback with a `public` user, and the little that a client of it needs. Not a test.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use relay_plane::{Config, Relay};
use stun_wire::{AttributeType, Class, IntegrityKey, Message, MessageWriter, Method, TransactionId};
use turn_core::{
    AddressPolicy, AddressRange, AllocationLimits, AnswerLimits, BandwidthLimits, External,
    PasswordAlgorithm, PeerPolicy, SessionKey, StaticUser, TicketKey, WorkerId,
};

pub(crate) const ID: TransactionId = TransactionId([5; 12]);
const REALM: &str = "ginnel";
const USER: &str = "user";
const PASSWORD: &str = "known-to-this-test";
pub(crate) const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

pub(crate) fn start(icmp: bool) -> Relay {
    let all_of = |ip| AddressRange::new(ip, ip).expect("a range of one");
    Relay::start(Config {
        listen: vec![SocketAddr::new(V4, 0)],
        web: Vec::new(),
        listen_streams: Vec::new(),
        workers: 2,
        limits: AllocationLimits { per_side: 16, per_prefix: 256, total: 10_000 },
        bandwidth: BandwidthLimits::default(),
        turn: turn_core::Config {
            realm: REALM.into(),
            password_algorithms: vec![PasswordAlgorithm::Md5],
            shared_secrets: Vec::new(),
            session_key: SessionKey::new([7; 32]),
            session_peers: PeerPolicy::Partner,
            users: vec![StaticUser::new(USER, REALM, PASSWORD, PeerPolicy::Public)],
            addresses: AddressPolicy { allow: vec![all_of(V4), all_of(V6)], ..AddressPolicy::default() },
            external: [V4, V6].map(|public| External { public, local: Some(public) }).to_vec(),
            discovery: Vec::new(),
            answers: AnswerLimits { per_address_s: 0, per_prefix_s: 0 },
            relay_ports: 61_000..=65_535,
            old_channels: false,
            icmp,
            mobility: Some(TicketKey::new([9; 32])),
            lifetime_max: Duration::from_secs(3600),
            worker: WorkerId(0),
            workers: 1,
        },
    })
    .expect("a relay")
}

pub(crate) fn socket(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind(SocketAddr::new(ip, 0)).expect("a free port");
    socket.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
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
    let key = IntegrityKey::long_term_md5(USER.as_bytes(), REALM.as_bytes(), PASSWORD.as_bytes());
    writer
        .attribute(AttributeType::USERNAME, USER.as_bytes())
        .attribute(AttributeType::REALM, REALM.as_bytes())
        .attribute(AttributeType::NONCE, nonce)
        .integrity(&key);
    socket.send(&out).expect("sent");
    let answer = receive(socket).0;
    assert_eq!(Message::parse(&answer).expect("a message").class(), Class::Success);
    answer
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
