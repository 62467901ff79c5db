//! What the relay counts, as plain integers, and the reasons for which a datagram is dropped.
//! Not metrics: whoever drives the core publishes them.

/// Why a datagram got neither an answer nor a way on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// ChannelData that is shorter than it says or has no legal number.
    BadChannelData,
    /// A STUN message of no legal form, wrong cookie and wrong fingerprint included.
    BadMessage,
    /// ChannelData on a number that is not bound.
    ChannelUnbound,
    /// From port 0, a multicast address, one of our own sockets, or a service that must not be answered.
    HopelessSource,
    /// A response, an indication that is not Send, or a method that does not exist here.
    NotARequest,
    /// Nothing of ours begins with this byte.
    NotStun,
    /// A peer that sends without a permission, or a client that sends to one without.
    NoPermission,
    /// No allocation on this 5-tuple.
    NoAllocation,
    /// A peer within the appliance that does not exist, does not accept, or is not the partner.
    NoRoute,
    /// Its network had as many answers as it may have before it proves that it hears them.
    OverBudget,
    /// A side of a session, or a static user's allocation, sends or receives more than it may.
    OverSessionRate,
    /// The appliance relays as much as it may, and this one more than its share of it.
    OverTotalRate,
    /// A peer address that policy refuses.
    PeerRefused,
    /// A relay socket that is still being opened.
    RelayNotReady,
    /// A payload that fits no datagram once it is wrapped for its receiver.
    TooLarge,
    /// A request without credentials that is not a well-formed Allocate, or too short to be worth an answer.
    Unauthenticated,
}

impl DropReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 16] = [
        Self::BadChannelData,
        Self::BadMessage,
        Self::ChannelUnbound,
        Self::HopelessSource,
        Self::NotARequest,
        Self::NotStun,
        Self::NoPermission,
        Self::NoAllocation,
        Self::NoRoute,
        Self::OverBudget,
        Self::OverSessionRate,
        Self::OverTotalRate,
        Self::PeerRefused,
        Self::RelayNotReady,
        Self::TooLarge,
        Self::Unauthenticated,
    ];

    /// The label of the metric.
    pub const fn label(self) -> &'static str {
        match self {
            Self::BadChannelData => "bad_channel_data",
            Self::BadMessage => "bad_message",
            Self::ChannelUnbound => "channel_unbound",
            Self::HopelessSource => "hopeless_source",
            Self::NotARequest => "not_a_request",
            Self::NotStun => "not_stun",
            Self::NoPermission => "no_permission",
            Self::NoAllocation => "no_allocation",
            Self::NoRoute => "no_route",
            Self::OverBudget => "over_budget",
            Self::OverSessionRate => "over_session_rate",
            Self::OverTotalRate => "over_total_rate",
            Self::PeerRefused => "peer_refused",
            Self::RelayNotReady => "relay_not_ready",
            Self::TooLarge => "too_large",
            Self::Unauthenticated => "unauthenticated",
        }
    }
}

/// Totals since start, and what lives now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Allocations that live now.
    pub allocations: u64,
    /// Allocations ever made.
    pub allocations_made: u64,
    /// Clients that were heard on another 5-tuple and took their allocations along.
    pub moves: u64,
    /// Binding requests answered.
    pub bindings: u64,
    /// Requests answered with success, Binding not included.
    pub successes: u64,
    /// Requests answered with an error.
    pub errors: u64,
    /// Datagrams whose payload went on by a route, from client to client.
    pub routed_packets: u64,
    /// Payload bytes of those.
    pub routed_bytes: u64,
    /// Datagrams whose payload went from a client to an outside peer.
    pub to_peer_packets: u64,
    /// Payload bytes of those.
    pub to_peer_bytes: u64,
    /// Datagrams whose payload went from an outside peer to a client.
    pub from_peer_packets: u64,
    /// Payload bytes of those.
    pub from_peer_bytes: u64,
    /// Datagrams dropped, by the number of their [`DropReason`].
    pub drops: [u64; DropReason::ALL.len()],
}

impl Counters {
    /// Adds another worker's numbers.
    pub fn add(&mut self, other: &Self) {
        self.allocations += other.allocations;
        self.allocations_made += other.allocations_made;
        self.moves += other.moves;
        self.bindings += other.bindings;
        self.successes += other.successes;
        self.errors += other.errors;
        self.routed_packets += other.routed_packets;
        self.routed_bytes += other.routed_bytes;
        self.to_peer_packets += other.to_peer_packets;
        self.to_peer_bytes += other.to_peer_bytes;
        self.from_peer_packets += other.from_peer_packets;
        self.from_peer_bytes += other.from_peer_bytes;
        for (sum, more) in self.drops.iter_mut().zip(other.drops) {
            *sum += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_numbered_as_listed_and_labelled_apart() {
        for (number, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, number);
        }
        let mut labels = DropReason::ALL.map(DropReason::label);
        labels.sort_unstable();
        assert!(labels.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
