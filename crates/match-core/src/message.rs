//! What the server says to a client, as types that serialise to the frames of `docs/protocol.md`.
//!
//! What a client says is in `inbound`, a partner's payload in `payload`. Nothing here prints: frames hold
//! credentials, codes and descriptions.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::gate::BadPayload;
use crate::ids::{ResumeToken, RoomCode, SessionId};
use crate::limits::{CANDIDATES_MAX, Config, LANGS_MAX, MESSAGE_BYTES_MAX, TAGS_MAX};

/// One frame from the server, but for payloads.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "t", rename_all = "lowercase")]
pub enum ServerMessage {
    /// The answer to `hello`.
    Welcome {
        /// The protocol's version.
        v: u64,
        /// What to come back with.
        resume: ResumeToken,
        /// Of a client that came back: the last `n` that arrived from it in each of its sessions.
        #[serde(skip_serializing_if = "Option::is_none")]
        got: Option<BTreeMap<SessionId, u64>>,
        /// What the server asks of its clients.
        policy: Policy,
        /// The bounds a client should keep.
        limits: Advertised,
    },
    /// Nobody fits yet.
    Waiting {
        /// How many wait, rounded down so that nobody is counted.
        bin: u64,
    },
    /// A room is open.
    Room {
        /// What the others join it by.
        code: RoomCode,
    },
    /// A partner is there.
    Matched {
        /// The session's name.
        session: SessionId,
        /// Who makes the first offer.
        role: Role,
        /// Which candidates may be shown to the partner.
        exposure: Exposure,
        /// Where the relay is and what opens it.
        ice: Vec<IceServer>,
        /// When the session and its credentials end, in Unix seconds.
        ends: u64,
        /// The tags both asked for.
        common: Vec<String>,
    },
    /// The session is over.
    Gone {
        /// The session's name.
        session: SessionId,
        /// Why.
        why: GoneReason,
    },
    /// Work is asked for before a client may come in.
    Challenge {
        /// How many zero bits the hash must begin with.
        bits: u8,
        /// What is hashed, with a nonce.
        seed: String,
        /// When it ends, in Unix seconds.
        until: u64,
    },
    /// The server goes away.
    Drain {
        /// When to connect again, in milliseconds.
        after_ms: u64,
    },
    /// Something was not done.
    Error {
        /// Stable, for programs.
        code: ErrorCode,
        /// For people who write programs.
        text: &'static str,
        /// Which message it answers, if it answers one that was read.
        #[serde(flatten)]
        about: Option<About>,
        /// When it may work, in milliseconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_ms: Option<u64>,
        /// Whether the connection is closed after this.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        fatal: bool,
    },
}

impl ServerMessage {
    /// The answer to a good `hello`.
    pub(crate) fn welcome(
        config: &Config,
        resume: ResumeToken,
        got: Option<BTreeMap<SessionId, u64>>,
    ) -> Self {
        let limits = Advertised {
            message_bytes: MESSAGE_BYTES_MAX,
            messages_per_s: config.limits.messages_per_s,
            burst_messages: config.limits.burst_messages,
            candidates: CANDIDATES_MAX,
            tags: TAGS_MAX,
            langs: LANGS_MAX,
        };
        let policy = Policy {
            exposure: config.exposure,
            room_exposure: config.room_exposure,
            require_sealed: config.require_sealed,
            rooms: config.rooms,
            room_size: config.room_size,
            resume_s: config.resume_s,
            retention_s: config.retention_s,
        };
        Self::Welcome { v: PROTOCOL_VERSION, resume, got, policy, limits }
    }

    /// The frame's text.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("no map with other than string keys, no failing serialiser")
    }
}

/// An error that leaves the connection open, or, if `fatal`, announces its end.
pub const fn error(code: ErrorCode, fatal: bool) -> ServerMessage {
    ServerMessage::Error { code, text: code.text(), about: None, retry_ms: None, fatal }
}

/// An error that answers a message, and leaves the connection open.
pub(crate) const fn error_about(code: ErrorCode, about: About) -> ServerMessage {
    ServerMessage::Error { code, text: code.text(), about: Some(about), retry_ms: None, fatal: false }
}

/// An error that passes with time.
pub const fn error_retry(code: ErrorCode, retry_ms: u64) -> ServerMessage {
    ServerMessage::Error { code, text: code.text(), about: None, retry_ms: Some(retry_ms), fatal: false }
}

