//! Every bound of the transport, by name, with its unit last.
//!
//! What the protocol bounds (a message, a room, a description) is `match_core::limits`.

/// The adjustable bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, HTTP and WebSocket together.
    pub connections_max: usize,
    /// Connections at once from one IPv4 /24 or IPv6 /48, as an office or a school looks; 0 is no limit.
    pub connections_per_prefix_max: usize,
    /// From one request's end, or the connection's start, to the next request's last header, in milliseconds.
    pub request_ms_max: u64,
    /// How long a connection may speak HTTP in all, in milliseconds: the end of one that never reads.
    pub http_ms_max: u64,
    /// Between two pings, in milliseconds; a peer that is silent from one to the next is gone.
    pub ping_ms: u64,
    /// How long one write may take, in milliseconds.
    pub write_ms_max: u64,
    /// How long a closing handshake may take, in milliseconds.
    pub close_ms_max: u64,
    /// What may wait for one reader, in bytes; a slower one is dropped. It must hold what a partner may send
    /// at once, because the matcher may handle all of that before the reader's task has a turn.
    pub outbound_bytes_max: usize,
    /// The same of all readers together; beyond it those for whom the most waits are dropped.
    pub outbound_total_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            connections_per_prefix_max: 1_024,
            request_ms_max: 5_000,
            http_ms_max: 120_000,
            ping_ms: 15_000,
            write_ms_max: 10_000,
            close_ms_max: 2_000,
            outbound_bytes_max: 256 * 1024,
            outbound_total_bytes_max: 64 << 20,
        }
    }
}

/// A request's line and headers together, in bytes. It is also the least that hyper takes.
pub(crate) const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Header lines of a request.
pub(crate) const REQUEST_HEADERS_MAX: usize = 64;
/// Fragments of a message.
pub(crate) const MESSAGE_FRAGMENTS_MAX: usize = 32;
/// What a WebSocket reads at once, in bytes; most messages are shorter.
pub(crate) const READ_BUFFER_BYTES: usize = 1024;
/// What is read at once from the stream below a WebSocket, in bytes.
pub(crate) const READ_AHEAD_BYTES: usize = 8 * 1024;
/// What is written at once where several messages wait, in bytes; the last one may be longer.
pub(crate) const WRITE_BYTES: usize = 8 * 1024;
/// What a WebSocket may hold of unsent frames, in bytes.
pub(crate) const WRITE_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// What a waiting message costs beside its text, in bytes, so that short ones are not for nothing.
pub(crate) const MESSAGE_OVERHEAD_BYTES: usize = 128;
/// A connection's turn ends after 128 shares, a message being one at least; so many bytes are one more.
pub(crate) const BYTES_PER_TURN_SHARE: usize = 512;
/// Commands that may wait for the matcher; who sends more waits.
pub(crate) const COMMANDS_MAX: usize = 256;
/// Commands the matcher takes before it looks at the clock again.
pub(crate) const COMMANDS_PER_TURN_MAX: usize = 64;
/// What is read and thrown away so that the last words reach a peer that is still sending, in bytes.
pub(crate) const LINGER_BYTES_MAX: usize = 256 * 1024;

/// Streams of a QUIC connection that the client may have open both ways: the request, the signaling's, and
/// some to be turned away.
pub(crate) const QUIC_BIDI_STREAMS_MAX: u32 = 8;
/// Streams from the client to us alone. RFC 9114 §6.2 wants three at least; browsers open one more at random.
pub(crate) const QUIC_UNI_STREAMS_MAX: u32 = 8;
/// What one stream may have under way to us, in bytes.
pub(crate) const QUIC_STREAM_RECEIVE_BYTES_MAX: u32 = 32 * 1024;
/// The same of all streams of a connection together.
pub(crate) const QUIC_RECEIVE_BYTES_MAX: u32 = 64 * 1024;
/// What a QUIC connection may hold of unacknowledged data to the client, in bytes.
pub(crate) const QUIC_SEND_BYTES_MAX: u64 = 64 * 1024;
/// Handshake messages out of order, in bytes.
pub(crate) const QUIC_CRYPTO_BYTES_MAX: usize = 16 * 1024;
/// What is held of QUIC datagrams, which nobody reads, in bytes; the largest one we say we take.
pub(crate) const QUIC_DATAGRAM_BYTES_MAX: usize = 1_200;
/// First packets that wait to be judged, which takes microseconds.
pub(crate) const QUIC_INCOMING_MAX: usize = 256;
/// What is held for one of them meanwhile, in bytes.
pub(crate) const QUIC_INCOMING_BYTES_MAX: u64 = 16 * 1024;
/// Handshakes under way on one listening address; each costs a signature.
pub(crate) const QUIC_HANDSHAKES_MAX: usize = 256;
/// Those of one /24 or /48. Four networks are needed to keep newcomers of others out.
pub(crate) const QUIC_HANDSHAKES_PER_PREFIX_MAX: usize = QUIC_HANDSHAKES_MAX / 4;
/// With so many under way, only those who have proved their address begin another.
pub(crate) const QUIC_HANDSHAKES_UNPROVED_MAX: usize = 32;
/// The same of those of one network: what has been made up in its name leaves it the most of its share.
pub(crate) const QUIC_HANDSHAKES_UNPROVED_PER_PREFIX_MAX: usize = QUIC_HANDSHAKES_PER_PREFIX_MAX / 4;
/// Frames on an HTTP/3 control stream after the settings, for as long as the connection lives.
pub(crate) const HTTP3_CONTROL_FRAMES_MAX: usize = 256;
/// One of them, in bytes.
pub(crate) const HTTP3_FRAME_BYTES_MAX: u64 = 64 * 1024;
/// What a client may say about its dynamic table, in bytes; ours holds nothing.
pub(crate) const HTTP3_QPACK_BYTES_MAX: u64 = 1_024;
/// Requests and streams besides the one session's, before the connection ends for them.
pub(crate) const HTTP3_TURNED_AWAY_MAX: usize = 128;
/// How long such a stream may take to say what it is, in milliseconds.
pub(crate) const HTTP3_SORT_MS_MAX: u64 = 1_000;

const _: () = assert!(READ_AHEAD_BYTES > READ_BUFFER_BYTES);
const _: () = assert!(QUIC_HANDSHAKES_PER_PREFIX_MAX < QUIC_HANDSHAKES_MAX);
const _: () = assert!(QUIC_HANDSHAKES_UNPROVED_MAX < QUIC_HANDSHAKES_MAX);
const _: () = assert!(QUIC_HANDSHAKES_UNPROVED_PER_PREFIX_MAX < QUIC_HANDSHAKES_PER_PREFIX_MAX);
const _: () = assert!(WRITE_BUFFER_BYTES_MAX > WRITE_BYTES + match_core::limits::MESSAGE_BYTES_MAX);
