//! Row 17 with the binary and real sockets: a deny rule that a reload adds stops what runs against it at
//! once, in both directions, for clients on UDP and TCP and for TCP allocations; a file that cannot be used
//! changes nothing, and says why. Row 12: so does where the services are that ginnel asks itself.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;

use stun_wire::{
    AttributeType, ChannelNumber, Class, ErrorCode, IntegrityKey, Message, MessageWriter, Method,
    TransactionId, decode_xor_address, write_channel_data_header,
};

use crate::common::{Folder, PATIENCE, Serving, ginnel, until};

const PASSWORD: &str = "not-a-guess-4711";
const UDP: [u8; 4] = [17, 0, 0, 0];
const TCP: [u8; 4] = [6, 0, 0, 0];
/// What the first rule closes, and what it does not.
const CLOSED: &str = "127.0.0.2:0";
const OPEN: &str = "127.0.0.3:0";

#[test]
fn row_17_a_rule_that_a_reload_adds_stops_what_runs() {
    let folder = Folder::new();
    folder.write("password", PASSWORD, 0o600);
    let file = configure(&folder, "");
    let file = file.to_str().unwrap();
    // One worker reads and sends in the order in which things come.
    let mut serving = Serving::start(ginnel(&["serve", "--config", file]).env("GINNEL_SERVER_WORKERS", "1"));
    serving.until_told("Open ");
    let udp = Line::udp(SocketAddr::from(([127, 0, 0, 1], port_of(&serving, "listen.turn ", "udp"))));
    let tcp = SocketAddr::from(([127, 0, 0, 1], port_of(&serving, "listen.turn ", "tcp")));
    let mut calls = [Call::begin(udp), Call::begin(Line::tcp(tcp))];
    let mut connected = Connected::begin(tcp);
    for call in &mut calls {
        call.runs_with(0);
        call.runs_with(1);
    }
    connected.runs();

    configure(&folder, "\"127.0.0.2\"");
    serving.signal("HUP");
    serving.until_logged("new rules about addresses are in use");
    for call in &mut calls {
        // The worker may still be reading what came before.
        until(|| call.bind(0) == Some(ErrorCode::Forbidden));
        call.has_stopped_with(0);
        call.runs_with(1);
    }
    connected.is_over();

    // The first address of a network was meant, or one address; it could be either.
    configure(&folder, "\"127.0.0.2/8\"");
    serving.signal("HUP");
    let logged = serving.until_logged("the rules in use stay");
    let logged = logged.last().unwrap();
    for said in [file, "relay.deny: ", "has bits set behind its prefix length; write the network's first"] {
        assert!(logged.contains(said), "{said} is not in {logged}");
    }
    for call in &mut calls {
        call.has_stopped_with(0);
        call.runs_with(1);
    }

    configure(&folder, "");
    serving.signal("HUP");
    serving.until_logged("new rules about addresses are in use");
    for call in &mut calls {
        until(|| call.bind(0).is_none());
        call.runs_with(0);
    }
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(0));
}

#[test]
fn row_12_what_is_asked_for_keys_is_no_peer_though_its_host_is_allowed() {
    let folder = Folder::new();
    folder.write("password", PASSWORD, 0o600);
    // Nobody answers there, which is not what this is about. By name it is found a moment later.
    for (host, at) in [("127.0.0.2", CLOSED), ("localhost", "127.0.0.1:0")] {
        let (back_end, beside) = (udp(at), udp(at));
        let port = back_end.local_addr().unwrap().port();
        let text = std::fs::read_to_string(configure(&folder, "")).unwrap();
        let jwt = format!(
            "[match]\nadmission = \"jwt\"\n[match.jwt]\naudience = [\"a\"]\n\
             keys_url = \"https://{host}:{port}/\"\n"
        );
        let file = folder.write("ginnel.toml", &format!("{text}{jwt}"), 0o600);
        let mut serving = Serving::start(&mut ginnel(&["serve", "--config", file.to_str().unwrap()]));
        serving.until_told("Open ");
        let server = SocketAddr::from(([127, 0, 0, 1], port_of(&serving, "listen.turn ", "udp")));
        if host == "localhost" {
            serving.until_logged("services that are asked here are closed to peers");
        }
        let mut call = Call { holder: Holder::begin(Line::udp(server), UDP), peers: [back_end, beside] };
        assert_eq!([call.bind(0), call.bind(1)], [Some(ErrorCode::Forbidden), None], "{host}");
    }
}

