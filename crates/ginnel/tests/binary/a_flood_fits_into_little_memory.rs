//! Row 101: with next to no memory beyond what it has when idle, a flood of strangers and of allocations does
//! not end the process: who comes too late is told so (508), and everybody else is served.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;

use stun_wire::{AttributeType, Class, IntegrityKey, Message, MessageWriter, Method, TransactionId};

use crate::common::{Folder, PATIENCE, Serving, get, ginnel};

const SOURCES: u32 = 20_000;
/// Datagrams between two questions: fewer than a socket's buffer holds.
const BURST: u32 = 64;
const ALLOCATIONS: usize = 64;
/// What it may map beyond what it has mapped when idle.
const SPARE_BYTES: u64 = 8 << 20;
const REQUESTED: [u8; 4] = [17, 0, 0, 0];
const PASSWORD: &str = "not-a-guess-4711";

#[test]
fn row_101_a_flood_under_a_limit_of_memory_ends_nothing() {
    let folder = Folder::new();
    folder.write("password", PASSWORD, 0o600);
    let content = format!(
        "[server]\nworkers = 1\n[relay]\nuser = [{{ name = \"a\", password_file = \"password\" }}]\n\
         [relay.limits]\nallocations = {ALLOCATIONS}\n"
    );
    let file = folder.write("ginnel.toml", &content, 0o600);
    let mut serving = Serving::start(&mut ginnel(&["serve", "--config", file.to_str().unwrap()]));
    serving.until_told("Open ");
    let server = SocketAddr::from(([127, 0, 0, 1], serving.port("listen.turn")));
    let limit = serving.memory_bytes("VmSize") + SPARE_BYTES;
    let idle = serving.memory_bytes("RssAnon");
    let limited = Command::new("prlimit")
        .args([format!("--as={limit}:{limit}"), format!("--pid={}", serving.id())])
        .status();
    assert!(limited.expect("prlimit; install it: apt-get install util-linux").success());
    for number in 0..SOURCES {
        let socket = UdpSocket::bind((Ipv4Addr::from_bits(0x7F10_0000 + number), 0)).unwrap();
        socket.send_to(&hostile(number), server).unwrap();
        if number.is_multiple_of(BURST) {
            assert_eq!(Client::new(server, number / BURST).ask(Method::BINDING, None).1, None);
        }
    }
    let codes: Vec<_> =
        (0..2 * ALLOCATIONS as u32).map(|n| Client::new(server, 1_000 + n).allocate()).collect();
    assert_eq!(codes[..ALLOCATIONS], [None; ALLOCATIONS]);
    assert_eq!(codes[ALLOCATIONS..], [Some(508); ALLOCATIONS]);
    assert!(get(serving.port("listen.admin"), "/readyz").starts_with("HTTP/1.1 200 "));
    let grown = serving.memory_bytes("RssAnon").saturating_sub(idle);
    assert!(grown < SPARE_BYTES, "{grown} bytes more than when idle");
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(0));
}

/// A stranger's datagram of several kinds, no two alike.
fn hostile(number: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut id = [0; 12];
    id[..4].copy_from_slice(&number.to_be_bytes());
    if number % 4 == 3 {
        return number.wrapping_mul(0x9E37_79B9).to_be_bytes().repeat(50);
    }
    let method = if number.is_multiple_of(4) { Method::BINDING } else { Method::ALLOCATE };
    let mut writer = MessageWriter::new(&mut out, Class::Request, method, TransactionId(id));
    writer.attribute(AttributeType::REQUESTED_TRANSPORT, &REQUESTED);
    if number % 4 == 2 {
        writer
            .attribute(AttributeType::USERNAME, b"a")
            .attribute(AttributeType::REALM, b"ginnel")
            .attribute(AttributeType::NONCE, format!("{number:016x}").as_bytes())
            .integrity(&IntegrityKey::short_term(b"wrong"));
    }
    out
}

/// Somebody in a network of its own, so that no budget of answers is shared.
struct Client(UdpSocket);

impl Client {
    fn new(server: SocketAddr, number: u32) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::from_bits(0x7F80_0001 + (number << 8)), 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(server).unwrap();
        Self(socket)
    }

    /// Allocates as somebody who has the password; the error code, if any.
    fn allocate(&self) -> Option<u16> {
        let (challenge, code) = self.ask(Method::ALLOCATE, None);
        assert_eq!(code, Some(401));
        let nonce = Message::parse(&challenge).unwrap().find(AttributeType::NONCE).unwrap().to_vec();
        self.ask(Method::ALLOCATE, Some(&nonce)).1
    }

    fn ask(&self, method: Method, nonce: Option<&[u8]>) -> (Vec<u8>, Option<u16>) {
        let mut out = Vec::new();
        let id = TransactionId([if nonce.is_some() { 2 } else { 1 }; 12]);
        let mut writer = MessageWriter::new(&mut out, Class::Request, method, id);
        if method == Method::ALLOCATE {
            writer.attribute(AttributeType::REQUESTED_TRANSPORT, &REQUESTED);
        }
        if let Some(nonce) = nonce {
            writer
                .attribute(AttributeType::USERNAME, b"a")
                .attribute(AttributeType::REALM, b"ginnel")
                .attribute(AttributeType::NONCE, nonce)
                .integrity(&IntegrityKey::long_term_md5(b"a", b"ginnel", PASSWORD.as_bytes()));
        }
        self.0.send(&out).unwrap();
        let mut answer = vec![0; 1_500];
        let length = self.0.recv(&mut answer).expect("an answer in time");
        answer.truncate(length);
        let code = Message::parse(&answer)
            .unwrap()
            .find(AttributeType::ERROR_CODE)
            .map(|value| u16::from(value[2]) * 100 + u16::from(value[3]));
        (answer, code)
    }
}
