//! Routes: the way from one client to another inside the appliance, as plain data, and what workers tell each
//! other to make them. Not permissions and channels, from which they are computed.

use std::time::Duration;

use stun_wire::{ChannelNumber, TransactionId};

use crate::address::{FiveTuple, RelayedAddr};
use crate::moving::Summons;
use crate::policy::Scope;
use crate::verdict::Framing;

/// How the payloads of one client reach another: whoever moves packets executes it as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// The receiving client.
    pub to: FiveTuple,
    /// Its channel for the sender, if it bound one, and until when that holds.
    pub channel: Option<(ChannelNumber, Duration)>,
    /// When the receiver's permission or allocation ends, whichever is first; in the past: withdrawn.
    pub deadline: Duration,
}

impl Route {
    /// Whether a packet may still take it.
    pub(crate) fn is_live(&self, now: Duration) -> bool {
        now < self.deadline
    }

    /// How a payload from `sender` is wrapped at this moment; `id` names a Data indication.
    pub(crate) fn framing(
        &self,
        now: Duration,
        sender: &RelayedAddr,
        id: impl FnOnce() -> TransactionId,
    ) -> Framing {
        match self.channel {
            Some((number, until)) if now < until => Framing::Channel(number),
            _ => Framing::Data { from: sender.as_peer(), id: id() },
        }
    }
}

/// What one worker tells another.
pub enum Notice {
    /// A way to a client, for the worker of a peer.
    Offer(Offer),
    /// This allocation ends: its side holds too many, and it was silent for the longest.
    GiveWay(RelayedAddr),
    /// The holder of a ticket was heard by another worker, and wants its allocations there.
    Summon(Box<Summons>),
    /// Whose the datagrams of this 5-tuple are has changed: the directory says.
    Away(FiveTuple),
    /// The connection that this 5-tuple stood for is over; the worker serves its client, who has moved.
    Gone(FiveTuple),
}

impl Notice {
    /// Whether it is made up for when it is lost. The others are few: one for each move of an allocation.
    pub const fn may_be_lost(&self) -> bool {
        !matches!(self, Self::Away(_))
    }
}

/// "Packets from `from` reach me like this": sent when an allocation's permission, channel or end changes
/// what it accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Who offers.
    pub owner: RelayedAddr,
    /// What it belongs to; the other side takes the offer only if the two may meet.
    pub scope: Scope,
    /// Whose packets are accepted.
    pub from: RelayedAddr,
    /// The way to the owner.
    pub route: Route,
    /// When, since start, and later than every offer that the owner made before: once it has moved to another
    /// worker they may overtake each other.
    pub made: Duration,
    /// Whether the owner has no way back yet and asks for one.
    pub wants_answer: bool,
}
