//! The answers of NAT behaviour discovery, which is off by default, to somebody who proved nothing: each form
//! that RFC 5780 has, with the server's own addresses of one family. Not how often: budgets are lifted.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sim::{Request, Setup};
use stun_wire::{AttributeType, Method, TransactionId};
use turn_core::{
    AllocationLimits, BandwidthLimits, ClientAddr, Directory, Discovery, Endpoint, Event, FiveTuple,
    ListenerId, LocalIp, Now, Server, Verdict, WorkerId,
};

use crate::amplification::{Bound, Measured};

/// Asks everything from one family.
pub(crate) fn measure(ipv6: bool) -> Vec<Measured> {
    let (client, places) = if ipv6 { (CLIENT_V6, PLACES_V6) } else { (CLIENT_V4, PLACES_V4) };
    let places: [SocketAddr; 4] = places.map(|place| place.parse().expect("an address of this file"));
    let mut server = server(places);
    let tuple = FiveTuple {
        client: ClientAddr(client.parse().expect("an address of this file")),
        local: LocalIp(places[0].ip()),
        listener: ListenerId(0),
    };
    let measured = |(form, request): (&'static str, Request)| {
        let datagram = request.write(ID, None);
        let mut reply = Vec::new();
        let answer_bytes = match server.handle_client(NOW, tuple, &datagram, &mut reply) {
            Verdict::Reply => reply.len(),
            Verdict::Later => match server.poll_event() {
                Some(Event::Send { message, .. }) => message.len(),
                _ => 0,
            },
            Verdict::Drop(_) => 0,
            Verdict::Forward { .. } => panic!("{form}: a stranger is not served"),
        };
        Measured { form, ipv6, request_bytes: datagram.len(), answer_bytes, bound: Bound::Discovery }
    };
    forms().into_iter().map(measured).collect()
}

fn forms() -> [(&'static str, Request); 6] {
    let binding = || Request::bare(Method::BINDING);
    let change = |flags| binding().with(AttributeType::CHANGE_REQUEST, &[0, 0, 0, flags]);
    let port = || binding().with(AttributeType::RESPONSE_PORT, &[0x9C, 0x41, 0, 0]);
    let padding = |request: Request| request.with(AttributeType::PADDING, &[0; 1_000]);
    [
        ("with `nat_discovery`: Binding", binding()),
        ("with `nat_discovery`: CHANGE-REQUEST of the port", change(2)),
        ("with `nat_discovery`: CHANGE-REQUEST of both", change(6)),
        ("with `nat_discovery`: RESPONSE-PORT", port()),
        ("with `nat_discovery`: PADDING", padding(binding())),
        ("with `nat_discovery`: PADDING and RESPONSE-PORT", padding(port())),
    ]
}

fn server(places: [SocketAddr; 4]) -> Server {
    let mut config = Setup { workers: 1, ..Setup::new(1) }.config(WorkerId(0));
    let endpoint = |(place, public): (u8, SocketAddr)| Endpoint {
        listener: ListenerId(place),
        local: public.ip(),
        public,
    };
    let [one, two, three, four] = places;
    config.discovery = vec![Discovery::new([(0, one), (1, two), (2, three), (3, four)].map(endpoint))];
    config.addresses.answering = places.to_vec();
    let limits = AllocationLimits { per_side: 0, per_prefix: 0, total: 0 };
    let directory = Directory::new(limits, BandwidthLimits::default(), (1, 2));
    Server::new(config, Arc::new(Mutex::new(directory)), [3; 32])
}

const CLIENT_V4: &str = "20.0.0.1:40000";
const CLIENT_V6: &str = "[2a00:7::1]:40000";
const PLACES_V4: [&str; 4] = ["192.0.2.1:3478", "192.0.2.1:3479", "192.0.2.2:3478", "192.0.2.2:3479"];
const PLACES_V6: [&str; 4] =
    ["[2001:db8::1]:3478", "[2001:db8::1]:3479", "[2001:db8::2]:3478", "[2001:db8::2]:3479"];
const NOW: Now = Now { mono: Duration::from_secs(1), unix_s: 1_800_000_000 };
const ID: TransactionId = TransactionId([9; 12]);
