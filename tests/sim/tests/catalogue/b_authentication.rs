//! B. Authentication, nonces and integrity: what each kind of request is answered whose proof is bent.

use sim::{ClientId, DropReason, Outcome, PeerPolicy, Request, Side, Signature, World};
use stun_wire::{AttributeType, TransactionId};

use self::Answer::{Code, Granted, Nothing, Silence};
use crate::people::{WAYS, Way, holder, setup, somebody};
use crate::table;

table! { run;
    row_26_no_proof_at_all =>
        [case(|tried| Written { signature: None, ..tried.signed_by(tried.own.clone()) }, &UNPROVED)];
    row_26_an_empty_name_and_an_empty_password => [case(|tried| {
        tried.signed_by(Signature { username: Vec::new(), password: Vec::new(), ..tried.own.clone() })
    }, &WRONG)];
    row_27_a_wrong_byte_anywhere => (1..=20).map(|from_end| bent(from_end, &WRONG));
    row_28_integrity_of_another_length =>
        [0, 16, 19, 21, 31, 33].map(|bytes| instead(AttributeType::MESSAGE_INTEGRITY, bytes, &ILLEGAL));
    row_28_integrity_that_is_cut =>
        [0, 4, 12, 31, 33].map(|bytes| instead(AttributeType::MESSAGE_INTEGRITY_SHA256, bytes, &ILLEGAL));
    row_28_integrity_that_is_cut_as_the_rfc_allows =>
        [16, 28, 32].map(|bytes| instead(AttributeType::MESSAGE_INTEGRITY_SHA256, bytes, &WRONG));
    row_28_a_second_one_that_is_wrong => [
        appended(AttributeType::MESSAGE_INTEGRITY, &[0; 20], &SIGNED),
        appended(AttributeType::MESSAGE_INTEGRITY_SHA256, &[0; 32], &WRONG),
        appended(AttributeType::MESSAGE_INTEGRITY_SHA256, &[0; 16], &WRONG),
    ];
    row_29_what_is_appended_behind_integrity => [
        appended(AttributeType::LIFETIME, &[0; 4], &SIGNED),
        appended(AttributeType::USERNAME, b"somebody else", &SIGNED),
        appended(AttributeType::XOR_PEER_ADDRESS, &[0; 8], &SIGNED),
        appended(AttributeType::CHANNEL_NUMBER, &[0x40, 0, 0, 0], &SIGNED),
        appended(AttributeType::NONCE, b"", &SIGNED),
        appended(AttributeType(0x7FFF), b"required, and unknown", &SIGNED),
    ];
    row_31_names_that_are_and_that_are_not => NAMES.map(|name| guessed(name.as_bytes(), &WRONG));
    row_33_the_nonce_of_somebody_else => [case(|tried| {
        tried.signed_by(Signature { nonce: tried.others.nonce.clone(), ..tried.own.clone() })
    }, &STALE)];
    row_34_flipped_bits_of_a_nonce => (0..16).map(|at| case(move |tried| {
        let mut signature = tried.own.clone();
        signature.nonce[at] ^= 1;
        tried.signed_by(signature)
    }, &STALE));
    row_34_nonces_of_every_length => [
        (0, &STALE), (1, &STALE), (15, &STALE), (17, &STALE), (127, &STALE), (128, &STALE), (763, &STALE),
        (764, &BAD),
    ].map(|(length, said)| case(move |tried| {
        tried.signed_by(Signature { nonce: vec![b'A'; length], ..tried.own.clone() })
    }, said));
    row_36_other_credentials_that_are_good => [
        case(|tried| tried.signed_by(tried.others.clone()).replaced_nonce(tried), &OTHERS),
    ];
    row_36_ones_own_key_under_another_name => [case(|tried| {
        tried.signed_by(Signature { username: tried.others.username.clone(), ..tried.own.clone() })
    }, &WRONG)];
    row_37_expiries_of_every_form => EXPIRIES.map(|name| guessed(name.as_bytes(), &WRONG));
    row_40_names_of_every_content => [
        &b"%s%n"[..], b"a\r\nb", b"\x1B[2J", b"\xFF\xFE\x80", "\u{202E}resu".as_bytes(), b"a\0b",
    ].map(|name| guessed(name, &WRONG));
    row_40_names_of_every_length => [
        (0, &WRONG), (1, &WRONG), (507, &WRONG), (508, &WRONG), (509, &BAD), (513, &BAD), (763, &BAD),
        (60_000, &BAD),
    ].map(|(length, said)| guessed(&vec![b'u'; length], said));
    row_41_what_other_ways_to_authenticate_bring => [
        with(AttributeType(0x802F), b"https://example.org", &SIGNED),
        with(AttributeType(0x802E), b"a server of tokens", &SIGNED),
        with(AttributeType(0x001B), &[0xFF; 200], &UNKNOWN),
    ];
    row_104_a_nonce_that_is_made_up_and_the_right_password => [case(|tried| {
        tried.signed_by(Signature { nonce: b"AAAAAAAAAAAAAAAA".to_vec(), ..tried.own.clone() })
    }, &STALE)];
}

