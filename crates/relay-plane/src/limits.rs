//! Every bound of this crate. Those that an operator's situation decides are arguments
//! ([`crate::web::Caps`]).

use std::time::Duration;

/// Listening addresses; their places fit a `ListenerId`.
pub(crate) const LISTENERS_MAX: usize = 16;

/// Workers; the ports of relayed addresses are divided among them.
pub(crate) const WORKERS_MAX: usize = 256;

/// Addresses that this machine had and lost which are still ours: allocations may stand at them.
pub(crate) const FORMER_IPS_MAX: usize = 64;

/// Notices that wait for one worker. Of those that may be lost one more is: the next packet without a route
/// asks again. The others take no more memory than what they tell the end of has left.
pub(crate) const NOTICES_MAX: usize = 4_096;

/// Bytes of datagrams that wait for one worker because their client has moved there and is still heard by
/// another, and of their letters: half a second of a call in high definition.
pub(crate) const PASSED_ON_BYTES_MAX: usize = 256 << 10;

/// Bytes of datagrams from a socket that all workers share which wait for one of them, and of what is kept
/// with each burst: what the kernel would hold for it in a socket of its own.
pub(crate) const ARRIVALS_BYTES_MAX: usize = LISTENER_BUFFER_BYTES;

/// The same of what has been read for one worker, before it is handed out though the turn is not over.
pub(crate) const INLET_BATCH_BYTES_MAX: usize = 256 << 10;

/// Ends of sessions that wait for one worker, which takes all at once, within microseconds.
pub(crate) const ENDINGS_MAX: usize = turn_core::limits::ENDED_SESSIONS_MAX;

/// Bytes of one receive buffer: the largest that the kernel joins from a burst of datagrams.
pub(crate) const RECEIVE_BYTES: usize = 65_536;

/// Receive buffers that one system call may fill.
pub(crate) const RECEIVE_BATCH_MAX: usize = quinn_udp::BATCH_SIZE;

/// ICMP errors taken from one socket in a turn.
pub(crate) const ERRORS_PER_TURN_MAX: usize = 64;

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

/// The same for the relay socket of one `public` allocation, of what it receives: 100 ms of 8 Mbit/s. A
/// worker reads within a few.
pub(crate) const RELAY_RECEIVE_BYTES: usize = 128 << 10;

/// And of what it sends: one burst, which the kernel has passed on before the next is made.
pub(crate) const RELAY_SEND_BYTES: usize = 64 << 10;

/// How old published counters may be.
pub(crate) const PUBLISH_INTERVAL: Duration = Duration::from_millis(100);

/// Between two log lines of one worker which say that passwords are being guessed.
pub(crate) const GUESSES_INTERVAL: Duration = Duration::from_secs(60);

/// Readiness events taken from the kernel at once.
pub(crate) const EVENTS_PER_POLL: usize = 256;

/// From a connection's acceptance until it is decrypted; and from then on, until the reader of the
/// queue takes it.
pub(crate) const HANDSHAKE_MS_MAX: u64 = 5_000;
/// The same, for those who tell it.
pub const HANDSHAKE_TIME_MAX: Duration = Duration::from_millis(HANDSHAKE_MS_MAX);

/// What a header of the PROXY protocol, version 2, has behind its fixed part: addresses, and what a proxy
/// adds.
pub(crate) const PROXY_HEADER_BYTES_MAX: usize = 2_048;

/// From the end of the handshake until the byte that tells HTTP from TURN, where ALPN did not.
pub(crate) const FIRST_BYTE_MS_MAX: u64 = 5_000;

/// Decrypted streams that wait for the reader of the queue. It empties within microseconds; a longer queue
/// would only hide that it does not.
pub(crate) const DECRYPTED_QUEUE_MAX: usize = 64;

/// Connections the kernel completes before we accept them.
pub(crate) const BACKLOG_CONNECTIONS_MAX: i32 = 1_024;

/// Pause after an accept that failed for want of descriptors or memory: until one is free, the same
/// connection would be offered again at once, and the loop would eat a core.
pub(crate) const ACCEPT_BACK_OFF_MS: u64 = 100;

/// Opened streams that one worker has not looked at. A connection more is closed.
pub(crate) const STREAMS_WAITING_MAX: usize = 1_024;

/// Bytes of unanswered frames, and of one frame, of a stream client that has no allocation.
pub(crate) const STREAM_UNPROVED_BYTES_MAX: usize = 2_048;

/// How long a stream may be without an allocation: to make the first, or another after the last.
pub(crate) const STREAM_UNPROVED_AGE_MAX: Duration = Duration::from_secs(10);

/// How long a client that has ended may take for its last answers.
pub(crate) const STREAM_LINGER_MAX: Duration = Duration::from_secs(2);

/// Bytes of one read from a stream.
pub(crate) const STREAM_READ_BYTES: usize = 64 << 10;

