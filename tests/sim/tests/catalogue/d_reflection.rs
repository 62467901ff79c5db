//! D. Reflection: what is answered to whom has proved nothing, and what of it.

use std::net::{IpAddr, SocketAddr};

use sim::{DropReason, Outcome, RELAY_PORT, Request, Signature, World};
use stun_wire::{AttributeType, Class, Message, Method, TransactionId};

use crate::people::{own, setup};
use crate::table;

table! { run;
    row_63_binding_is_answered_in_32_or_44_bytes => [
        Case::new(&Request::bare(Method::BINDING)).answered([32, 44], &[AttributeType::XOR_MAPPED_ADDRESS]),
    ];
    row_63_what_is_not_understood_in_28 => [
        Case::new(&unknown(1)).answered([28, 28], &[AttributeType::ERROR_CODE]),
        Case::new(&unknown(60)).answered([28, 28], &[AttributeType::ERROR_CODE]),
    ];
    row_63_forged_requests_in_no_more_than_they_are_long => METHODS.into_iter().flat_map(|method| {
        [(0, 0, 60), (4, 16, 60), (508, 763, 60), (509, 16, 28), (4, 764, 28)].map(|(name, nonce, bytes)| {
            let kinds = if bytes == 60 { CHALLENGE } else { &[AttributeType::ERROR_CODE] };
            let forged = Request::bare(method).write(ID, Some(&forged(name, nonce)));
            assert!(forged.len() >= bytes);
            Case::of(forged).answered([bytes; 2], kinds)
        })
    });
    row_64_a_challenge_says_nothing_but_realm_and_nonce => [
        Case::new(&Request::allocate()).answered([60, 60], CHALLENGE),
        Case::new(&Request::allocate().with(AttributeType(0x7777), b"what")).answered([60, 60], CHALLENGE),
    ];
    row_68_only_an_allocate_worth_it_is_challenged => METHODS.into_iter().flat_map(|method| {
        let long = Request::bare(method).with(AttributeType::SOFTWARE, &[b'x'; 500]);
        let bare = Case::new(&Request::bare(method)).silent(DropReason::Unauthenticated);
        let is_allocate = method == Method::ALLOCATE;
        let long = Case::new(&long);
        let silent = DropReason::Unauthenticated;
        [bare, if is_allocate { long.answered([60, 60], CHALLENGE) } else { long.silent(silent) }]
    });
    row_70_ports_that_must_not_be_answered =>
        every_request(&PORTS.map(|port| SocketAddr::from(([198, 18, 5, 1], port))));
    row_70_our_own_sockets => every_request(&[own(1, RELAY_PORT), own(2, RELAY_PORT)]);
    row_71_answers_and_indications => [
        Method::BINDING, Method::ALLOCATE, Method::REFRESH, Method::DATA, Method::SEND,
        Method::CONNECTION_ATTEMPT,
    ].into_iter().flat_map(|method| [Class::Success, Class::Error].map(|class| {
        let answer = Request::bare(method)
            .with(AttributeType::ERROR_CODE, &[0, 0, 4, 1])
            .with(AttributeType::REALM, b"ginnel")
            .with(AttributeType::NONCE, b"AAAAAAAAAAAAAAAA");
        Case::of(answer.write_as(class, ID, None)).silent(DropReason::NotARequest)
    }));
    row_71_data_of_another_server => [Case::of(
        Request::bare(Method::DATA)
            .peer(own(1, 5000))
            .with(AttributeType::DATA, b"x")
            .write_as(Class::Indication, ID, None),
    ).silent(DropReason::NotARequest)];
    row_72_what_a_relay_says_to_a_relay =>
        [Request::bare(Method::BINDING), Request::allocate()].map(|request| {
        let from = "198.18.5.1:5000".parse().expect("an address");
        let Outcome::Reply(reply) = World::with(setup(1)).knock(from, &request.write(ID, None)) else {
            panic!("a stranger is answered")
        };
        Case::of(reply).silent(DropReason::NotARequest)
    });
    row_74_sources_that_are_no_host =>
        every_request(&NO_HOSTS.map(|source| source.parse().expect("an address")));
    row_74_what_is_sent_to_everybody => FOR_MANY.into_iter().flat_map(|to| {
        let to: IpAddr = to.parse().expect("an address");
        let from = if to.is_ipv4() { "198.18.0.1:5000" } else { "[2001:db8:7::1]:5000" };
        every_request(&[from.parse().expect("an address")])
            .into_iter()
            .map(move |case| Case { reached: Some(to), ..case })
    });
}