/// A way to bend a request, and what is answered.
struct Case {
    write: Box<dyn Fn(&Tried<'_>) -> Written>,
    said: &'static Said,
}

/// What is answered to an Allocate where an allocation is, and to every other request.
struct Said {
    allocate: Answer,
    others: Answer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Granted,
    Code(u16),
    /// It is no legal message.
    Nothing,
    /// It proves nothing, and does not begin anything.
    Silence,
}

const SIGNED: Said = Said { allocate: Code(437), others: Granted };
const OTHERS: Said = Said { allocate: Code(437), others: Code(441) };
const WRONG: Said = Said { allocate: Code(401), others: Code(401) };
const STALE: Said = Said { allocate: Code(438), others: Code(438) };
const BAD: Said = Said { allocate: Code(400), others: Code(400) };
const UNKNOWN: Said = Said { allocate: Code(420), others: Code(420) };
const UNPROVED: Said = Said { allocate: Code(401), others: Silence };
const ILLEGAL: Said = Said { allocate: Nothing, others: Nothing };

/// One request, and the ways to sign it.
struct Tried<'a> {
    request: &'a Request,
    own: &'a Signature,
    /// Of somebody with other good credentials, elsewhere.
    others: &'a Signature,
}

impl Tried<'_> {
    fn signed_by(&self, signature: Signature) -> Written {
        Written { request: self.request.clone(), signature: Some(signature), bend: Box::new(|_| {}) }
    }
}

/// Changes what was written already.
type Bend = Box<dyn Fn(&mut Vec<u8>)>;

/// What goes onto the wire.
struct Written {
    request: Request,
    signature: Option<Signature>,
    bend: Bend,
}

impl Written {
    /// The same with the nonce of the client that it is sent from.
    fn replaced_nonce(mut self, tried: &Tried<'_>) -> Self {
        if let Some(signature) = &mut self.signature {
            signature.nonce.clone_from(&tried.own.nonce);
        }
        self
    }

    fn bent(mut self, bend: impl Fn(&mut Vec<u8>) + 'static) -> Self {
        self.bend = Box::new(bend);
        self
    }

    fn bytes(&self, id: u8) -> Vec<u8> {
        let mut bytes = self.request.write(TransactionId([id; 12]), self.signature.as_ref());
        (self.bend)(&mut bytes);
        bytes
    }
}

/// Sends it in the place of every request that there is, from a client that has what the request is about.
fn run(case: &Case) {
    for way in WAYS {
        let peer = "9.9.9.9:5000".parse().expect("an address");
        let requests = [
            Request::allocate(),
            Request::refresh(600),
            Request::permit(&[peer]),
            Request::bind(0x4000, peer),
        ];
        let mut world = World::with(setup(1));
        let client = holder(&mut world, PeerPolicy::Public, way, (1, Side::A), 1);
        let others = others(&mut world);
        for (id, request) in (100..).zip(&requests) {
            let said = if id == 100 { case.said.allocate } else { case.said.others };
            check(&mut world, client, &others, request, (case, id, said));
        }
        if way == Way::Stream {
            let client = somebody(&mut world, PeerPolicy::Public, way, (1, Side::A));
            assert_eq!(world.refusal(client, Request::allocate_tcp()), None);
            let (peer, request) = (world.echo("9.9.9.9:8000"), Request::connect(peer));
            let request = if case.said.others == Granted { Request::connect(peer) } else { request };
            check(&mut world, client, &others, &request, (case, 120, case.said.others));
        }
        assert!(world.relay().counters().allocations > 0, "nothing that was bent deletes");
    }
}

