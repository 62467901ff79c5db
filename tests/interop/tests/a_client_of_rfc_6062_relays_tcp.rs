//! `turn-client-proto` knows RFC 6062: it relays TCP to a peer, over a control connection and another for
//! the data. Not from a peer: it takes a ConnectionAttempt for a request, and it is an indication. coturn's
//! client has that part.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant as Clock};

use interop::{Appliance, PASSWORD, PATIENCE, PUBLIC_USER};
use turn_client_proto::api::{Transmit, TurnClientApi as _, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::stun::Instant;
use turn_client_proto::stun::types::TransportType;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::stun::message::IntegrityAlgorithm;
use turn_client_proto::types::{AddressFamily, TurnCredentials};

/// The client, its sockets and its clock.
struct Client {
    client: TurnClientTcp,
    /// The control connection and those for data.
    sockets: Vec<TcpStream>,
    start: Clock,
    heard: Vec<(SocketAddr, Vec<u8>)>,
}

impl Client {
    fn start(appliance: &Appliance, families: &[AddressFamily], algorithm: IntegrityAlgorithm) -> Self {
        let control = connected(appliance.turn);
        let local = control.local_addr().expect("a connected socket");
        let mut config = TurnConfig::new(TurnCredentials::new(PUBLIC_USER, PASSWORD));
        config.set_supported_integrity(algorithm);
        config.set_allocation_transport(TransportType::Tcp);
        config.set_address_family(families[0]);
        families.iter().for_each(|family| config.add_address_family(*family));
        let client = TurnClientTcp::allocate(local, appliance.turn, config);
        Self { client, sockets: vec![control], start: Clock::now(), heard: Vec::new() }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    /// Sends and receives until the next event, which must be the one that is awaited.
    fn wait_for(&mut self, is_awaited: impl FnOnce(&TurnEvent) -> bool) {
        let event = self.step(|client| client.client.poll_event());
        assert!(is_awaited(&event), "{event:?}");
    }

    /// Sends and receives until there is something.
    fn step<T>(&mut self, mut found: impl FnMut(&mut Self) -> Option<T>) -> T {
        while self.start.elapsed() < PATIENCE {
            if let Some(found) = found(self) {
                return found;
            }
            let now = self.now();
            if let TurnPollRet::AllocateTcpSocket { id, socket, peer_addr } = self.client.poll(now) {
                let data = connected(socket.to);
                let local = data.local_addr().expect("a connected socket");
                self.sockets.push(data);
                let told = self.client.allocated_tcp_socket(id, socket, peer_addr, Some(local), now);
                told.expect("what it asked for");
            }
            while let Some(transmit) = self.client.poll_transmit(now) {
                self.write(transmit.from, &transmit.data);
            }
            for place in 0..self.sockets.len() {
                self.read(place);
            }
        }
        panic!("nothing in time");
    }

    fn write(&mut self, from: SocketAddr, bytes: &[u8]) {
        let socket = self.sockets.iter_mut().find(|it| it.local_addr().is_ok_and(|local| local == from));
        socket.expect("a socket of this client").write_all(bytes).expect("loopback takes it");
    }

    fn read(&mut self, place: usize) {
        let mut buffer = [0; 4096];
        let socket = &mut self.sockets[place];
        let length = match socket.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return,
            Err(error) => panic!("{error}"),
        };
        let (to, from) = (socket.local_addr().expect("one"), socket.peer_addr().expect("one"));
        let received = Transmit::new(buffer[..length].to_vec(), TransportType::Tcp, from, to);
        let now = self.now();
        if let TurnRecvRet::PeerData(data) = self.client.recv(received, now) {
            self.heard.push((data.peer, data.data().to_vec()));
        }
        while let Some(data) = self.client.poll_recv(now) {
            self.heard.push((data.peer, data.data().to_vec()));
        }
    }

    fn permit(&mut self, ip: IpAddr) {
        let now = self.now();
        self.client.create_permission(TransportType::Tcp, ip, now).expect("a permission to ask for");
        self.wait_for(|event| matches!(event, TurnEvent::PermissionCreated(..)));
    }

    /// Says something to a peer, which sends it back.
    fn talks_to(&mut self, peer: SocketAddr) {
        let now = self.now();
        let sent = self.client.send_to(TransportType::Tcp, peer, b"hello", now).expect("a connection");
        let transmit = sent.expect("something to send").build();
        self.write(transmit.from, &transmit.data);
        let mut heard = Vec::new();
        self.step(|client| {
            let of_peer = client.heard.drain(..).filter(|(from, _)| *from == peer);
            heard.extend(of_peer.flat_map(|(_, bytes)| bytes));
            (heard == b"hello").then_some(())
        });
    }
}

/// A connection that is read without waiting long.
fn connected(to: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(to).expect("the appliance listens");
    socket.set_read_timeout(Some(Duration::from_millis(10))).expect("a timeout");
    socket
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
            let mut client = Client::start(&appliance, &[family], algorithm);
            client.wait_for(|event| matches!(event, TurnEvent::AllocationCreated(..)));
            client.permit(peer.ip());
            let now = client.now();
            client.client.tcp_connect(peer, now).expect("an allocation");
            client.wait_for(|event| matches!(event, TurnEvent::TcpConnected(to) if *to == peer));
            client.talks_to(peer);
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
    let mut client = Client::start(&appliance, &[AddressFamily::IPV4], IntegrityAlgorithm::Sha1);
    client.wait_for(|event| matches!(event, TurnEvent::AllocationCreated(..)));
    client.permit(peer.ip());
    let now = client.now();
    client.client.tcp_connect(peer, now).expect("an allocation");
    client.wait_for(|event| matches!(event, TurnEvent::TcpConnectFailed(to) if *to == peer));
}

#[test]
fn not_where_the_operator_has_not_allowed_it() {
    let appliance = Appliance::start("127.0.0.1".parse().expect("an address"));
    let mut client = Client::start(&appliance, &[AddressFamily::IPV4], IntegrityAlgorithm::Sha1);
    client.wait_for(|event| matches!(event, TurnEvent::AllocationCreateFailed(..)));
}
