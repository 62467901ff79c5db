//! Every bound of this crate. Those that an operator's situation decides are arguments
//! ([`crate::web::Caps`]).

use std::time::Duration;

/// Listening addresses; their places fit the byte of a `ListenerId`.
pub(crate) const LISTENERS_MAX: usize = 16;

/// Workers; the ports of relayed addresses are divided among them.
pub(crate) const WORKERS_MAX: usize = 256;

/// Notices that wait for one worker. One more is dropped: the next packet without a route asks again.
pub(crate) const NOTICES_MAX: usize = 4_096;

/// Ends of sessions that wait for one worker, which takes all at once, within microseconds.
pub(crate) const ENDINGS_MAX: usize = turn_core::limits::ENDED_SESSIONS_MAX;

/// Bytes of one receive buffer: the largest that the kernel joins from a burst of datagrams.
pub(crate) const RECEIVE_BYTES: usize = 65_536;

/// Receive buffers that one system call may fill.
pub(crate) const RECEIVE_BATCH_MAX: usize = quinn_udp::BATCH_SIZE;

/// Batches from one socket before the others have their turn.
pub(crate) const BATCHES_PER_TURN_MAX: usize = 8;

/// Bytes of one burst to one destination: what fits a UDP length.
pub(crate) const BURST_BYTES_MAX: usize = 65_000;

/// Bytes of outgoing datagrams before they are sent, though the batch is not through.
pub(crate) const OUTBOX_BYTES_MAX: usize = 1 << 20;

/// Bytes of a QUIC datagram; larger ones are of no use to the signaling, which announces fewer.
pub(crate) const QUIC_DATAGRAM_BYTES_MAX: usize = 1_500;

/// QUIC datagrams that wait for their reader, for each listening address: what a network's queue holds, not
/// what could hide a reader that is too slow.
pub(crate) const QUIC_QUEUE_DATAGRAMS_MAX: usize = 2_048;

/// Bytes that the kernel is asked to buffer for a listening socket, each way; it may grant less.
pub(crate) const LISTENER_BUFFER_BYTES: usize = 4 << 20;

/// The same for the relay socket of one `public` allocation.
pub(crate) const RELAY_BUFFER_BYTES: usize = 256 << 10;

/// How old published counters may be.
pub(crate) const PUBLISH_INTERVAL: Duration = Duration::from_millis(100);

/// Readiness events taken from the kernel at once.
pub(crate) const EVENTS_PER_POLL: usize = 256;

/// From a connection's acceptance until its decrypted stream is taken by the reader of the queue.
pub(crate) const HANDSHAKE_MS_MAX: u64 = 5_000;

/// Decrypted streams that wait for the reader of the queue. It empties within microseconds; a longer queue
/// would only hide that it does not.
pub(crate) const DECRYPTED_QUEUE_MAX: usize = 64;

/// Connections the kernel completes before we accept them.
pub(crate) const BACKLOG_CONNECTIONS_MAX: i32 = 1_024;

/// Pause after an accept that failed for want of descriptors or memory: until one is free, the same
/// connection would be offered again at once, and the loop would eat a core.
pub(crate) const ACCEPT_BACK_OFF_MS: u64 = 100;

const _: () = assert!(LISTENERS_MAX <= 256 && WORKERS_MAX <= u16::MAX as usize);
const _: () = assert!(BURST_BYTES_MAX < RECEIVE_BYTES && RECEIVE_BYTES < OUTBOX_BYTES_MAX);
