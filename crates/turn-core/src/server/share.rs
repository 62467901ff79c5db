//! Whose a datagram is, on a port that TURN shares with QUIC. Nothing but the first byte is looked at.
//! RFC 7983, RFC 9443.

use super::Server;
use crate::address::FiveTuple;
use crate::counters::DropReason;

/// Whom a datagram on a shared port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// [`Server::handle_client`].
    Turn,
    /// Whoever speaks QUIC on this port.
    Quic,
    /// Nobody: it is dropped, and counted.
    Nobody(DropReason),
}

impl Server {
    /// Sorts a datagram that came to a port on which QUIC is spoken too. Nothing is kept of it.
    //= RFC 9443 §3: 0-3 is STUN, 64-79 a TURN channel, 80-127 and 192-255 QUIC
    //= RFC 9443 §3: the short headers of QUIC begin with 64-127, channels among them: a 5-tuple that holds an
    //= allocation is a TURN client's, any other is not
    pub fn handle_shared(&mut self, tuple: &FiveTuple, datagram: &[u8]) -> Owner {
        let owner = match datagram {
            [0..=3, ..] => Owner::Turn,
            [64..=79, ..] if self.by_tuple.contains_key(tuple) || self.away.contains_key(tuple) => {
                Owner::Turn
            }
            // QUIC answers strangers too: a version it does not know, a connection it has forgotten.
            [64..=127 | 192..=255, ..] if self.addresses.is_hopeless_source(tuple.client.0) => {
                Owner::Nobody(DropReason::HopelessSource)
            }
            [64..=127 | 192..=255, ..] => Owner::Quic,
            _ => Owner::Nobody(DropReason::NotStun),
        };
        if let Owner::Nobody(reason) = owner {
            self.counters.drops[reason as usize] += 1;
        }
        owner
    }
}
