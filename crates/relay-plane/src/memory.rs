//! How much memory a relay takes when every limit is reached, by the sizes of what it holds and what it asks
//! of the kernel. Not what it takes now, and not the system's other programs. Design: relay.md §5.

use turn_core::limits::{CONNECTIONS_TOTAL_MAX, ENDED_SESSIONS_MAX};
use turn_core::memory::{self as of_core, ALLOCATION_BYTES_MAX, ALLOCATIONS_MAX, SERVER_BYTES_MAX};
use turn_core::{Notice, SessionId};

use crate::limits::{
    ARRIVALS_BYTES_MAX, INLET_BATCH_BYTES_MAX, LISTENER_BUFFER_BYTES, NOTICES_MAX, OUTBOX_BYTES_MAX,
    PASSED_ON_BYTES_MAX, PIPE_BYTES, QUIC_DATAGRAM_BYTES_MAX, QUIC_QUEUE_DATAGRAMS_MAX, RECEIVE_BATCH_MAX,
    RECEIVE_BYTES, RELAY_RECEIVE_BYTES, RELAY_SEND_BYTES, STREAM_ANSWERS_BYTES_MAX, STREAM_INBOUND_BYTES_MAX,
    STREAM_INBOUNDS_BYTES_MAX, STREAM_QUEUE_BYTES_MAX, STREAM_QUEUES_BYTES_MAX, STREAM_UNPROVED_BYTES_MAX,
    STREAMS_WAITING_MAX,
};
use crate::relay::worker_count;

/// What a relay is asked to carry, as configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Threads; 0: one per core.
    pub workers: usize,
    /// UDP addresses that are listened on.
    pub listeners: usize,
    /// Of them those shared with QUIC.
    pub shared_with_quic: usize,
    /// Allocations; 0: as many as there are numbers.
    pub allocations: usize,
    /// Ports of relay sockets; 0 where nobody may have one.
    pub relay_ports: usize,
    /// Whether TCP allocations may be had, with connections to peers.
    pub tcp_allocations: bool,
    /// TCP connections, whatever is spoken on them, and DTLS associations, which are counted as such.
    pub connections: usize,
    /// Handshakes among them at once.
    pub handshakes: usize,
    /// Whether anybody may relay TCP.
    pub tcp: bool,
    /// UDP sockets that were open before, each read by one thread for all workers.
    pub inherited: usize,
}

/// What the kernel grants; [`usize::MAX`] where there is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kernel {
    /// Bytes that a socket may ask for to receive into.
    pub receive_bytes_max: usize,
    /// Bytes that a socket may ask for to send from.
    pub send_bytes_max: usize,
    /// Bytes that all UDP sockets of the system together receive into.
    pub udp_bytes_max: usize,
}

/// The most that each part takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorstCase {
    /// Workers with their tables, buffers and listening sockets, without anybody there.
    pub workers: usize,
    /// Allocations.
    pub allocations: usize,
    /// The sockets behind those that have one.
    pub relay_sockets: usize,
    /// Connections and associations, without the kernel's buffers: it shrinks those when memory is short.
    pub connections: usize,
    /// Those of TCP allocations with their peers, likewise.
    pub peers: usize,
}

impl Kernel {
    /// What a UDP socket that asks for this may hold, received and to be sent: the kernel doubles what is
    /// asked for, for its own overhead.
    fn socket(&self, receive_bytes: usize, send_bytes: usize) -> (usize, usize) {
        (2 * receive_bytes.min(self.receive_bytes_max), 2 * send_bytes.min(self.send_bytes_max))
    }
}

impl WorstCase {
    /// What `load` takes at most.
    pub fn of(load: &Load, kernel: &Kernel) -> Self {
        let workers = worker_count(load.workers);
        let allocations = match load.allocations {
            0 => ALLOCATIONS_MAX,
            limited => limited.min(ALLOCATIONS_MAX),
        };
        let sockets = allocations.min(load.relay_ports);
        let (received, sent) = kernel.socket(LISTENER_BUFFER_BYTES, LISTENER_BUFFER_BYTES);
        let listeners = workers * load.listeners;
        let (relay_received, relay_sent) = kernel.socket(RELAY_RECEIVE_BYTES, RELAY_SEND_BYTES);
        // One bound of the kernel holds for all that is received; what the listeners have of it the relay
        // sockets can't.
        let listeners_received = (listeners * received).min(kernel.udp_bytes_max);
        let left = kernel.udp_bytes_max - listeners_received;
        Self {
            workers: workers * WORKER_BYTES_MAX
                + load.inherited * (RECEIVE_BATCH_MAX * RECEIVE_BYTES + workers * INLET_BATCH_BYTES)
                // A worker has taken as much as waits for it; and a growing vector has twice what is in it.
                + usize::from(load.inherited > 0) * workers * 2 * 2 * ARRIVALS_BYTES_MAX
                + load.shared_with_quic * QUIC_QUEUE_DATAGRAMS_MAX * QUIC_DATAGRAM_BYTES_MAX
                + listeners_received
                + listeners * sent,
            allocations: allocations * ALLOCATION_BYTES_MAX,
            relay_sockets: sockets * (SOCKET_BYTES + relay_sent) + (sockets * relay_received).min(left),
            connections: load.connections * CONNECTION_BYTES_MAX
                + usize::from(load.tcp_allocations) * CONNECTIONS_TOTAL_MAX * PIPE_BYTES_MAX
                + load.handshakes * HANDSHAKE_BYTES_MAX
                // What TLS has made of a frame is there beside the frame.
                + 2 * STREAM_QUEUES_BYTES_MAX.min(load.connections * STREAM_QUEUE_BYTES_MAX)
                + STREAM_INBOUNDS_BYTES_MAX.min(2 * load.connections * STREAM_INBOUND_BYTES_MAX),
            peers: if load.tcp { workers * of_core::connections_max(workers) * PEER_BYTES_MAX } else { 0 },
        }
    }