#[test]
fn what_a_reload_does_not_take_over_is_named() {
    let folder = Folder::new();
    folder.write("password", PASSWORD, 0o600);
    let file = configure(&folder, "");
    let mut serving = Serving::start(&mut ginnel(&["serve", "--config", file.to_str().unwrap()]));
    serving.until_told("Open ");
    let text = std::fs::read_to_string(&file).unwrap().replace("realm = \"one\"", "realm = \"two\"");
    folder.write("ginnel.toml", &text, 0o600);
    serving.signal("HUP");
    serving.until_logged("the rules about addresses have not changed");
    let logged = serving.until_logged("which takes a restart");
    assert!(logged.last().unwrap().contains("relay.realm"), "{logged:?}");
}

fn configure(folder: &Folder, deny: &str) -> PathBuf {
    let text = format!(
        "[relay]\nrealm = \"one\"\nallow = [\"127.0.0.0/8\"]\ndeny = [{deny}]\nports = \"61000-65535\"\n\
         user = [{{ name = \"a\", password_file = \"password\", peers = \"public\", tcp = true }}]\n"
    );
    folder.write("ginnel.toml", &text, 0o600)
}

fn port_of(serving: &Serving, key: &str, transport: &str) -> u16 {
    let line = serving.told.iter().find(|line| line.contains(key) && line.contains(transport)).unwrap();
    line.split("port ").nth(1).unwrap().split('/').next().unwrap().parse().unwrap()
}

/// A client's way to the server, by datagrams or by a stream.
enum Line {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Line {
    fn udp(server: SocketAddr) -> Self {
        let socket = udp("127.0.0.1:0");
        socket.connect(server).unwrap();
        Self::Udp(socket)
    }

    fn tcp(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::Tcp(stream)
    }

    fn say(&mut self, frame: &[u8]) {
        match self {
            Self::Udp(socket) => assert_eq!(socket.send(frame).unwrap(), frame.len()),
            Self::Tcp(stream) => stream.write_all(frame).unwrap(),
        }
    }

    /// The next frame: a STUN message or ChannelData of whole words.
    fn hear(&mut self) -> Vec<u8> {
        let mut frame = vec![0; 1_500];
        match self {
            Self::Udp(socket) => {
                let length = socket.recv(&mut frame).expect("a frame in time");
                frame.truncate(length);
            }
            Self::Tcp(stream) => {
                stream.read_exact(&mut frame[..4]).expect("a frame in time");
                let length = usize::from(u16::from_be_bytes([frame[2], frame[3]]));
                frame.truncate(if frame[0] < 4 { 20 } else { 4 } + length);
                stream.read_exact(&mut frame[4..]).unwrap();
            }
        }
        frame
    }
}

/// The holder of an allocation.
struct Holder {
    line: Line,
    nonce: Vec<u8>,
    asked: u8,
    relayed: SocketAddr,
}

impl Holder {
    fn begin(mut line: Line, transport: [u8; 4]) -> Self {
        let nonce = challenged(&mut line, Method::ALLOCATE);
        let mut holder = Self { line, nonce, asked: 1, relayed: SocketAddr::from(([0; 4], 0)) };
        let granted = holder.ask(Method::ALLOCATE, |writer| {
            writer.attribute(AttributeType::REQUESTED_TRANSPORT, &transport);
        });
        let granted = Message::parse(&granted).unwrap();
        let relayed = granted.find(AttributeType::XOR_RELAYED_ADDRESS).unwrap();
        holder.relayed = decode_xor_address(relayed, granted.transaction_id()).unwrap();
        holder
    }

    fn ask(&mut self, method: Method, fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
        self.asked += 1;
        self.line.say(&signed(method, self.asked, &self.nonce, fill));
        self.line.hear()
    }
}

/// A client with a channel to each of two peers.
struct Call {
    holder: Holder,
    peers: [UdpSocket; 2],
}

impl Call {
    fn begin(line: Line) -> Self {
        let mut call = Self { holder: Holder::begin(line, UDP), peers: [CLOSED, OPEN].map(udp) };
        assert_eq!([call.bind(0), call.bind(1)], [None, None]);
        call
    }

