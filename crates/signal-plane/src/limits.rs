//! Every bound of the transport, by name, with its unit last.
//!
//! What the protocol bounds (a message, a room, a description) is `match_core::limits`.

/// The adjustable bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once, HTTP and WebSocket together.
    pub connections_max: usize,
    /// Connections at once from one IPv4 address or IPv6 /64; 0 is no limit.
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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 20_000,
            connections_per_prefix_max: 512,
            request_ms_max: 5_000,
            http_ms_max: 120_000,
            ping_ms: 15_000,
            write_ms_max: 10_000,
            close_ms_max: 2_000,
            outbound_bytes_max: 256 * 1024,
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
/// What a WebSocket may hold of unsent frames, in bytes.
pub(crate) const WRITE_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// What a waiting message costs beside its text, in bytes, so that short ones are not for nothing.
pub(crate) const MESSAGE_OVERHEAD_BYTES: usize = 128;
/// Commands that may wait for the matcher; who sends more waits.
pub(crate) const COMMANDS_MAX: usize = 1024;
/// Commands the matcher takes before it looks at the clock again.
pub(crate) const COMMANDS_PER_TURN_MAX: usize = 64;
/// What is read and thrown away so that the last words reach a peer that is still sending, in bytes.
pub(crate) const LINGER_BYTES_MAX: usize = 256 * 1024;

const _: () = assert!(WRITE_BUFFER_BYTES_MAX > match_core::limits::MESSAGE_BYTES_MAX);
