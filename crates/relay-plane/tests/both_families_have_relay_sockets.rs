//! A `public` user asks for both families at once, on loopback: both relay sockets are there, and what is
//! sent through them arrives whole, also when it is empty, large or not to be fragmented; what does not
//! arrive is told where the operator wants that.

mod common;

use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use relay_plane::Relay;
use socket2::{Domain, Protocol, Socket, Type};
use stun_wire::{AttributeType, Class, Message, MessageWriter, Method, decode_xor_address};

use self::common::{ID, PATIENCE, V4, V6, ask, nonce, receive, socket, start};

/// A client's socket and nonce and its two relayed addresses.
fn allocated(relay: &Relay) -> (UdpSocket, Vec<u8>, Vec<SocketAddr>) {
    let client = socket(V4);
    client.connect(relay.listening()[0]).expect("connected");
    let nonce = nonce(&client);
    let granted = ask(&client, &nonce, Method::ALLOCATE, |writer| {
        writer
            .attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
            .attribute(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0])
            .attribute(AttributeType::DONT_FRAGMENT, &[]);
    });
    let granted = Message::parse(&granted).expect("a message");
    let relayed = granted.attributes().filter(|it| it.kind == AttributeType::XOR_RELAYED_ADDRESS);
    let relayed: Vec<SocketAddr> =
        relayed.map(|it| decode_xor_address(it.value, ID).expect("an address")).collect();
    assert_eq!(relayed.iter().map(SocketAddr::ip).collect::<Vec<_>>(), [V4, V6]);
    (client, nonce, relayed)
}

fn permit(client: &UdpSocket, nonce: &[u8], peer: SocketAddr) {
    ask(client, nonce, Method::CREATE_PERMISSION, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
    });
}

fn send(client: &UdpSocket, peer: SocketAddr, payload: &[u8], whole: bool) {
    let mut out = Vec::new();
    let mut writer = MessageWriter::new(&mut out, Class::Indication, Method::SEND, ID);
    writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer).attribute(AttributeType::DATA, payload);
    if whole {
        writer.attribute(AttributeType::DONT_FRAGMENT, &[]);
    }
    client.send(&out).expect("sent");
}

/// A port where nobody listens to the relay and that nobody else gets: its holder is connected elsewhere.
fn closed(ip: IpAddr) -> (UdpSocket, SocketAddr) {
    let (holder, elsewhere) = (socket(ip), socket(ip));
    holder.connect(elsewhere.local_addr().expect("bound")).expect("connected");
    let address = holder.local_addr().expect("bound");
    (holder, address)
}

#[test]
fn errors_about_closed_ports_are_told_where_that_is_wanted() {
    let relay = start(None, true);
    let (client, nonce, relayed) = allocated(&relay);
    for (relayed, told) in relayed.into_iter().zip([[3, 3], [1, 4]]) {
        let ((_holder, nobody), somebody) = (closed(relayed.ip()), socket(relayed.ip()));
        permit(&client, &nonce, nobody);
        for number in 0..10 {
            send(&client, nobody, b"is anybody there?", false);
            let indication = receive(&client).0;
            let indication = Message::parse(&indication).expect("a message");
            let id = indication.transaction_id();
            assert_eq!((indication.class(), indication.method()), (Class::Indication, Method::DATA));
            assert_eq!(indication.find(AttributeType::DATA), None);
            let icmp = indication.find(AttributeType::ICMP).expect("what ICMP said");
            assert_eq!(icmp, [0, 0, told[0] << 1, told[1], 0, 0, 0, 0], "seven bits of type, nine of code");
            let about = indication.find(AttributeType::XOR_PEER_ADDRESS).expect("about whom");
            assert_eq!(decode_xor_address(about, id), Ok(nobody));
            // The error of one datagram is not the next one's.
            send(&client, somebody.local_addr().expect("bound"), &[number], false);
            assert_eq!(receive(&somebody), (vec![number], relayed));
        }
    }
}

