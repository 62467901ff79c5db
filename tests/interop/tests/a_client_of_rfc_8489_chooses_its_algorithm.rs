//! `turn-client-proto` knows the whole of RFC 8489: it takes SHA-256 where it may, and MD5 where it must. And
//! it knows that an allocation may have both families, RFC 8656.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant as Clock};

use interop::{Appliance, PASSWORD, PATIENCE, PUBLIC_USER, echo};
use turn_client_proto::api::{Transmit, TurnClientApi as _, TurnConfig, TurnEvent, TurnRecvRet};
use turn_client_proto::stun::Instant;
use turn_client_proto::stun::auth::Feature;
use turn_client_proto::stun::types::TransportType;
use turn_client_proto::types::stun::message::IntegrityAlgorithm;
use turn_client_proto::types::{AddressFamily, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

/// The client, its socket and its clock.
struct Client {
    client: TurnClientUdp,
    socket: UdpSocket,
    start: Clock,
    heard: Vec<(SocketAddr, Vec<u8>)>,
}

impl Client {
    fn start(appliance: &Appliance, user: &str, password: &str, algorithms: &[IntegrityAlgorithm]) -> Self {
        Self::of_families(appliance, user, password, algorithms, &[AddressFamily::IPV4])
    }

    fn of_families(
        appliance: &Appliance,
        user: &str,
        password: &str,
        algorithms: &[IntegrityAlgorithm],
        families: &[AddressFamily],
    ) -> Self {
        let mut config = TurnConfig::new(TurnCredentials::new(user, password));
        config.set_supported_integrity(algorithms[0]);
        algorithms.iter().for_each(|algorithm| config.add_supported_integrity(*algorithm));
        families.iter().for_each(|family| config.add_address_family(*family));
        Self::of(appliance, config)
    }

    fn of(appliance: &Appliance, config: TurnConfig) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        let local = socket.local_addr().expect("a bound socket");
        let client = TurnClientUdp::allocate(local, appliance.turn, config);
        Self { client, socket, start: Clock::now(), heard: Vec::new() }
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
        let mut buffer = [0; 2048];
        while self.start.elapsed() < PATIENCE {
            if let Some(found) = found(self) {
                return found;
            }
            let now = self.now();
            self.client.poll(now);
            while let Some(transmit) = self.client.poll_transmit(now) {
                self.socket.send_to(&transmit.data, transmit.to).expect("loopback takes it");
            }
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { continue };
            let to = self.client.local_addr();
            let received = Transmit::new(buffer[..length].to_vec(), TransportType::Udp, from, to);
            let now = self.now();
            if let TurnRecvRet::PeerData(data) = self.client.recv(received, now) {
                self.heard.push((data.peer, data.data().to_vec()));
            }
        }
        panic!("nothing in time");
    }

    /// Allocates and has a datagram come back from an echo.
    fn reaches(mut self, peer: SocketAddr) {
        self.wait_for(|event| matches!(event, TurnEvent::AllocationCreated(..)));
        self.has_back_from(peer);
    }

    fn has_back_from(&mut self, peer: SocketAddr) {
        let now = self.now();
        self.client.create_permission(TransportType::Udp, peer.ip(), now).expect("a permission to ask for");
        self.wait_for(|event| matches!(event, TurnEvent::PermissionCreated(..)));
        let sent = self.client.send_to(TransportType::Udp, peer, b"hello", now).expect("a permission");
        let transmit = sent.expect("something to send").build();
        self.socket.send_to(&transmit.data, transmit.to).expect("loopback takes it");
        self.step(|client| client.heard.pop().filter(|heard| *heard == (peer, b"hello".to_vec())));
    }
}

#[test]
fn sha256_where_both_are_offered_and_md5_where_it_knows_no_more() {
    let ip = "127.0.0.1".parse().expect("an address");
    let appliance = Appliance::start_with(ip, "password_algorithms = [\"md5\", \"sha256\"]");
    let peer = echo(ip);
    let (name, password) = appliance.minted("alice");
    for algorithms in [&[IntegrityAlgorithm::Sha256][..], &[IntegrityAlgorithm::Sha1]] {
        Client::start(&appliance, PUBLIC_USER, PASSWORD, algorithms).reaches(peer);
        Client::start(&appliance, &name, &password, algorithms).reaches(peer);
    }
}

#[test]
fn sha256_where_nothing_else_is_offered() {
    let ip = "127.0.0.1".parse().expect("an address");
    let appliance = Appliance::start_with(ip, "password_algorithms = [\"sha256\"]");
    let both = [IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256];
    Client::start(&appliance, PUBLIC_USER, PASSWORD, &both).reaches(echo(ip));
}

#[test]
fn md5_where_nothing_is_offered() {
    let ip = "127.0.0.1".parse().expect("an address");
    let appliance = Appliance::start(ip);
    let both = [IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256];
    Client::start(&appliance, PUBLIC_USER, PASSWORD, &both).reaches(echo(ip));
}

#[test]
fn a_hash_in_place_of_its_name() {
    let ip = "127.0.0.1".parse().expect("an address");
    let relay = "password_algorithms = [\"md5\", \"sha256\"]\nusername_anonymity = true";
    let appliance = Appliance::of_static_users(ip, relay);
    let peer = echo(ip);
    for algorithm in [IntegrityAlgorithm::Sha256, IntegrityAlgorithm::Sha1] {
        let credentials = TurnCredentials::new(PUBLIC_USER, PASSWORD);
        let mut config = TurnConfig::new(credentials);
        config.set_anonymous_username(Feature::Required);
        config.set_supported_integrity(algorithm);
        Client::of(&appliance, config).reaches(peer);
    }
}

#[test]
fn both_families_in_one_allocation() {
    let ip = "127.0.0.1".parse().expect("an address");
    let appliance = Appliance::start_with(ip, "password_algorithms = [\"md5\", \"sha256\"]");
    let families = [AddressFamily::IPV4, AddressFamily::IPV6];
    for algorithm in [IntegrityAlgorithm::Sha256, IntegrityAlgorithm::Sha1] {
        let mut client = Client::of_families(&appliance, PUBLIC_USER, PASSWORD, &[algorithm], &families);
        for _ in families {
            client.wait_for(|event| matches!(event, TurnEvent::AllocationCreated(..)));
        }
        let relayed: Vec<_> = client.client.relayed_addresses().map(|(_, relayed)| relayed).collect();
        assert!(relayed.iter().any(SocketAddr::is_ipv4) && relayed.iter().any(SocketAddr::is_ipv6));
        for peer in [ip, "::1".parse().expect("an address")] {
            client.has_back_from(echo(peer));
        }
    }
}