    fn bind(&mut self, peer: usize) -> Option<ErrorCode> {
        let address = self.peers[peer].local_addr().unwrap();
        let answer = self.holder.ask(Method::CHANNEL_BIND, |writer| {
            writer
                .attribute(AttributeType::CHANNEL_NUMBER, &[0x40, peer as u8, 0, 0])
                .xor_address(AttributeType::XOR_PEER_ADDRESS, address);
        });
        let answer = Message::parse(&answer).unwrap();
        (answer.class() == Class::Error).then(|| {
            let value = answer.find(AttributeType::ERROR_CODE).unwrap();
            assert_eq!(value[2..], [4, 3]);
            ErrorCode::Forbidden
        })
    }

    /// What either says is the next thing that the other hears.
    fn runs_with(&mut self, peer: usize) {
        let frame = channel_data(peer, b"ping");
        self.holder.line.say(&frame);
        let mut heard = [0; 16];
        let (length, from) = self.peers[peer].recv_from(&mut heard).expect("a payload in time");
        assert_eq!((&heard[..length], from), (&b"ping"[..], self.holder.relayed));
        self.peers[peer].send_to(b"ping", self.holder.relayed).unwrap();
        assert_eq!(self.holder.line.hear(), frame);
    }

    /// Neither hears the other: what comes after it by the same way comes first.
    fn has_stopped_with(&mut self, peer: usize) {
        self.holder.line.say(&channel_data(peer, b"lost"));
        self.peers[peer].send_to(b"lost", self.holder.relayed).unwrap();
        self.runs_with(1 - peer);
        self.peers[peer].set_nonblocking(true).unwrap();
        assert!(self.peers[peer].recv(&mut [0; 16]).is_err());
        self.peers[peer].set_nonblocking(false).unwrap();
    }
}

/// A TCP allocation, a connection of it and the peer's end.
struct Connected {
    _holder: Holder,
    data: TcpStream,
    peer: TcpStream,
}

impl Connected {
    fn begin(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(CLOSED).unwrap();
        let mut holder = Holder::begin(Line::tcp(server), TCP);
        let answer = holder.ask(Method::CONNECT, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, listener.local_addr().unwrap());
        });
        let answer = Message::parse(&answer).unwrap();
        let id = answer.find(AttributeType::CONNECTION_ID).unwrap();
        let peer = listener.accept().unwrap().0;
        let mut line = Line::tcp(server);
        let nonce = challenged(&mut line, Method::CONNECTION_BIND);
        line.say(&signed(Method::CONNECTION_BIND, 2, &nonce, |writer| {
            writer.attribute(AttributeType::CONNECTION_ID, id);
        }));
        assert_eq!(Message::parse(&line.hear()).unwrap().class(), Class::Success);
        let Line::Tcp(data) = line else { unreachable!("made so above") };
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { _holder: holder, data, peer }
    }

    fn runs(&mut self) {
        let mut heard = [0; 4];
        self.data.write_all(b"ping").unwrap();
        self.peer.read_exact(&mut heard).unwrap();
        self.peer.write_all(&heard).unwrap();
        self.data.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"ping");
    }

    /// Both ends are told.
    fn is_over(&mut self) {
        for end in [&mut self.data, &mut self.peer] {
            let read = end.read(&mut [0; 1]);
            assert!(
                read.as_ref().map_or_else(|it| it.kind() != std::io::ErrorKind::WouldBlock, |it| *it == 0)
            );
        }
    }
}

/// Asks without credentials; the nonce of the challenge.
fn challenged(line: &mut Line, method: Method) -> Vec<u8> {
    let mut out = Vec::new();
    MessageWriter::new(&mut out, Class::Request, method, TransactionId([1; 12]))
        .attribute(AttributeType::REQUESTED_TRANSPORT, &UDP);
    line.say(&out);
    Message::parse(&line.hear()).unwrap().find(AttributeType::NONCE).unwrap().to_vec()
}

fn signed(method: Method, id: u8, nonce: &[u8], fill: impl FnOnce(&mut MessageWriter<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = MessageWriter::new(&mut out, Class::Request, method, TransactionId([id; 12]));
    fill(&mut writer);
    writer
        .attribute(AttributeType::USERNAME, b"a")
        .attribute(AttributeType::REALM, b"one")
        .attribute(AttributeType::NONCE, nonce)
        .integrity(&IntegrityKey::long_term_md5(b"a", b"one", PASSWORD.as_bytes()));
    out
}

fn channel_data(peer: usize, payload: &[u8; 4]) -> Vec<u8> {
    let mut out = Vec::new();
    write_channel_data_header(&mut out, ChannelNumber::new(0x4000 + peer as u16).unwrap(), 4);
    out.extend_from_slice(payload);
    out
}

fn udp(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}
