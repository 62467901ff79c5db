//! How many bytes come back to somebody who proved nothing, for every form of request and both families,
//! measured on the server itself. Not how often: budgets are lifted. relay.md §3; RFC 8489 §9.2.4.

use sim::{Outcome, Request, Setup, Signature, World};
use stun_wire::{AttributeType, Class, IntegrityKey, MessageWriter, Method, TransactionId};

use crate::discovery;

/// One form of request, asked from one family.
pub struct Measured {
    /// What is asked.
    pub form: &'static str,
    /// Whether over IPv6.
    pub ipv6: bool,
    /// Bytes of the request.
    pub request_bytes: usize,
    /// Bytes of the answer; 0 for silence.
    pub answer_bytes: usize,
    /// The most that the answer may be.
    pub bound: Bound,
}

impl Measured {
    /// Bytes that come back for each that is sent.
    pub fn ratio(&self) -> f64 {
        self.answer_bytes as f64 / self.request_bytes as f64
    }

    /// The bound in bytes for this request.
    pub fn bytes_max(&self) -> usize {
        match self.bound {
            Bound::Binding if self.ipv6 => 44,
            Bound::Binding => 32,
            Bound::Challenge => 60,
            Bound::Discovery if self.ipv6 => self.request_bytes.max(92),
            Bound::Discovery => self.request_bytes.max(56),
            Bound::Request => self.request_bytes,
            Bound::Error => 28,
            Bound::Silence => 0,
        }
    }
}

/// What limits an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A Binding success: 32 bytes, 44 over IPv6.
    Binding,
    /// A 401 with realm and nonce: 60 bytes.
    Challenge,
    /// A Binding success where NAT behaviour discovery is on: 56 bytes, 92 over IPv6, or as long as a padded
    /// request.
    Discovery,
    /// A 438: no more than was sent.
    Request,
    /// Any other error: 28 bytes.
    Error,
    /// Nothing at all.
    Silence,
}

/// Asks everything from both families.
///
/// # Panics
/// Where a stranger's datagram is forwarded or answered later.
pub fn measure() -> Vec<Measured> {
    let mut world = World::with(Setup::new(1));
    let mut out = Vec::new();
    for (ipv6, from) in [(false, "198.18.0.1:5000"), (true, "[2001:db8:7::1]:5000")] {
        let from = from.parse().expect("an address of this file");
        for (form, datagram, bound) in forms() {
            let answer_bytes = match world.knock(from, &datagram) {
                Outcome::Reply(reply) => reply.len(),
                Outcome::Drop(_) => 0,
                Outcome::Forward { .. } | Outcome::Later => panic!("{form}: a stranger is not served"),
            };
            out.push(Measured { form, ipv6, request_bytes: datagram.len(), answer_bytes, bound });
        }
        out.extend(discovery::measure(ipv6));
    }
    out
}

