//! What is kept of connections at this moment, by kind; the matcher tells the rest. It tells no connection's
//! content.

use std::time::Duration;

use match_core::Kept;

use crate::limits::WRITE_BYTES;
use crate::signal::Inner;

/// The lines of the inventory that are about connections.
pub(crate) fn of_connections(inner: &Inner) -> [Kept; 4] {
    let limits = &inner.config.limits;
    let seconds = |age: Option<Duration>| age.map(|age| age.as_secs());
    let (handshakes, first_handshake) = inner.quic.handshakes();
    // Each write that is not too late takes all that waits, or so much of it.
    let writes = 1 + limits.outbound_bytes_max.div_ceil(WRITE_BYTES) as u64;
    [
        Kept {
            kind: "signaling connections",
            holds: "an address prefix, to count how many come from there; the part of a request or message \
                    that has come; for WebSocket and QUIC the name by which the server was reached",
            count: inner.admission.total() as u64,
            oldest_s: seconds(inner.admission.oldest()),
            longest_s: None,
        },
        Kept {
            kind: "QUIC connections",
            holds: "of these those that need it: a client's address and port",
            count: inner.quic.connections.total() as u64,
            oldest_s: seconds(inner.quic.connections.oldest()),
            longest_s: None,
        },
        Kept {
            kind: "QUIC handshakes",
            holds: "the same while a connection begins",
            count: handshakes as u64,
            oldest_s: seconds(first_handshake),
            longest_s: Some(limits.request_ms_max.div_ceil(1000)),
        },
        Kept {
            kind: "waiting bytes",
            holds: "of messages on their way to clients, sealed if payloads must be",
            count: inner.pool.bytes() as u64,
            oldest_s: seconds(inner.pool.oldest()),
            longest_s: Some(writes * limits.write_ms_max.div_ceil(1000)),
        },
    ]
}