/// As [`error_retry`], in answer to a message.
pub(crate) const fn error_retry_about(code: ErrorCode, retry_ms: u64, about: About) -> ServerMessage {
    let (text, retry_ms) = (code.text(), Some(retry_ms));
    ServerMessage::Error { code, text, about: Some(about), retry_ms, fatal: false }
}

/// What the gate says of a body it did not let pass.
pub(crate) const fn bad_payload(reason: BadPayload, about: About) -> ServerMessage {
    let (code, text) = (ErrorCode::BadPayload, reason.text());
    ServerMessage::Error { code, text, about: Some(about), retry_ms: None, fatal: false }
}

/// Which message an error answers: several may be under way, most of them are not answered unless something
/// is wrong, and a client in a room has several sessions of which one is concerned.
#[derive(Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct About {
    #[serde(rename = "for")]
    pub(crate) kind: Kind,
    /// Of a message of a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<SessionId>,
    /// Of a payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) n: Option<u64>,
}

impl About {
    /// A message of no session.
    pub(crate) const fn of(kind: Kind) -> Self {
        Self { kind, session: None, n: None }
    }
}

/// The `t` of a client's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The first one.
    Hello,
    /// Wait for a stranger.
    Find,
    /// Make a room.
    Open,
    /// Enter a room.
    Join,
    /// A sealed payload.
    Seal,
    /// A payload in the clear.
    Plain,
    /// Something about a partner.
    Report,
    /// Leave, and find again.
    Next,
    /// End a session, leave the room.
    Leave,
    /// Stop waiting.
    Cancel,
}

/// What the server asks of its clients.
#[derive(Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Policy {
    /// Which candidates strangers may be shown.
    pub exposure: Exposure,
    /// Which candidates the members of a room may be shown.
    pub room_exposure: Exposure,
    /// Whether payloads must be sealed.
    pub require_sealed: bool,
    /// Whether rooms may be opened and joined.
    pub rooms: bool,
    /// How many may meet in a room.
    pub room_size: u8,
    /// How long a client may come back after its connection was lost, in seconds.
    pub resume_s: u64,
    /// Within how many seconds of its end a session is forgotten.
    pub retention_s: u64,
}

/// The bounds a client should keep.
#[derive(Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Advertised {
    /// One message, in bytes of UTF-8.
    pub message_bytes: usize,
    /// Messages per second on average, frames of every kind counted.
    pub messages_per_s: u32,
    /// Messages at once after a silence.
    pub burst_messages: u32,
    /// Candidates per description.
    pub candidates: u32,
    /// Tags of a ticket.
    pub tags: usize,
    /// Languages of a ticket.
    pub langs: usize,
}

/// Who makes the first offer; in later ones the callee is the polite side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Makes the first offer; impolite.
    Caller,
    /// Answers; polite.
    Callee,
}

/// Which candidates may be shown to a partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Exposure {
    /// Relayed ones only.
    Relay,
    /// Relayed ones, until both sides have sent `direct`; then all.
    Consent,
    /// All.
    Direct,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum GoneReason {
    /// Its time has run out.
    Ended,
    /// The partner's transport broke.
    Lost,
    /// The partner left.
    Left,
}

/// An `RTCIceServer`.
#[derive(Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct IceServer {
    /// Where, in the order to try.
    pub urls: Vec<String>,
    /// For `turn:` URLs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For `turn:` URLs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// The stable error codes, alphabetical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ErrorCode {
    /// `n` is not the next one.
    BadCounter,
    /// Not JSON, or nested too deep.
    BadJson,
    /// JSON, but no message of the protocol.
    BadMessage,
    /// The payload would tell or allow what it must not.
    BadPayload,
    /// The proof answers no challenge of ours.
    BadProof,
    /// No such session on this connection.
    BadSession,
    /// Not in this state.
    BadState,
    /// Another version of the protocol.
    BadVersion,
    /// Others from this place were reported too often.
    Banned,
    /// The server goes away and makes no new sessions.
    Draining,
    /// Waited or idled for too long.
    Expired,
    /// No such room, or it is full.
    NoRoom,
    /// A token is needed, and there was no good one.
    NotAdmitted,
    /// `hello` comes first.
    NotGreeted,
    /// Too many wait.
    QueueFull,
    /// Rooms are switched off.
    RoomsOff,
    /// The server forwards sealed payloads only.
    SealedRequired,
    /// The server holds as much as it may.
    ServerFull,
    /// Over the message budget.
    TooFast,
    /// Over the size of a message.
    TooLarge,
}

