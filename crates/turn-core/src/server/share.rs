//! Whose a datagram is, on a port that TURN shares with QUIC and DTLS. Nothing but the first byte is looked
//! at.
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
    /// Whoever decrypts DTLS; what is inside comes to [`Server::handle_client`].
    Dtls,
    /// Nobody: it is dropped, and counted.
    Nobody(DropReason),
}

impl Server {
    /// Sorts a datagram that came to a port on which QUIC and DTLS are spoken too. Nothing is kept of it.
    //= RFC 9443 §3: 0-3 is STUN, 20-63 DTLS, 64-79 a TURN channel, 80-127 and 192-255 QUIC
    //= RFC 9443 §3: the short headers of QUIC begin with 64-127, channels among them: a 5-tuple that holds an
    //= allocation is a TURN client's, any other is not
    pub fn handle_shared(&mut self, tuple: &FiveTuple, datagram: &[u8]) -> Owner {
        let owner = match datagram {
            [0..=3, ..] => Owner::Turn,
            [64..=79, ..] if self.by_tuple.find(tuple).is_some() || self.away.contains_key(tuple) => {
                Owner::Turn
            }
            // QUIC answers strangers too: a version it does not know, a connection it has forgotten.
            [64..=127 | 192..=255, ..] if !self.addresses.is_hopeless(tuple) => Owner::Quic,
            [64..=127 | 192..=255, ..] => Owner::Nobody(DropReason::HopelessSource),
            _ => return self.handle_secured(tuple, datagram),
        };
        self.count_owner(owner)
    }

    /// Sorts a datagram that came to a port on which nothing but DTLS is spoken. Nothing is kept of it.
    pub fn handle_secured(&mut self, tuple: &FiveTuple, datagram: &[u8]) -> Owner {
        self.count_owner(match datagram {
            // Strangers are answered with a cookie.
            [20..=63, ..] if !self.addresses.is_hopeless(tuple) => Owner::Dtls,
            [20..=63, ..] => Owner::Nobody(DropReason::HopelessSource),
            _ => Owner::Nobody(DropReason::NotStun),
        })
    }

    fn count_owner(&mut self, owner: Owner) -> Owner {
        if let Owner::Nobody(reason) = owner {
            self.counters.drops[reason as usize] += 1;
        }
        owner
    }
}
