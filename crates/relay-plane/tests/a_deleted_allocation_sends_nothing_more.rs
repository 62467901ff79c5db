//! Sixteen threads send on a channel while its allocation is deleted, over real sockets: what is sent after
//! the deletion was answered reaches nobody, and a neighbour's datagrams all arrive. RFC 8656 §7.2.

#[path = "common/client.rs"]
mod client;
mod common;

use std::net::UdpSocket;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use relay_plane::Relay;
use stun_wire::{AttributeType, Class, Message, MessageWriter, Method};

use self::client::Client;
use self::common::{ID, PATIENCE, V4, ask, receive, socket, start};

const CYCLES: u8 = 20;
const THREADS: usize = 16;
/// By each thread, before and after: few enough that no socket's buffer overflows.
const DATAGRAMS: u8 = 8;
const CHANNEL: u16 = 0x4000;

impl Client {
    /// One with a channel to a peer.
    fn with_channel(relay: &Relay, peer: &UdpSocket) -> Self {
        let client = Self::of(relay.listening()[0]);
        ask(&client.socket, &client.nonce, Method::CHANNEL_BIND, |writer| {
            writer
                .u32(AttributeType::CHANNEL_NUMBER, u32::from(CHANNEL) << 16)
                .xor_address(AttributeType::XOR_PEER_ADDRESS, peer.local_addr().expect("bound"));
        });
        client
    }

    fn send(&self, payload: [u8; 2]) {
        let [high, low] = CHANNEL.to_be_bytes();
        self.socket.send(&[&[high, low, 0, 2][..], &payload].concat()).expect("sent");
    }

    fn delete(&self) {
        ask(&self.socket, &self.nonce, Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, 0);
        });
    }

    /// Returns when the worker has read everything that was sent before: it reads a client's datagrams in
    /// order.
    fn wait(&self) {
        let mut request = Vec::new();
        MessageWriter::new(&mut request, Class::Request, Method::BINDING, ID);
        self.socket.send(&request).expect("sent");
        let answer = receive(&self.socket).0;
        assert_eq!(Message::parse(&answer).expect("a message").method(), Method::BINDING);
    }
}

#[test]
fn row_87_what_sixteen_threads_send_after_a_deletion_reaches_nobody() {
    let relay = start(None, false);
    let (peer, other) = (socket(V4), socket(V4));
    let [neighbour, marker] = [&other, &peer].map(|to| Client::with_channel(&relay, to));
    let mut arrived_before = 0;
    for cycle in 0..CYCLES {
        let owner = Client::with_channel(&relay, &peer);
        let together = Barrier::new(THREADS + 2);
        let sent = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    together.wait();
                    for _ in 0..DATAGRAMS {
                        owner.send([cycle, BEFORE]);
                        sent.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            scope.spawn(|| {
                together.wait();
                (0..DATAGRAMS).for_each(|number| neighbour.send([cycle, number]));
            });
            together.wait();
            // Earlier or later among them: whom the cores are given to first is not for us to say.
            let some = THREADS * usize::from(DATAGRAMS) * usize::from(cycle) / usize::from(CYCLES);
            while sent.load(Ordering::Relaxed) < some {
                thread::yield_now();
            }
            owner.delete();
        });
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| (0..DATAGRAMS).for_each(|_| owner.send([cycle, AFTER])));
            }
        });
        owner.wait();
        marker.send([cycle, MARKER]);
        loop {
            match receive(&peer) {
                (payload, from) if payload == [cycle, BEFORE] && from == owner.relayed => arrived_before += 1,
                (payload, from) if payload == [cycle, MARKER] && from == marker.relayed => break,
                (payload, _) => panic!("{payload:?} in cycle {cycle}"),
            }
        }
        for number in 0..DATAGRAMS {
            assert_eq!(receive(&other), (vec![cycle, number], neighbour.relayed), "nothing of it is lost");
        }
    }
    assert!(arrived_before > 0, "none was sent in time");
    let deadline = Instant::now() + PATIENCE;
    // The neighbour's and the marker's; what workers count is published now and then.
    while relay.handle().counters().turn.allocations != 2 {
        assert!(Instant::now() < deadline, "{:?}", relay.handle().counters().turn);
        thread::yield_now();
    }
    relay.stop();
}

const BEFORE: u8 = 0;
const AFTER: u8 = 1;
const MARKER: u8 = 2;
