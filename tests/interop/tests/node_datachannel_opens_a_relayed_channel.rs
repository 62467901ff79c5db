//! node-datachannel (libdatachannel on libjuice) opens a data channel between two peers that may use relayed
//! candidates only. Where it is offered SHA-256 it goes on as if it were not: libjuice reads the offer in
//! requests, as a server, and not in answers.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use interop::{APPLIANCE_USER, Appliance, LOOPBACK, PASSWORD, limited};
use stun_wire::{AttributeType, Class, Integrity, Message};

/// How requests were signed on their way.
#[derive(Default)]
struct Seen {
    /// By MESSAGE-INTEGRITY alone.
    sha1: usize,
    sha256: usize,
    /// With a PASSWORD-ALGORITHM, whichever.
    chosen: usize,
}

#[test]
fn with_what_every_client_knows() {
    let appliance = Appliance::start(LOOPBACK);
    opens_a_channel(&appliance, appliance.turn);
}

#[test]
fn where_sha256_is_offered_and_it_chooses_nothing() {
    let appliance = Appliance::start_with(LOOPBACK, "password_algorithms = [\"md5\", \"sha256\"]");
    let seen = Arc::default();
    opens_a_channel(&appliance, watched(appliance.turn, Arc::clone(&seen)));
    let Seen { sha1, sha256, chosen } = *seen.lock().expect("nobody panics with it");
    // When this fails it has learned to choose, and the sentence above wants another.
    assert!(sha1 > 0 && sha256 == 0 && chosen == 0, "{sha1} {sha256} {chosen}");
}

fn opens_a_channel(appliance: &Appliance, server: SocketAddr) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (host, port) = (server.ip().to_string(), server.port().to_string());
    // `tests/run interop` installs what it imports.
    let output = limited("node")
        .arg(here.join("node/relay_only_pair.mjs"))
        .args([host.as_str(), &port, APPLIANCE_USER, PASSWORD])
        .output()
        .expect("node");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let is_whole = output.status.success() && said.contains("20 of 20, relay to relay");
    assert!(is_whole, "{said}\n{}", appliance.log());
    appliance.wait_for_metric("ginnel_relay_packets_total", 40.0);
}

/// An address that is the server's for those who send there, and looks at their requests; each has a socket
/// of its own towards the server. It lives until the process ends.
fn watched(server: SocketAddr, seen: Arc<Mutex<Seen>>) -> SocketAddr {
    let front = Arc::new(UdpSocket::bind((LOOPBACK, 0)).expect("a free port"));
    let address = front.local_addr().expect("a bound socket");
    thread::spawn(move || {
        let mut ways: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
        let mut buffer = [0; 2048];
        while let Ok((length, client)) = front.recv_from(&mut buffer) {
            look_at(&buffer[..length], &mut seen.lock().expect("nobody panics with it"));
            let way = ways.entry(client).or_insert_with(|| way_back(server, Arc::clone(&front), client));
            // What is lost is asked again.
            let _ = way.send(&buffer[..length]);
        }
    });
    address
}

/// A socket towards the server whose answers go to a client.
fn way_back(server: SocketAddr, front: Arc<UdpSocket>, client: SocketAddr) -> Arc<UdpSocket> {
    let way = Arc::new(UdpSocket::bind((LOOPBACK, 0)).expect("a free port"));
    way.connect(server).expect("an address");
    let reader = Arc::clone(&way);
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok(length) = reader.recv(&mut buffer) {
            let _ = front.send_to(&buffer[..length], client);
        }
    });
    way
}

fn look_at(datagram: &[u8], seen: &mut Seen) {
    let Ok(message) = Message::parse(datagram) else { return };
    if message.class() != Class::Request {
        return;
    }
    seen.sha1 += usize::from(message.has(Integrity::Sha1) && !message.has(Integrity::Sha256));
    seen.sha256 += usize::from(message.has(Integrity::Sha256));
    seen.chosen += usize::from(message.find(AttributeType::PASSWORD_ALGORITHM).is_some());
}
