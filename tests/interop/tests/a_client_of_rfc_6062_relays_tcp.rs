//! `turn-client-proto` knows RFC 6062: it relays TCP to a peer, over a control connection and another for
//! the data. Not from a peer: it takes a ConnectionAttempt for a request, and it is an indication. coturn's
//! client has that part.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use ::turn_client_proto::api::{TurnClientApi as _, TurnConfig, TurnEvent};
use ::turn_client_proto::stun::types::TransportType;
use ::turn_client_proto::tcp::TurnClientTcp;
use ::turn_client_proto::types::stun::message::IntegrityAlgorithm;
use ::turn_client_proto::types::{AddressFamily, TurnCredentials};
use interop::turn_client_proto::{self, Dial as _, Streams};
use interop::{Appliance, PASSWORD, PUBLIC_USER};

/// The client on a control connection and those for data.
type Client = turn_client_proto::Client<TurnClientTcp, Streams<TcpStream>>;

fn start(appliance: &Appliance, families: &[AddressFamily], algorithm: IntegrityAlgorithm) -> Client {
    let (control, [local, server]) = TcpStream::dial(appliance.turn);
    let mut config = TurnConfig::new(TurnCredentials::new(PUBLIC_USER, PASSWORD));
    config.set_supported_integrity(algorithm);
    config.set_allocation_transport(TransportType::Tcp);
    config.set_address_family(families[0]);
    families.iter().for_each(|family| config.add_address_family(*family));
    let client = TurnClientTcp::allocate(local, server, config);
    Client::start(client, Streams::new(control, [local, server]))
}

/// Says something to a peer, which sends it back.
fn talks_to(client: &mut Client, peer: SocketAddr) {
    client.say(TransportType::Tcp, peer, b"hello");
    let mut heard = Vec::new();
    client.step(|client| {
        let of_peer = client.heard.drain(..).filter(|(from, _)| *from == peer);
        heard.extend(of_peer.flat_map(|(_, bytes)| bytes));
        (heard == b"hello").then_some(())
    });
}

/// A TCP server that sends everything back, for one client.
fn echo_server(ip: &str) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a connection");
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = socket.read(&mut buffer) {
            socket.write_all(&buffer[..length]).expect("loopback takes it");
        }
    });
    address
}

fn appliance(more: &str) -> Appliance {
    Appliance::start_with(
        "127.0.0.1".parse().expect("an address"),
        &format!("tcp_allocations = true\n{more}"),
    )
}

#[test]
fn to_a_peer_by_either_integrity_and_family() {
    let appliance = appliance("password_algorithms = [\"md5\", \"sha256\"]");
    for algorithm in [IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256] {
        for (family, ip) in [(AddressFamily::IPV4, "127.0.0.1"), (AddressFamily::IPV6, "::1")] {
            let peer = echo_server(ip);
            let mut client = start(&appliance, &[family], algorithm);
            client.wait_for(|event| matches!(event, TurnEvent::AllocationCreated(..)));
            client.permit(TransportType::Tcp, peer);
            let now = client.now();
            client.client.tcp_connect(peer, now).expect("an allocation");
            client.wait_for(|event| matches!(event, TurnEvent::TcpConnected(to) if *to == peer));
            talks_to(&mut client, peer);
        }
    }
    appliance.wait_for_metric("ginnel_relay_tcp_bytes_total", 40.0);
}

#[test]
fn to_a_peer_that_is_not_there() {
    let appliance = appliance("");
    // Its port is nobody else's meanwhile, and nobody listens there.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
    let peer = socket.local_addr().ok().and_then(|it| it.as_socket()).expect("a bound socket");
    let mut client = start(&appliance, &[AddressFamily::IPV4], IntegrityAlgorithm::Sha1);
    client.wait_for(|event| matches!(event, TurnEvent::AllocationCreated(..)));
    client.permit(TransportType::Tcp, peer);
    let now = client.now();
    client.client.tcp_connect(peer, now).expect("an allocation");
    client.wait_for(|event| matches!(event, TurnEvent::TcpConnectFailed(to) if *to == peer));
}

#[test]
fn not_where_the_operator_has_not_allowed_it() {
    let appliance = Appliance::start("127.0.0.1".parse().expect("an address"));
    let mut client = start(&appliance, &[AddressFamily::IPV4], IntegrityAlgorithm::Sha1);
    client.wait_for(|event| matches!(event, TurnEvent::AllocationCreateFailed(..)));
}