impl ErrorCode {
    /// All of them, in order.
    pub const ALL: [Self; 20] = [
        Self::BadCounter,
        Self::BadJson,
        Self::BadMessage,
        Self::BadPayload,
        Self::BadProof,
        Self::BadSession,
        Self::BadState,
        Self::BadVersion,
        Self::Banned,
        Self::Draining,
        Self::Expired,
        Self::NoRoom,
        Self::NotAdmitted,
        Self::NotGreeted,
        Self::QueueFull,
        Self::RoomsOff,
        Self::SealedRequired,
        Self::ServerFull,
        Self::TooFast,
        Self::TooLarge,
    ];

    /// As in the frame, and as a metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::BadCounter => "bad-counter",
            Self::BadJson => "bad-json",
            Self::BadMessage => "bad-message",
            Self::BadPayload => "bad-payload",
            Self::BadProof => "bad-proof",
            Self::BadSession => "bad-session",
            Self::BadState => "bad-state",
            Self::BadVersion => "bad-version",
            Self::Banned => "banned",
            Self::Draining => "draining",
            Self::Expired => "expired",
            Self::NoRoom => "no-room",
            Self::NotAdmitted => "not-admitted",
            Self::NotGreeted => "not-greeted",
            Self::QueueFull => "queue-full",
            Self::RoomsOff => "rooms-off",
            Self::SealedRequired => "sealed-required",
            Self::ServerFull => "server-full",
            Self::TooFast => "too-fast",
            Self::TooLarge => "too-large",
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::BadCounter => "n must be exactly one more than the last accepted one of this session",
            Self::BadJson => "not a JSON object, or nested too deep",
            Self::BadMessage => {
                "no message of this protocol: unknown t, unknown or missing field, or out of bounds"
            }
            Self::BadPayload => {
                "the payload holds what the partner must not be sent; see the protocol's gate"
            }
            Self::BadProof => "the proof answers no challenge of this connection, or came too late",
            Self::BadSession => "no such session here; it may have just ended",
            Self::BadState => "this message does not fit the connection's state",
            Self::BadVersion => "this server speaks version 1",
            Self::Banned => "others reported somebody at this address; try again later",
            Self::Draining => "the server goes away; connect again when drain says so",
            Self::Expired => "nothing happened for too long",
            Self::NoRoom => "no such room, or it is full",
            Self::NotAdmitted => "this server admits by token only; send a good one in hello",
            Self::NotGreeted => "send hello first, within five seconds",
            Self::QueueFull => "too many people wait; try again later",
            Self::RoomsOff => "this server has no rooms",
            Self::SealedRequired => "this server forwards sealed payloads only; see the protocol's sealing",
            Self::ServerFull => "the server is full; try again later",
            Self::TooFast => "too many messages; wait retry_ms and send again",
            Self::TooLarge => "a message has at most 32768 bytes",
        }
    }
}

/// The version this server speaks.
pub(crate) const PROTOCOL_VERSION: u64 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_what_serde_writes_and_in_order() {
        for code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.label());
        }
        assert!(ErrorCode::ALL.is_sorted());
    }

    #[test]
    fn an_error_leaves_out_what_it_does_not_say() {
        let text = error(ErrorCode::NoRoom, false).to_json();
        assert_eq!(text, r#"{"t":"error","code":"no-room","text":"no such room, or it is full"}"#);
        assert!(error(ErrorCode::BadJson, true).to_json().ends_with(r#","fatal":true}"#));
        assert!(error_retry(ErrorCode::TooFast, 7).to_json().ends_with(r#","retry_ms":7}"#));
    }

    #[test]
    fn an_error_about_a_message_names_it() {
        let session = SessionId([0; 16]);
        let about =
            |kind, session, n| error_about(ErrorCode::BadSession, About { kind, session, n }).to_json();
        assert!(
            about(Kind::Seal, Some(session), Some(3))
                .ends_with(r#","for":"seal","session":"AAAAAAAAAAAAAAAAAAAAAA","n":3}"#)
        );
        assert!(
            about(Kind::Report, Some(session), None)
                .ends_with(r#","for":"report","session":"AAAAAAAAAAAAAAAAAAAAAA"}"#)
        );
        assert!(about(Kind::Join, None, None).ends_with(r#"just ended","for":"join"}"#));
    }
}