#[test]
fn row_21_a_closed_port_is_as_silent_as_an_open_one() {
    let relay = start(None, false);
    let (client, nonce, relayed) = allocated(&relay);
    for relayed in relayed {
        let ((_holder, nobody), somebody) = (closed(relayed.ip()), socket(relayed.ip()));
        permit(&client, &nonce, nobody);
        for number in 0..10 {
            send(&client, nobody, b"is anybody there?", false);
            send(&client, somebody.local_addr().expect("bound"), &[number], false);
            assert_eq!(receive(&somebody), (vec![number], relayed));
            somebody.send_to(&[number], relayed).expect("sent");
            // The kernel keeps the order, and ours is the first thing that the client hears.
            let data = receive(&client).0;
            let data = Message::parse(&data).expect("a message");
            assert_eq!(data.find(AttributeType::DATA), Some(&[number][..]));
        }
    }
}

#[test]
fn payloads_of_all_sizes_pass_both_ways_by_both() {
    let relay = start(None, false);
    let (client, nonce, relayed) = allocated(&relay);
    for relayed in relayed {
        let peer = socket(relayed.ip());
        let peer_address = peer.local_addr().expect("bound");
        permit(&client, &nonce, peer_address);
        for (bytes, whole) in [(0, false), (1, true), (1500, false), (60_000, false), (60_000, true)] {
            let payload = vec![0x80; bytes];
            send(&client, peer_address, &payload, whole);
            assert_eq!(receive(&peer), (payload.clone(), relayed), "{bytes} bytes");
            peer.send_to(&payload, relayed).expect("sent");
            let data = receive(&client).0;
            let data = Message::parse(&data).expect("a message");
            assert_eq!((data.class(), data.method()), (Class::Indication, Method::DATA));
            assert_eq!(data.find(AttributeType::DATA), Some(&payload[..]));
        }
    }
}

/// Raw sockets and a network of one's own need no root: the test starts itself anew in namespaces.
#[test]
fn row_57_dont_fragment_is_a_bit_on_the_wire() {
    const INSIDE: &str = "GINNEL_TEST_IN_NAMESPACE";
    if std::env::var_os(INSIDE).is_some() {
        return look_at_the_wire();
    }
    let test = std::env::current_exe().expect("this test");
    let inside = std::process::Command::new("unshare")
        .args(["-Urn", "sh", "-c", "ip link set lo up && exec \"$0\" --exact \"$1\""])
        .arg(test)
        .arg("row_57_dont_fragment_is_a_bit_on_the_wire")
        .env(INSIDE, "1")
        .output()
        .expect("unshare; install it: apt-get install util-linux iproute2");
    let said = String::from_utf8_lossy(&inside.stdout) + String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success() && said.contains("1 passed"), "{said}");
}

fn look_at_the_wire() {
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).expect("a raw socket");
    raw.bind(&SocketAddr::new(V4, 0).into()).expect("loopback");
    raw.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let relay = start(None, false);
    let (client, nonce, relayed) = allocated(&relay);
    let peer = socket(V4).local_addr().expect("bound");
    permit(&client, &nonce, peer);
    for (number, whole) in [false, true, true, false, true, false].into_iter().enumerate() {
        send(&client, peer, &[0x80, number as u8], whole);
        // A header of IPv4 without options, one of UDP, and the payload.
        let packet = loop {
            let mut packet = [0; 2048];
            let length = (&raw).read(&mut packet).expect("a packet in time");
            let ports = [relayed[0].port().to_be_bytes(), peer.port().to_be_bytes()].concat();
            if length >= 28 && packet[20..24] == ports {
                break packet[..length].to_vec();
            }
        };
        assert_eq!(packet[28..], [0x80, number as u8]);
        assert_eq!(packet[6] & 0x40 != 0, whole, "datagram {number}");
    }
}
