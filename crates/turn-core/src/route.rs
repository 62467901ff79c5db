//! Routes: the way from one client to another inside the appliance, as plain data, and what workers tell each
//! other to make them. Not permissions and channels, from which they are computed.

use std::time::Duration;

use stun_wire::{ChannelNumber, IntegrityKey, TransactionId};

use crate::address::{FiveTuple, RelayedAddr};
use crate::connections::ConnectionId;
use crate::credentials::Identity;
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
    /// The same with a channel that the client has just bound.
    Channel(Offer),
    /// The same where the client is elsewhere than a moment ago: what was offered before leads to where it is
    /// not.
    Redirection(Offer),
    /// There is no way any more, to the owner or from it: it has ended, or the rules closed it.
    Closure(Offer),
    /// This allocation ends: its side holds too many, and it was silent for the longest.
    GiveWay(RelayedAddr),
    /// The holder of a ticket was heard by another worker, and wants its allocations there.
    Summon(Box<Summons>),
    /// Whose the datagrams of this 5-tuple are has changed: the directory says.
    Away(FiveTuple),
    /// A client wants a peer's connection that this worker knows of.
    Bind(Box<Binding>),
    /// The connection that this 5-tuple stood for is over; the worker serves its client, who has moved.
    Gone(FiveTuple),
}

impl Notice {
    /// Whether it may reach its worker only when the answers have left that were written before it: a client
    /// knows a channel by the answer to its ChannelBind.
    //= RFC 8656 §12: "the client SHOULD be prepared to receive ChannelData messages on the channel from the
    //= server as soon as it has sent the ChannelBind request"
    // There are clients that are not, and lose the message.
    pub const fn follows_answers(&self) -> bool {
        matches!(self, Self::Channel(_))
    }

    /// Whether it is made up for when it is lost: traffic asks for an offer again, and of the others
    /// [`crate::Server::handle_lost_notice`] knows who waits for an answer. Those that may not be are few:
    /// one for each move or end of an allocation, and one for each route that was offered and leads nowhere
    /// any more.
    pub const fn may_be_lost(&self) -> bool {
        matches!(self, Self::Offer(_) | Self::Channel(_) | Self::Summon(_) | Self::Bind(_))
    }
}

/// A proved ConnectionBind, on its way to the worker that knows the connection. Does not print.
pub struct Binding {
    pub(crate) connection: ConnectionId,
    /// The client's new connection.
    pub(crate) tuple: FiveTuple,
    pub(crate) identity: Identity,
    /// What the answer is signed with.
    pub(crate) key: IntegrityKey,
    pub(crate) id: TransactionId,
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
