//! Peers that the kernel refuses to send to, in a network of the test's own: each datagram is counted and
//! none is told of, the relay goes on, and what others send arrives.

#[path = "common/client.rs"]
mod client;
mod common;
#[path = "common/namespace.rs"]
mod namespace;
#[path = "common/permitting.rs"]
mod permitting;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use stun_wire::{AttributeType, Class, MessageWriter, Method};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use self::common::{ID, PATIENCE, V4, receive, socket, start};
use self::namespace::inside;
use self::permitting::permitting;

/// Where sending fails: EACCES by a prohibited route, EHOSTUNREACH by an unreachable one, and ENETUNREACH
/// without any.
const REFUSED: [&str; 3] = ["9.9.9.1:5000", "9.9.9.2:5000", "9.9.9.3:5000"];
const ROUTES: &str = "ip link set lo up && ip route add prohibit 9.9.9.1 && ip route add unreachable 9.9.9.2";

/// Where the way is too slow: EAGAIN where the queue takes all that the socket may buffer, and ENOBUFS where
/// it takes next to nothing.
const SLOW: [&str; 2] = ["9.9.9.4:5000", "9.9.9.5:5000"];
const QUEUES: &str = "ip link set lo up && \
    slow() { ip link add $1 type veth peer name $1b && ip link set $1 up && ip link set $1b up && \
    echo 1 >/proc/sys/net/ipv4/conf/$1/route_localnet && ip route add $2 dev $1 && \
    ip neigh add $2 lladdr 02:00:00:00:00:01 dev $1 && \
    tc qdisc add dev $1 root tbf rate 8kbit burst 2000 limit $3; } && \
    slow v0 9.9.9.4 10000000 && slow v1 9.9.9.5 3000";
const ROUNDS: u8 = 100;

#[test]
fn row_100_errors_of_sendto_are_counted_and_hold_up_nobody() {
    inside("row_100_errors_of_sendto_are_counted_and_hold_up_nobody", ROUTES, send_where_nothing_can_be_sent);
}

#[test]
fn row_100_full_queues_of_the_kernel_are_counted_and_hold_up_nobody() {
    let name = "row_100_full_queues_of_the_kernel_are_counted_and_hold_up_nobody";
    inside(name, QUEUES, send_where_all_is_full);
}

fn send_where_all_is_full() {
    tracing::subscriber::set_global_default(Loud).expect("the only one here");
    let relay = start(None, true);
    let peer = socket(V4);
    let good = peer.local_addr().expect("bound");
    let (other, _) = permitting(relay.listening()[0], &[good]);
    for slow in SLOW.map(|address| address.parse().expect("an address")) {
        let (client, _) = permitting(relay.listening()[0], &[slow, good]);
        let told = TOLD.load(Ordering::Relaxed);
        let before = relay.handle().counters().io.send_failures;
        // Each may buffer 128 KiB: ten times that.
        for number in 0..ROUNDS {
            for _ in 0..10 {
                send(&client, slow, &[0; 1200]);
            }
            send(&other, good, &[number]);
            assert_eq!(receive(&peer).0, [number], "another client notices nothing");
        }
        let deadline = Instant::now() + PATIENCE;
        while relay.handle().counters().io.send_failures < before + 500 {
            assert!(Instant::now() < deadline, "{:?}", relay.handle().counters().io);
            std::thread::yield_now();
        }
        assert_eq!(TOLD.load(Ordering::Relaxed), told, "nothing is written for each datagram");
    }
    relay.stop();
}

fn send_where_nothing_can_be_sent() {
    tracing::subscriber::set_global_default(Loud).expect("the only one here");
    let relay = start(None, true);
    let peer = socket(V4);
    let good = peer.local_addr().expect("bound");
    let refused = REFUSED.map(|address| address.parse().expect("an address"));
    let (client, _) = permitting(relay.listening()[0], &[&refused[..], &[good]].concat());
    let told = TOLD.load(Ordering::Relaxed);
    for number in 0..ROUNDS {
        for peer in refused {
            send(&client, peer, &[number]);
        }
        send(&client, good, &[number]);
        assert_eq!(receive(&peer).0, [number]);
    }
    let failures = u64::from(ROUNDS) * REFUSED.len() as u64;
    let deadline = Instant::now() + PATIENCE;
    while relay.handle().counters().io.send_failures < failures {
        assert!(Instant::now() < deadline, "{:?}", relay.handle().counters().io);
        std::thread::yield_now();
    }
    assert_eq!(relay.handle().counters().io.send_failures, failures);
    assert_eq!(TOLD.load(Ordering::Relaxed), told, "nothing is written for each datagram");
    relay.stop();
}

fn send(client: &UdpSocket, peer: SocketAddr, payload: &[u8]) {
    let mut out = Vec::new();
    MessageWriter::new(&mut out, Class::Indication, Method::SEND, ID)
        .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
        .attribute(AttributeType::DATA, payload);
    client.send(&out).expect("sent");
}

/// What was written to the log at the levels that operators use.
static TOLD: AtomicU64 = AtomicU64::new(0);

/// Counts events.
struct Loud;

impl Subscriber for Loud {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        TOLD.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
