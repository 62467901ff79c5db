//! A peer sends a burst of datagrams that just fit the way; what the client is sent of each does not fit any
//! more. The kernel cuts no such burst, but it fragments each datagram. RFC 8656 §13.

#[path = "common/client.rs"]
mod client;
mod common;
#[path = "common/namespace.rs"]
mod namespace;
#[path = "common/permitting.rs"]
mod permitting;

use quinn_udp::{Transmit, UdpSocketState};
use stun_wire::{AttributeType, Message};

use self::common::{V4, receive, socket, start};
use self::namespace::inside;
use self::permitting::permitting;

#[test]
fn also_those_of_a_burst() {
    inside("also_those_of_a_burst", "ip link set lo up mtu 1500", relay_bursts);
}

fn relay_bursts() {
    let relay = start(None, false);
    let peer = socket(V4);
    let (client, relayed) = permitting(relay.listening()[0], &[peer.local_addr().expect("bound")]);
    let sending = UdpSocketState::new((&peer).into()).expect("a socket");
    let contents: Vec<u8> = (0..BURST).flat_map(|number| [number; FITTING]).collect();
    let burst = Transmit {
        destination: relayed,
        ecn: None,
        contents: &contents,
        segment_size: Some(FITTING),
        src_ip: None,
    };
    for _ in 0..ROUNDS {
        sending.send((&peer).into(), &burst).expect("sent");
        for number in 0..BURST {
            let (datagram, _) = receive(&client);
            assert!(datagram.len() > FITTING);
            let message = Message::parse(&datagram).expect("a Data indication");
            let data = message.find(AttributeType::DATA).expect("data");
            assert!(data == [number; FITTING], "{} bytes of {}", data.len(), data[0]);
        }
    }
    assert_eq!(relay.handle().counters().io.send_failures, 0);
    relay.stop();
}

/// Bytes that leave no room: 1,500 less the headers of IPv4 and UDP.
const FITTING: usize = 1472;
const BURST: u8 = 10;
const ROUNDS: usize = 20;
