//! `turn-client-proto` knows the whole of RFC 8489: it takes SHA-256 where it may, and MD5 where it must. And
//! it knows that an allocation may have both families, RFC 8656.

use std::net::SocketAddr;

use ::turn_client_proto::api::{TurnClientApi as _, TurnConfig, TurnEvent};
use ::turn_client_proto::stun::auth::Feature;
use ::turn_client_proto::stun::types::TransportType;
use ::turn_client_proto::types::stun::message::IntegrityAlgorithm;
use ::turn_client_proto::types::{AddressFamily, TurnCredentials};
use ::turn_client_proto::udp::TurnClientUdp;
use interop::turn_client_proto::{self, Datagrams};
use interop::{Appliance, PASSWORD, PUBLIC_USER, echo};

/// The client on a socket of UDP.
type Client = turn_client_proto::Client<TurnClientUdp, Datagrams>;

fn start(appliance: &Appliance, user: &str, password: &str, algorithms: &[IntegrityAlgorithm]) -> Client {
    of_families(appliance, user, password, algorithms, &[AddressFamily::IPV4])
}

fn of_families(
    appliance: &Appliance,
    user: &str,
    password: &str,
    algorithms: &[IntegrityAlgorithm],
    families: &[AddressFamily],
) -> Client {
    let mut config = TurnConfig::new(TurnCredentials::new(user, password));
    config.set_supported_integrity(algorithms[0]);
    algorithms.iter().for_each(|algorithm| config.add_supported_integrity(*algorithm));
    families.iter().for_each(|family| config.add_address_family(*family));
    of(appliance, config)
}

fn of(appliance: &Appliance, config: TurnConfig) -> Client {
    let (wire, local) = Datagrams::new("127.0.0.1:0");
    Client::start(TurnClientUdp::allocate(local, appliance.turn, config), wire)
}

/// Allocates and has a datagram come back from an echo.
fn reaches(mut client: Client, peer: SocketAddr) {
    client.wait_for(|event| matches!(event, TurnEvent::AllocationCreated(..)));
    has_back_from(&mut client, peer);
}

fn has_back_from(client: &mut Client, peer: SocketAddr) {
    client.permit(TransportType::Udp, peer);
    client.has_back(peer, b"hello");
}

#[test]
fn sha256_where_both_are_offered_and_md5_where_it_knows_no_more() {
    let ip = "127.0.0.1".parse().expect("an address");
    let appliance = Appliance::start_with(ip, "password_algorithms = [\"md5\", \"sha256\"]");
    let peer = echo(ip);
    let (name, password) = appliance.minted("alice");
    for algorithms in [&[IntegrityAlgorithm::Sha256][..], &[IntegrityAlgorithm::Sha1]] {
        reaches(start(&appliance, PUBLIC_USER, PASSWORD, algorithms), peer);
        reaches(start(&appliance, &name, &password, algorithms), peer);
    }
}

#[test]
fn sha256_where_nothing_else_is_offered() {
    let ip = "127.0.0.1".parse().expect("an address");
    let appliance = Appliance::start_with(ip, "password_algorithms = [\"sha256\"]");
    let both = [IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256];
    reaches(start(&appliance, PUBLIC_USER, PASSWORD, &both), echo(ip));
}

#[test]
fn md5_where_nothing_is_offered() {
    let ip = "127.0.0.1".parse().expect("an address");
    let appliance = Appliance::start(ip);
    let both = [IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256];
    reaches(start(&appliance, PUBLIC_USER, PASSWORD, &both), echo(ip));
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
        reaches(of(&appliance, config), peer);
    }
}

#[test]
fn both_families_in_one_allocation() {
    let ip = "127.0.0.1".parse().expect("an address");
    let appliance = Appliance::start_with(ip, "password_algorithms = [\"md5\", \"sha256\"]");
    let families = [AddressFamily::IPV4, AddressFamily::IPV6];
    for algorithm in [IntegrityAlgorithm::Sha256, IntegrityAlgorithm::Sha1] {
        let mut client = of_families(&appliance, PUBLIC_USER, PASSWORD, &[algorithm], &families);
        for _ in families {
            client.wait_for(|event| matches!(event, TurnEvent::AllocationCreated(..)));
        }
        let relayed: Vec<_> = client.client.relayed_addresses().map(|(_, relayed)| relayed).collect();
        assert!(relayed.iter().any(SocketAddr::is_ipv4) && relayed.iter().any(SocketAddr::is_ipv6));
        for peer in [ip, "::1".parse().expect("an address")] {
            has_back_from(&mut client, echo(peer));
        }
    }
}