/// Somebody else with a nonce, an allocation and good credentials.
fn others(world: &mut World) -> Signature {
    let other = holder(world, PeerPolicy::Appliance, Way::Ipv4, (2, Side::B), 1);
    world.of(other).signature().expect("it was challenged").clone()
}

fn check(
    world: &mut World,
    client: ClientId,
    others: &Signature,
    request: &Request,
    (case, id, said): (&Case, u8, Answer),
) {
    let own = world.of(client).signature().expect("it was challenged").clone();
    let written = (case.write)(&Tried { request, own: &own, others });
    let from = world.address(client);
    let outcome = world.knock(from, &written.bytes(id));
    let answer = match &outcome {
        // The answer to a Connect comes by itself; section A reads it.
        Outcome::Later => Granted,
        Outcome::Drop(DropReason::BadMessage) => Nothing,
        Outcome::Drop(DropReason::Unauthenticated) => Silence,
        Outcome::Reply(_) => outcome.code().map_or(Granted, Code),
        other => panic!("{other:?}"),
    };
    assert_eq!(answer, said, "request {id}");
    if let (Code(401), Outcome::Reply(reply)) = (answer, outcome) {
        // Row 31: whatever was wrong, it is told like a wrong password.
        let guess = Signature { password: b"guess".to_vec(), ..own };
        let wrong = world.knock(from, &request.write(TransactionId([id; 12]), Some(&guess)));
        assert_eq!(Outcome::Reply(reply), wrong);
    }
}

fn case(write: impl Fn(&Tried<'_>) -> Written + 'static, said: &'static Said) -> Case {
    Case { write: Box::new(write), said }
}

fn bent(from_end: usize, said: &'static Said) -> Case {
    case(
        move |tried| {
            tried.signed_by(tried.own.clone()).bent(move |bytes| {
                let at = bytes.len() - from_end;
                bytes[at] ^= 0x10;
            })
        },
        said,
    )
}

fn appended(kind: AttributeType, value: &'static [u8], said: &'static Said) -> Case {
    case(move |tried| tried.signed_by(tried.own.clone()).bent(move |bytes| append(bytes, kind, value)), said)
}

fn with(kind: AttributeType, value: &'static [u8], said: &'static Said) -> Case {
    case(
        move |tried| {
            let request = tried.request.clone().with(kind, value);
            Written { request, ..tried.signed_by(tried.own.clone()) }
        },
        said,
    )
}

fn guessed(name: &[u8], said: &'static Said) -> Case {
    let username = name.to_vec();
    case(
        move |tried| {
            let (username, password) = (username.clone(), b"guess".to_vec());
            tried.signed_by(Signature { username, password, ..tried.own.clone() })
        },
        said,
    )
}

/// Integrity of so many zeroes in the place of a good one.
fn instead(kind: AttributeType, bytes: usize, said: &'static Said) -> Case {
    case(
        move |tried| {
            tried.signed_by(tried.own.clone()).bent(move |message| {
                message.truncate(message.len() - 24);
                append(message, kind, &vec![0; bytes]);
            })
        },
        said,
    )
}

fn append(message: &mut Vec<u8>, kind: AttributeType, value: &[u8]) {
    message.extend(kind.0.to_be_bytes());
    message.extend(u16::try_from(value.len()).expect("a short value").to_be_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
    let length = u16::try_from(message.len() - 20).expect("a message that fits a datagram");
    message[2..4].copy_from_slice(&length.to_be_bytes());
}

const NAMES: [&str; 5] =
    ["public", "appliance", "nobody", "1900000000:nobody", "1900000000:AAAAAAAAAAAAAAAAAAAAAA.a"];

const EXPIRIES: [&str; 12] = [
    "1",
    "0:x",
    "-1:x",
    "+1900000000:x",
    "01900000000:x",
    "0x7fffffff:x",
    "2147483648:x",
    "4294967296:x",
    "18446744073709551616:x",
    "99999999999999999999:x",
    "1900000000:x:y",
    "1900000000:AAAAAAAAAAAAAAAAAAAAAB.a",
];