/// Bytes of frames that the owner has not taken; more are not read, and TCP makes the client wait.
pub(crate) const STREAM_INBOUND_BYTES_MAX: usize = 256 << 10;

/// Bytes of frames that no owner has taken and of unfinished ones, of all connections together. Above it each
/// is held to what one without an allocation may have.
pub(crate) const STREAM_INBOUNDS_BYTES_MAX: usize = 32 << 20;

/// Bytes of one write: some frames.
pub(crate) const STREAM_BATCH_BYTES: usize = 64 << 10;

/// Bytes of a peer's data that wait for a slow reader: what 8 Mbit/s are in [`STREAM_QUEUE_AGE_MAX`]. As many
/// of answers, which are not dropped: who leaves more unread is closed.
pub(crate) const STREAM_QUEUE_BYTES_MAX: usize = 512 << 10;

/// How long a peer's data waits for a slow reader. Players hold about as much; what is older comes too late.
pub(crate) const STREAM_QUEUE_AGE_MAX: Duration = Duration::from_millis(500);

/// Bytes that wait for all slow readers together. Newer data is dropped then, and of answers each may have
/// [`STREAM_ANSWERS_BYTES_MAX`].
pub(crate) const STREAM_QUEUES_BYTES_MAX: usize = 64 << 20;

/// Bytes of answers that a client may leave unread however much waits for others: a hundred.
pub(crate) const STREAM_ANSWERS_BYTES_MAX: usize = 16 << 10;

/// Bytes that the kernel takes before it could send them: enough to keep it busy between two wakings.
pub(crate) const STREAM_UNSENT_BYTES: u32 = 64 << 10;

/// How long sent bytes may stay unacknowledged before the kernel gives a connection up.
pub(crate) const STREAM_UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// When the kernel asks a silent client whether it is there, how often, and how many times in vain.
pub(crate) const STREAM_KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
pub(crate) const STREAM_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
pub(crate) const STREAM_KEEPALIVE_PROBES: u32 = 3;

/// Peers of one TCP allocation whose connections the kernel completes before we accept them.
pub(crate) const PEER_BACKLOG_MAX: u32 = 64;

/// Accepted connections of peers that one worker has not looked at. One more is closed.
pub(crate) const PEERS_WAITING_MAX: usize = 1_024;

/// Bytes that a client's and a peer's connection, once they are joined, have between them in each direction:
/// a TLS record.
pub(crate) const PIPE_BYTES: usize = 16 << 10;

/// How long one side of joined connections may be silent after the other has said all.
pub(crate) const PIPE_HALF_OPEN_IDLE_MAX: Duration = Duration::from_secs(60);

/// How long a cookie for DTLS is good at least; at most it is twice as long.
pub(crate) const DTLS_COOKIE_AGE_MAX: Duration = Duration::from_secs(30);

/// DTLS handshakes that one worker begins in a second: each costs it about a third of a millisecond, in which
/// it moves no packet.
pub(crate) const DTLS_HANDSHAKES_S_MAX: u32 = 200;

/// Those of one /24 or /48.
pub(crate) const DTLS_HANDSHAKES_PER_PREFIX_S_MAX: u32 = 50;

/// Until a flight of the DTLS handshake is sent again, the first time; RFC 6347 §4.2.4.1.
pub(crate) const DTLS_FIRST_WAIT: Duration = Duration::from_secs(1);

/// Bytes of our datagrams in a DTLS handshake: what every path takes whole, RFC 8085 §3.2.
pub(crate) const DTLS_DATAGRAM_BYTES_MAX: usize = 1_200;

/// Datagrams of a DTLS handshake that wait for those before them.
pub(crate) const DTLS_HANDSHAKE_DATAGRAMS_MAX: usize = 16;

/// Bytes of one message within DTLS, RFC 6347 §4.1.
pub(crate) const DTLS_MESSAGE_BYTES_MAX: usize = 1 << 14;

/// The same with all that a record has besides.
pub(crate) const DTLS_RECORD_BYTES_MAX: usize = DTLS_MESSAGE_BYTES_MAX + 256;

const _: () = assert!(stun_wire::limits::STREAM_FRAME_BYTES_MAX < STREAM_INBOUND_BYTES_MAX);
const _: () = assert!(stun_wire::limits::STREAM_FRAME_BYTES_MAX < STREAM_QUEUE_BYTES_MAX);
const _: () = assert!(STREAM_UNPROVED_BYTES_MAX <= STREAM_READ_BYTES);
const _: () = assert!(LISTENERS_MAX <= 64 && WORKERS_MAX <= u16::MAX as usize);
const _: () = assert!(BURST_BYTES_MAX < RECEIVE_BYTES && RECEIVE_BYTES < OUTBOX_BYTES_MAX);
const _: () = assert!(DTLS_HANDSHAKES_PER_PREFIX_S_MAX < DTLS_HANDSHAKES_S_MAX);
