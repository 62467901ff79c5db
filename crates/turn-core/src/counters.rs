//! What the relay counts, as plain integers, and the reasons for which a datagram is dropped.
//! Not metrics: whoever drives the core publishes them.

use std::time::Duration;

/// Why a datagram got neither an answer nor a way on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// ChannelData that is shorter than it says or has no legal number.
    BadChannelData,
    /// A STUN message of no legal form, wrong cookie and wrong fingerprint included.
    BadMessage,
    /// ChannelData on a number that is not bound.
    ChannelUnbound,
    /// From port 0, a multicast address, one of our own sockets, or a service that must not be answered; or
    /// to a multicast or broadcast address.
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
    /// Too many wrong passwords came from its network to look at each.
    OverFailures,
    /// The client of an allocation asks for more things than one in its right mind would.
    OverRequests,
    /// A side of a session, or a static user's allocation, sends or receives more than it may.
    OverSessionRate,
    /// The appliance relays as much as it may, and this one more than its share of it.
    OverTotalRate,
    /// A peer address that policy refuses.
    PeerRefused,
    /// A relay socket that is still being opened.
    RelayNotReady,
    /// A datagram for or from an allocation that relays TCP.
    RelaysTcp,
    /// A payload that fits no datagram once it is wrapped for its receiver.
    TooLarge,
    /// A peer's connection to an allocation that has as many as peers may make.
    TooManyConnections,
    /// A request without credentials that is not a well-formed Allocate, or too short to be worth an answer.
    Unauthenticated,
}

impl DropReason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 20] = [
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
        Self::OverFailures,
        Self::OverRequests,
        Self::OverSessionRate,
        Self::OverTotalRate,
        Self::PeerRefused,
        Self::RelayNotReady,
        Self::RelaysTcp,
        Self::TooLarge,
        Self::TooManyConnections,
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
            Self::OverFailures => "over_failures",
            Self::OverRequests => "over_requests",
            Self::OverSessionRate => "over_session_rate",
            Self::OverTotalRate => "over_total_rate",
            Self::PeerRefused => "peer_refused",
            Self::RelayNotReady => "relay_not_ready",
            Self::RelaysTcp => "relays_tcp",
            Self::TooLarge => "too_large",
            Self::TooManyConnections => "too_many_connections",
            Self::Unauthenticated => "unauthenticated",
        }
    }
}

/// Totals since start, and what lives now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Allocations that live now.
    pub allocations: u64,
    /// Since when the oldest of them is there.
    pub oldest_allocation: Option<Duration>,
    /// Requests that made allocations which have ended, remembered so that nobody repeats them.
    pub spent_requests: u64,
    /// Since when the oldest of them is remembered.
    pub oldest_spent: Option<Duration>,
    /// Allocations ever made.
    pub allocations_made: u64,
    /// Ended sessions whose credentials are still refused by name; the same on each worker.
    pub ended_sessions: u64,
    /// When the oldest of those credentials would have ended, in Unix seconds; 0 where there is none.
    pub ended_until_unix_s: u64,
    /// What else is kept now.
    pub kept: Kept,
    /// Clients that were heard on another 5-tuple and took their allocations along.
    pub moves: u64,
    /// Binding requests answered.
    pub bindings: u64,
    /// TCP connections between relayed addresses and peers that live now, those under way included.
    pub connections: u64,
    /// Those ever bound to a client's.
    pub connections_bound: u64,
    /// Requests answered with success, Binding not included.
    pub successes: u64,
    /// Requests answered with an error.
    pub errors: u64,
    /// Message integrities computed to prove a sender, the dearest of what a stranger can ask for.
    pub proofs: u64,
    /// Those that found a wrong password, or nobody of that name.
    pub failures: u64,
    /// Answers to who was over a budget and asked again.
    pub second_chances: u64,
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

/// What is kept now of anybody, besides allocations and connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// Relayed addresses kept for who brings a token, the redeemed ones until their time is over.
    pub reservations: u64,
    /// Since when the oldest of them is.
    pub oldest_reservation: Option<Duration>,
    /// Since when the oldest connection with a peer is there, or under way.
    pub oldest_connection: Option<Duration>,
    /// Clients that may change their address, and 5-tuples on which one is heard by another worker.
    pub moving_clients: u64,
    /// Since when the first of them may.
    pub oldest_moving: Option<Duration>,
    /// Numbers of relayed addresses that rest, because a peer may still mean who had them last.
    pub resting_ports: u64,
    /// Since when the first of them does.
    pub oldest_resting: Option<Duration>,
    /// Places in the tables of budgets, in use or not: they are told apart by nobody.
    pub budget_places: u64,
}

impl Kept {
    fn add(&mut self, other: &Self) {
        self.reservations += other.reservations;
        self.oldest_reservation = oldest(self.oldest_reservation, other.oldest_reservation);
        self.oldest_connection = oldest(self.oldest_connection, other.oldest_connection);
        self.moving_clients += other.moving_clients;
        self.oldest_moving = oldest(self.oldest_moving, other.oldest_moving);
        self.resting_ports += other.resting_ports;
        self.oldest_resting = oldest(self.oldest_resting, other.oldest_resting);
        self.budget_places += other.budget_places;
    }
}

impl Counters {
    /// Adds another worker's numbers.
    pub fn add(&mut self, other: &Self) {
        self.allocations += other.allocations;
        self.oldest_allocation = oldest(self.oldest_allocation, other.oldest_allocation);
        self.spent_requests += other.spent_requests;
        self.oldest_spent = oldest(self.oldest_spent, other.oldest_spent);
        self.allocations_made += other.allocations_made;
        self.ended_sessions = self.ended_sessions.max(other.ended_sessions);
        self.ended_until_unix_s = self.ended_until_unix_s.max(other.ended_until_unix_s);
        self.kept.add(&other.kept);
        self.moves += other.moves;
        self.bindings += other.bindings;
        self.connections += other.connections;
        self.connections_bound += other.connections_bound;
        self.successes += other.successes;
        self.errors += other.errors;
        self.proofs += other.proofs;
        self.failures += other.failures;
        self.second_chances += other.second_chances;
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

fn oldest(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
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