/// A datagram of somebody who proved nothing, and the answer.
struct Case {
    datagram: Vec<u8>,
    /// Where it claims to come from.
    sources: Vec<SocketAddr>,
    /// Which address of ours it came to, if not the one where we are at home.
    reached: Option<IpAddr>,
    answer: Result<([usize; 2], &'static [AttributeType]), DropReason>,
}

impl Case {
    fn new(request: &Request) -> Self {
        Self::of(request.write(ID, None))
    }

    fn of(datagram: Vec<u8>) -> Self {
        let sources = ["198.18.0.1:5000", "[2001:db8:7::1]:5000"].map(|it| it.parse().expect("an address"));
        Self { datagram, sources: sources.to_vec(), reached: None, answer: Err(DropReason::Unauthenticated) }
    }

    /// In so many bytes to IPv4 and to IPv6, and with these attributes alone.
    const fn answered(mut self, bytes: [usize; 2], kinds: &'static [AttributeType]) -> Self {
        self.answer = Ok((bytes, kinds));
        self
    }

    const fn silent(mut self, reason: DropReason) -> Self {
        self.answer = Err(reason);
        self
    }
}

/// Sends it over both families.
fn run(case: &Case) {
    let mut world = World::with(setup(1));
    for source in &case.sources {
        let outcome = match case.reached {
            Some(ip) => world.knock_at(ip, *source, &case.datagram),
            None => world.knock(*source, &case.datagram),
        };
        match (outcome, &case.answer) {
            (Outcome::Reply(reply), Ok((bytes, kinds))) => {
                assert_eq!(reply.len(), bytes[usize::from(source.is_ipv6())], "{source}");
                let reply = Message::parse(&reply).expect("a message");
                let said: Vec<_> = reply.attributes().map(|attribute| attribute.kind).collect();
                assert_eq!(&said[..], *kinds, "{source}");
            }
            (Outcome::Drop(reason), Err(expected)) => assert_eq!(reason, *expected, "{source}"),
            (outcome, _) => panic!("{source}: {outcome:?}"),
        }
    }
    assert!(world.relay().is_empty());
}

/// No request from there is answered.
fn every_request(sources: &[SocketAddr]) -> Vec<Case> {
    let requests = [Request::bare(Method::BINDING), Request::allocate(), unknown(1)];
    let silent =
        |request| Case { sources: sources.to_vec(), ..Case::new(request).silent(DropReason::HopelessSource) };
    requests.iter().map(silent).collect()
}

fn unknown(count: u16) -> Request {
    (0..count).fold(Request::bare(Method::BINDING), |it, n| it.with(AttributeType(0x7000 + n), b"four"))
}

fn forged(name: usize, nonce: usize) -> Signature {
    Signature {
        username: vec![b'u'; name],
        password: b"guess".to_vec(),
        realm: b"ginnel".to_vec(),
        nonce: vec![b'A'; nonce],
        algorithms: None,
    }
}

const ID: TransactionId = TransactionId([9; 12]);

const METHODS: [Method; 4] =
    [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND];

const CHALLENGE: &[AttributeType] = &[AttributeType::ERROR_CODE, AttributeType::REALM, AttributeType::NONCE];

const PORTS: [u16; 15] = [0, 7, 13, 17, 19, 53, 69, 111, 123, 137, 161, 389, 1900, 3478, 11_211];

const FOR_MANY: [&str; 3] = ["224.0.0.1", "255.255.255.255", "ff02::1"];

const NO_HOSTS: [&str; 8] = [
    "0.0.0.0:5000",
    "[::]:5000",
    "224.0.0.1:5000",
    "239.255.255.250:5000",
    "255.255.255.255:5000",
    "[ff02::1]:5000",
    "198.18.5.1:0",
    "[2001:db8:7::1]:0",
];
