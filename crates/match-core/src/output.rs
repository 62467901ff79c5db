//! What the matcher wants done: messages, closings, news for the relay.
//!
//! Outputs of one connection keep their order; the transport does not reorder them.

use crate::client::{ClientId, ConnectionId};
use crate::ids::{SessionId, Side};
use crate::message::{Exposure, IceServer, Role, ServerMessage};
use crate::payload::PayloadFrame;

/// One thing to do.
pub enum Output {
    /// Send a message.
    Send {
        /// To whom.
        to: ConnectionId,
        /// What.
        message: ServerMessage,
    },
    /// Send a partner's payload.
    Forward {
        /// To whom.
        to: ConnectionId,
        /// What.
        frame: PayloadFrame,
    },
    /// Tell one side of a new session, with the relay's credentials for it.
    Matched(Matched),
    /// A session is over: its credentials must stop working.
    SessionEnded {
        /// Which.
        session: SessionId,
    },
    /// Ask the relay whether it still moves anything for a side whose signaling is lost, and answer with
    /// [`Matcher::handle_relaying`](crate::Matcher::handle_relaying).
    AskRelay(RelayQuestion),
    /// Use up the token that somebody is about to come in by, and say whether it was still good with
    /// [`Matcher::handle_token`](crate::Matcher::handle_token).
    UseToken(TokenQuestion),
    /// Close a connection after what was sent to it. The matcher has forgotten it already.
    Close {
        /// Which.
        to: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
}

/// One side of a new session; what it lacks of a message is the relay's part.
pub struct Matched {
    /// To whom.
    pub to: ConnectionId,
    /// The session.
    pub session: SessionId,
    /// Which side this connection is.
    pub side: Side,
    /// Which candidates may be shown to the partner.
    pub exposure: Exposure,
    /// When the session and its credentials end, in Unix seconds.
    pub ends_unix_s: u64,
    /// The tags both asked for.
    pub common: Vec<String>,
}

impl Matched {
    /// The message, once the relay has said how to reach it.
    pub fn into_message(self, ice: Vec<IceServer>) -> ServerMessage {
        ServerMessage::Matched {
            session: self.session,
            role: if self.side == Side::A { Role::Caller } else { Role::Callee },
            exposure: self.exposure,
            ice,
            ends: self.ends_unix_s,
            common: self.common,
        }
    }
}

/// A question to the relay about one side of a session.
pub struct RelayQuestion {
    pub(crate) client: ClientId,
    pub(crate) session: SessionId,
    pub(crate) side: Side,
}

impl RelayQuestion {
    /// The session.
    pub fn session(&self) -> SessionId {
        self.session
    }

    /// Which side.
    pub fn side(&self) -> Side {
        self.side
    }
}

/// The token of somebody who has done all else to be let in. It does not print.
pub struct TokenQuestion {
    pub(crate) client: ClientId,
    pub(crate) token: Box<str>,
}

impl TokenQuestion {
    /// The token.
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// Why the matcher closes a connection, alphabetical.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// It speaks another version.
    BadVersion,
    /// Its place was reported too often.
    Banned,
    /// It did nothing for too long.
    Idle,
    /// It sent what is not JSON once too often.
    Malformed,
    /// It brought no good token where one is needed.
    NotAdmitted,
    /// It did not say `hello` in time.
    NotGreeted,
    /// Its client came back on another.
    Resumed,
    /// It went on sending more than it may.
    TooFast,
}