    /// All parts.
    pub const fn total(&self) -> usize {
        self.workers + self.allocations + self.relay_sockets + self.connections + self.peers
    }
}

/// What one connection takes while nobody reads it and it has no allocation: its task, what it may have sent
/// and not been answered, its answers as they are and once more as TLS has them, and a record of TLS.
pub const CONNECTION_BYTES_MAX: usize =
    CONNECTION_BYTES + 3 * STREAM_UNPROVED_BYTES_MAX + 2 * STREAM_ANSWERS_BYTES_MAX + TLS_BYTES_MAX;

/// A peer's connection of a TCP allocation, joined to a client's.
const PIPE_BYTES_MAX: usize = CONNECTION_BYTES + 2 * PIPE_BYTES;

/// One worker with the tables of its server, its buffers and what may wait for it.
const WORKER_BYTES_MAX: usize = SERVER_BYTES_MAX
    + RECEIVE_BATCH_MAX * RECEIVE_BYTES
    + 2 * OUTBOX_BYTES_MAX
    + 2 * NOTICES_MAX * size_of::<Notice>()
    + 2 * ENDED_SESSIONS_MAX * size_of::<(SessionId, u64)>()
    // A growing queue has twice the letters that are in it.
    + 2 * PASSED_ON_BYTES_MAX
    + STREAMS_WAITING_MAX * size_of::<usize>();

/// What a reader of an inherited socket has for one worker: a burst more, and a vector's growth.
const INLET_BATCH_BYTES: usize = 2 * (INLET_BATCH_BYTES_MAX + RECEIVE_BYTES);

/// What the kernel keeps for a UDP socket besides datagrams, and we for its worker's poll.
const SOCKET_BYTES: usize = 4 << 10;

/// A connection's task, its places in the workers' tables and the kernel's socket without data.
const CONNECTION_BYTES: usize = 8 << 10;

/// A connection with a peer, and what it and its client's have between them.
const PEER_BYTES_MAX: usize = of_core::CONNECTION_BYTES_MAX + CONNECTION_BYTES + 2 * PIPE_BYTES;

/// A TLS connection's state, and the longest record while it comes.
const TLS_BYTES_MAX: usize = 26 << 10;

/// A handshake under way: the longest message that is put together.
const HANDSHAKE_BYTES_MAX: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Load = Load {
        workers: 2,
        listeners: 2,
        shared_with_quic: 1,
        allocations: 10_000,
        relay_ports: 0,
        tcp_allocations: false,
        connections: 0,
        handshakes: 0,
        tcp: false,
        inherited: 0,
    };
    const KERNEL: Kernel =
        Kernel { receive_bytes_max: 212_992, send_bytes_max: 212_992, udp_bytes_max: 1 << 30 };

    #[test]
    fn every_part_grows_with_what_it_holds() {
        let none = WorstCase::of(&LOAD, &KERNEL);
        assert_eq!((none.relay_sockets, none.connections, none.peers), (0, 0, 0));
        assert_eq!(WorstCase::of(&Load { tcp: true, ..LOAD }, &KERNEL).peers, 4096 * PEER_BYTES_MAX);
        assert_eq!(none.allocations, 10_000 * ALLOCATION_BYTES_MAX);
        assert!(none.total() < 512 << 20, "a small machine carries the defaults: {none:?}");
        let public = WorstCase::of(&Load { relay_ports: 16_384, ..LOAD }, &KERNEL);
        let each = SOCKET_BYTES + 2 * RELAY_SEND_BYTES;
        assert!(public.relay_sockets > 10_000 * each, "besides what they receive");
        let streams = WorstCase::of(&Load { connections: 1_000, ..LOAD }, &KERNEL);
        assert!(streams.connections > 1_000 * CONNECTION_BYTES_MAX + STREAM_QUEUES_BYTES_MAX);
        let tcp = WorstCase::of(&Load { tcp_allocations: true, ..LOAD }, &KERNEL);
        assert_eq!(tcp.connections, CONNECTIONS_TOTAL_MAX * PIPE_BYTES_MAX);
        let inherited = WorstCase::of(&Load { inherited: 1, ..LOAD }, &KERNEL);
        assert!(inherited.workers > none.workers + LOAD.workers * 2 * ARRIVALS_BYTES_MAX);
        let threads = WorstCase::of(&Load { workers: 4, ..LOAD }, &KERNEL);
        assert!(threads.workers > none.workers + 2 * WORKER_BYTES_MAX);
    }

    #[test]
    fn what_has_no_limit_of_its_own_is_bounded_by_numbers_and_by_the_kernel() {
        let all = WorstCase::of(&Load { allocations: 0, relay_ports: 16_384, ..LOAD }, &KERNEL);
        assert_eq!(all.allocations, ALLOCATIONS_MAX * ALLOCATION_BYTES_MAX);
        let received = KERNEL.udp_bytes_max - 2 * LOAD.workers * 2 * KERNEL.receive_bytes_max;
        assert_eq!(all.relay_sockets, 16_384 * (SOCKET_BYTES + 2 * RELAY_SEND_BYTES) + received);
    }
}