type Form = (&'static str, Vec<u8>, Bound);

fn forms() -> Vec<Form> {
    let mut out = bindings();
    out.extend(without_credentials());
    out.extend(with_bad_credentials());
    out.extend(never_answered());
    out
}

fn bindings() -> Vec<Form> {
    let binding = || Request::bare(Method::BINDING);
    let unknown = AttributeType(0x7777);
    let many = (0..60).fold(binding(), |it, _| it.with(unknown, b""));
    vec![
        ("Binding", write(&binding()), Bound::Binding),
        ("Binding, FINGERPRINT", fingerprinted(), Bound::Binding),
        ("Binding, SOFTWARE of 500 bytes", write(&padded(Method::BINDING)), Bound::Binding),
        ("Binding, CHANGE-REQUEST", write(&binding().with(AttributeType(3), &[0, 0, 0, 6])), Bound::Error),
        ("Binding, RESPONSE-PORT", write(&binding().with(AttributeType(0x27), &[1, 2, 0, 0])), Bound::Error),
        ("Binding, PADDING", write(&binding().with(AttributeType(0x26), &[0; 500])), Bound::Error),
        ("Binding, one attribute unknown", write(&binding().with(unknown, b"")), Bound::Error),
        ("Binding, 60 attributes unknown", write(&many), Bound::Error),
    ]
}

fn without_credentials() -> Vec<Form> {
    let bare = |method| write(&Request::bare(method));
    let many = (0..60).fold(Request::allocate(), |it, _| it.with(AttributeType(0x7777), b""));
    let family = Request::allocate().family(2);
    vec![
        ("Allocate", bare(Method::ALLOCATE), Bound::Silence),
        (
            "Allocate, 24 bytes",
            write(&Request::bare(Method::ALLOCATE).with(AttributeType::SOFTWARE, b"")),
            Bound::Silence,
        ),
        ("Allocate, transport", write(&Request::allocate()), Bound::Challenge),
        ("Allocate, transport and family", write(&family), Bound::Challenge),
        ("Allocate, SOFTWARE of 500 bytes", write(&padded(Method::ALLOCATE)), Bound::Challenge),
        ("Allocate, 60 attributes unknown", write(&many), Bound::Challenge),
        ("Refresh", bare(Method::REFRESH), Bound::Silence),
        ("Refresh, SOFTWARE of 500 bytes", write(&padded(Method::REFRESH)), Bound::Silence),
        ("CreatePermission", bare(Method::CREATE_PERMISSION), Bound::Silence),
        (
            "CreatePermission, SOFTWARE of 500 bytes",
            write(&padded(Method::CREATE_PERMISSION)),
            Bound::Silence,
        ),
        ("ChannelBind", bare(Method::CHANNEL_BIND), Bound::Silence),
        ("ChannelBind, SOFTWARE of 500 bytes", write(&padded(Method::CHANNEL_BIND)), Bound::Silence),
    ]
}

fn with_bad_credentials() -> Vec<Form> {
    let forged = |method, username, nonce| {
        let signature = Signature {
            username: vec![b'u'; username],
            password: b"guess".to_vec(),
            realm: b"ginnel".to_vec(),
            nonce: vec![b'A'; nonce],
            algorithms: None,
        };
        Request::bare(method).write(ID, Some(&signature))
    };
    let mut unnamed = Vec::new();
    let key = IntegrityKey::short_term(b"guess");
    MessageWriter::new(&mut unnamed, Class::Request, Method::REFRESH, ID).integrity(&key);
    vec![
        ("Allocate, stale nonce of 0 bytes", forged(Method::ALLOCATE, 4, 0), Bound::Request),
        ("Allocate, stale nonce of 16 bytes", forged(Method::ALLOCATE, 4, 16), Bound::Request),
        ("Allocate, stale nonce of 763 bytes", forged(Method::ALLOCATE, 4, 763), Bound::Request),
        ("Allocate, nonce of 764 bytes", forged(Method::ALLOCATE, 4, 764), Bound::Error),
        ("Allocate, user name of 509 bytes", forged(Method::ALLOCATE, 509, 16), Bound::Error),
        ("Refresh, stale nonce of 0 bytes", forged(Method::REFRESH, 0, 0), Bound::Request),
        ("Refresh, stale nonce of 16 bytes", forged(Method::REFRESH, 4, 16), Bound::Request),
        ("CreatePermission, stale nonce", forged(Method::CREATE_PERMISSION, 4, 16), Bound::Request),
        ("ChannelBind, stale nonce", forged(Method::CHANNEL_BIND, 4, 16), Bound::Request),
        ("Refresh, signed by nobody", unnamed, Bound::Error),
    ]
}

fn never_answered() -> Vec<Form> {
    let peer = "9.9.9.9:5000".parse().expect("an address of this file");
    let send = Request::bare(Method::SEND).peer(peer).with(AttributeType::DATA, &[0; 100]);
    let mut wrong_cookie = write(&Request::bare(Method::BINDING));
    wrong_cookie[4] ^= 1;
    let mut wrong_fingerprint = fingerprinted();
    wrong_fingerprint[27] ^= 1;
    let mut wrong_length = write(&Request::allocate());
    wrong_length[3] += 4;
    vec![
        ("Send indication", send.write_as(Class::Indication, ID, None), Bound::Silence),
        ("Send as a request", write(&send), Bound::Silence),
        ("Connect", write(&Request::bare(Method::new(0x00A)).peer(peer)), Bound::Silence),
        ("a method nobody knows", write(&padded(Method::new(0x7FF))), Bound::Silence),
        (
            "a Binding success",
            Request::bare(Method::BINDING).write_as(Class::Success, ID, None),
            Bound::Silence,
        ),
        ("an Allocate error", Request::allocate().write_as(Class::Error, ID, None), Bound::Silence),
        ("ChannelData", [&[0x40, 0, 0, 100][..], &[0; 100]].concat(), Bound::Silence),
        ("Binding, wrong cookie", wrong_cookie, Bound::Silence),
        ("Binding, wrong FINGERPRINT", wrong_fingerprint, Bound::Silence),
        ("Allocate, wrong length", wrong_length, Bound::Silence),
        ("like a ClientHello of DTLS", [&[22, 0xFE, 0xFD][..], &[0; 200]].concat(), Bound::Silence),
        ("1,200 bytes of 0xFF", vec![0xFF; 1200], Bound::Silence),
    ]
}

fn write(request: &Request) -> Vec<u8> {
    request.write(ID, None)
}

fn padded(method: Method) -> Request {
    Request::bare(method).with(AttributeType::SOFTWARE, &[b'x'; 500])
}

fn fingerprinted() -> Vec<u8> {
    let mut out = Vec::new();
    MessageWriter::new(&mut out, Class::Request, Method::BINDING, ID).fingerprint();
    out
}

const ID: TransactionId = TransactionId([9; 12]);
