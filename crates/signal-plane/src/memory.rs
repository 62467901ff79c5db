//! How many bytes the signaling takes when every limit is reached: an upper bound by the sizes of buffers and
//! of what the matcher holds, not a measurement. TLS and the kernel's buffers are the stream's owner's.

use match_core::limits::MESSAGE_BYTES_MAX;

use crate::limits::{
    COMMANDS_MAX, HTTP3_QPACK_BYTES_MAX, Limits, QUIC_CRYPTO_BYTES_MAX, QUIC_HANDSHAKES_MAX,
    QUIC_INCOMING_BYTES_MAX, QUIC_INCOMING_MAX, QUIC_RECEIVE_BYTES_MAX, QUIC_SEND_BYTES_MAX,
    READ_AHEAD_BYTES, WRITE_BUFFER_BYTES_MAX,
};

/// The most that each part takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorstCase {
    /// Connections with the messages that they send and receive at the moment.
    pub connections: usize,
    /// The matcher, with what it holds for clients that may come back.
    pub matcher: usize,
    /// What waits to be sent, for all.
    pub outbound: usize,
}

impl WorstCase {
    /// What a signaling with these limits takes. `listeners`: addresses at which QUIC is spoken.
    pub const fn of(limits: &Limits, matcher: &match_core::Limits, listeners: usize) -> Self {
        let handshakes = QUIC_HANDSHAKES_MAX * QUIC_CRYPTO_BYTES_MAX;
        let incoming = QUIC_INCOMING_MAX * QUIC_INCOMING_BYTES_MAX as usize;
        Self {
            connections: limits.connections_max * CONNECTION_BYTES_MAX
                + COMMANDS_MAX * COMMAND_BYTES_MAX
                + listeners * (handshakes + incoming),
            matcher: match_core::memory::bytes_max(matcher),
            // While it goes out, TLS has made a second of it.
            outbound: 2 * limits.outbound_total_bytes_max,
        }
    }

    /// All parts.
    pub const fn total(&self) -> usize {
        self.connections + self.matcher + self.outbound
    }
}

/// What one connection takes besides what waits for it: the larger of the two.
pub const CONNECTION_BYTES_MAX: usize =
    if WEB_SOCKET_BYTES_MAX > QUIC_BYTES_MAX { WEB_SOCKET_BYTES_MAX } else { QUIC_BYTES_MAX }
        + COMMAND_BYTES_MAX;

/// A WebSocket while a message is half there. It keeps its buffers once they have grown, which goes by
/// doubling.
const WEB_SOCKET_BYTES_MAX: usize =
    IDLE_BYTES + READ_AHEAD_BYTES + 2 * MESSAGE_BYTES_MAX + WRITE_BUFFER_BYTES_MAX;

/// A connection of QUIC with full windows, and a message that is put together.
const QUIC_BYTES_MAX: usize = IDLE_QUIC_BYTES
    + QUIC_RECEIVE_BYTES_MAX as usize
    + QUIC_SEND_BYTES_MAX as usize
    + 2 * MESSAGE_BYTES_MAX
    + HTTP3_QPACK_BYTES_MAX as usize;

/// A message that was read and waits for the matcher, with what its parts take besides their text.
const COMMAND_BYTES_MAX: usize = MESSAGE_BYTES_MAX / 2 * 3;

/// A greeted WebSocket that does nothing: 5,190 bytes were measured, with the client's end and the kernel's
/// pages beside (`tests/an_idle_connection_is_small.rs`).
const IDLE_BYTES: usize = 6 << 10;

/// The same over QUIC.
const IDLE_QUIC_BYTES: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_has_its_part() {
        let (limits, matcher) = (Limits::default(), match_core::Limits::default());
        let all = WorstCase::of(&limits, &matcher, 1);
        let more = Limits { connections_max: limits.connections_max + 1, ..limits.clone() };
        let grown = WorstCase::of(&more, &matcher, 1).connections - all.connections;
        assert_eq!(grown, CONNECTION_BYTES_MAX);
        let more = Limits { outbound_total_bytes_max: limits.outbound_total_bytes_max + 1, ..limits.clone() };
        assert_eq!(WorstCase::of(&more, &matcher, 1).outbound, all.outbound + 2);
        let more = match_core::Limits { lost_max: matcher.lost_max + 1, ..matcher.clone() };
        assert!(WorstCase::of(&limits, &more, 1).matcher > all.matcher);
        assert!(WorstCase::of(&limits, &matcher, 2).connections > all.connections);
        assert_eq!(all.total(), all.connections + all.matcher + all.outbound);
    }
}
