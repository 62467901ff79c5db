//! What a client says: from a frame's text to a message whose payload has passed the gate.
//!
//! It keeps no state, so that each transport's task can do this work and the matcher's only decides. It does
//! not judge whether a message fits the connection's state.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::gate::{Body, GatedBody};
use crate::ids::{ResumeToken, SessionId};
use crate::limits::{JSON_DEPTH_MAX, MESSAGE_BYTES_MAX, RESUMED_SESSIONS_MAX, TOKEN_BYTES_MAX};
use crate::message::ErrorCode;
use crate::payload::{Payload, SealedBody};
use crate::want::Want;
use crate::work::Proof;

/// A frame's outcome.
pub enum Inbound {
    /// A message of the protocol.
    Message(ClientMessage),
    /// None, and the error that says so.
    Malformed(ErrorCode),
}

impl Inbound {
    /// Reads one frame.
    pub fn parse(text: &str) -> Self {
        match parse(text) {
            Ok(message) => Self::Message(message),
            Err(code) => Self::Malformed(code),
        }
    }
}

/// A message of the protocol.
pub enum ClientMessage {
    /// The first one.
    Hello(Hello),
    /// Wait for a stranger.
    Find {
        /// Of which kind.
        want: Want,
    },
    /// Make a room.
    Open {
        /// For how many.
        size: Option<u8>,
    },
    /// Enter a room.
    Join {
        /// Its code, as it came.
        room: String,
    },
    /// A payload for the partner.
    Payload(PayloadMessage),
    /// The partner of a session, present or last, did what they should not.
    Report {
        /// Which.
        session: SessionId,
    },
    /// Leave, and find again.
    Next {
        /// As in `find`; the last one if absent.
        want: Option<Want>,
    },
    /// End the session, leave the room.
    Leave,
    /// Stop waiting.
    Cancel,
}

/// The first message.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The version spoken.
    pub(crate) v: u64,
    /// Who comes back, if anybody.
    #[serde(default)]
    pub(crate) resume: Option<Resume>,
    /// What lets somebody in where not everybody may.
    #[serde(default)]
    token: Option<Box<str>>,
    /// The answer to a challenge.
    #[serde(default)]
    pub(crate) proof: Option<Proof>,
    /// Whether the transport has found the token to be good.
    #[serde(skip)]
    pub(crate) is_admitted: bool,
}

/// Why somebody is reported. It is counted nowhere and kept nowhere: no reason weighs more than another.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Why {
    Abuse,
    Spam,
    Minor,
    Other,
}

/// What a returning client brings.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// From its last `welcome`.
    pub(crate) token: ResumeToken,
    /// The last `n` that arrived in each session it knows of; 0 where none did.
    pub(crate) got: BTreeMap<SessionId, u64>,
}

/// A payload for the partner.
pub struct PayloadMessage {
    /// Of this session.
    pub(crate) session: SessionId,
    /// The next number.
    pub(crate) n: u64,
    /// The size of the message.
    pub(crate) bytes: usize,
    /// What is in it.
    pub(crate) payload: Payload,
}

/// The frame as it stands on the wire.
///
/// The empty braces matter: serde would let unknown fields pass in a unit variant.
#[derive(Deserialize)]
#[serde(tag = "t", rename_all = "lowercase", deny_unknown_fields)]
enum Frame {
    Hello(Hello),
    Find {
        want: Want,
    },
    Open {
        #[serde(default)]
        size: Option<u8>,
    },
    Join {
        room: String,
    },
    Seal {
        session: SessionId,
        n: u64,
        body: SealedBody,
    },
    Plain {
        session: SessionId,
        n: u64,
        body: Body,
    },
    Report {
        session: SessionId,
        why: Why,
    },
    Next {
        #[serde(default)]
        want: Option<Want>,
    },
    Leave {},
    Cancel {},
}

fn parse(text: &str) -> Result<ClientMessage, ErrorCode> {
    if text.len() > MESSAGE_BYTES_MAX {
        return Err(ErrorCode::TooLarge);
    }
    if !text.trim_start().starts_with('{') || depth(text) > JSON_DEPTH_MAX {
        return Err(ErrorCode::BadJson);
    }
    let frame: Frame = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => ErrorCode::BadMessage,
        _ => ErrorCode::BadJson,
    })?;
    let bounded = |want: Want| if want.is_bounded() { Ok(want) } else { Err(ErrorCode::BadMessage) };
    Ok(match frame {
        Frame::Hello(hello) if hello.is_bounded() => ClientMessage::Hello(hello),
        Frame::Hello(_) => return Err(ErrorCode::BadMessage),
        Frame::Find { want } => ClientMessage::Find { want: bounded(want)? },
        Frame::Open { size } => ClientMessage::Open { size },
        Frame::Join { room } => ClientMessage::Join { room },
        Frame::Seal { session, n, body } => payload_message(session, n, text.len(), Payload::Seal(body)),
        Frame::Plain { session, n, body } => {
            let payload = Payload::Plain(GatedBody::check(body, &session));
            payload_message(session, n, text.len(), payload)
        }
        Frame::Report { session, why: Why::Abuse | Why::Spam | Why::Minor | Why::Other } => {
            ClientMessage::Report { session }
        }
        Frame::Next { want } => ClientMessage::Next { want: want.map(bounded).transpose()? },
        Frame::Leave {} => ClientMessage::Leave,
        Frame::Cancel {} => ClientMessage::Cancel,
    })
}

fn payload_message(session: SessionId, n: u64, bytes: usize, payload: Payload) -> ClientMessage {
    ClientMessage::Payload(PayloadMessage { session, n, bytes, payload })
}

impl Hello {
    /// The token, if one was sent; for the transport to check.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// The token is good.
    pub fn admit(&mut self) {
        self.is_admitted = true;
    }

    fn is_bounded(&self) -> bool {
        self.resume.as_ref().is_none_or(|resume| resume.got.len() <= RESUMED_SESSIONS_MAX)
            && self.token.as_ref().is_none_or(|token| token.len() <= TOKEN_BYTES_MAX)
            && self.proof.as_ref().is_none_or(Proof::is_bounded)
    }
}

/// The deepest nesting of brackets outside strings.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<ErrorCode> {
        match Inbound::parse(text) {
            Inbound::Message(_) => None,
            Inbound::Malformed(code) => Some(code),
        }
    }

    #[test]
    fn every_message_is_read() {
        for text in [
            r#"{"t":"hello","v":1}"#,
            r#" {"v":2,"t":"hello"} "#,
            r#"{"t":"hello","v":1,"resume":null}"#,
            r#"{"t":"hello","v":1,"resume":{"token":"AAAAAAAAAAAAAAAAAAAAAA","got":{}}}"#,
            r#"{"t":"hello","v":1,"resume":{"got":{"AAAAAAAAAAAAAAAAAAAAAA":3},
                "token":"AAAAAAAAAAAAAAAAAAAAAA"}}"#,
            r#"{"t":"find","want":{"media":"video"}}"#,
            r#"{"t":"find","want":{"media":"text","tags":["a"],"langs":["en"]}}"#,
            r#"{"t":"open"}"#,
            r#"{"t":"open","size":2}"#,
            r#"{"t":"join","room":"anything"}"#,
            r#"{"t":"plain","session":"AAAAAAAAAAAAAAAAAAAAAA","n":1,"body":{"bye":true}}"#,
            r#"{"t":"plain","session":"AAAAAAAAAAAAAAAAAAAAAA","n":1,"body":{"direct":true}}"#,
            r#"{"t":"seal","session":"AAAAAAAAAAAAAAAAAAAAAA","n":1,"body":"Zm9v-_"}"#,
            r#"{"t":"report","session":"AAAAAAAAAAAAAAAAAAAAAA","why":"spam"}"#,
            r#"{"t":"hello","v":1,"token":"x","proof":{"seed":"AAAA","nonce":"17"}}"#,
            r#"{"t":"next"}"#,
            r#"{"t":"next","want":{"media":"audio"}}"#,
            r#"{"t":"leave"}"#,
            r#"{"t":"cancel"}"#,
        ] {
            assert_eq!(code(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_bad_json() {
        let deep = format!(r#"{{"t":"hello","v":{}1{}}}"#, "[".repeat(1000), "]".repeat(1000));
        let just_too_deep = format!(r#"{{"t":{}1{}}}"#, "[".repeat(16), "]".repeat(16));
        for text in [
            "",
            "hello",
            "[]",
            "1",
            "null",
            "{",
            r#"{"t":"leave"}x"#,
            r#"{"t":"leave"}{"t":"leave"}"#,
            r#"{"t":"leave",}"#,
            "\u{feff}{\"t\":\"leave\"}",
            r#"{"t":"\ud800"}"#,
            &deep,
            &just_too_deep,
        ] {
            assert_eq!(code(text), Some(ErrorCode::BadJson), "{text}");
        }
    }

    #[test]
    fn what_is_no_message_is_bad_message() {
        let huge_array =
            format!(r#"{{"t":"find","want":{{"media":"text","tags":[{}"x"]}}}}"#, "\"x\",".repeat(5000));
        for text in [
            "{}",
            r#"{"t":"fly"}"#,
            r#"{"t":"Leave"}"#,
            r#"{"t":"leave","x":1}"#,
            r#"{"t":"cancel","t":"cancel"}"#,
            r#"{"t":"leave","t":"leave"}"#,
            r#"{"t":"hello"}"#,
            r#"{"t":"hello","v":1,"v":1}"#,
            r#"{"t":"hello","v":1.5}"#,
            r#"{"t":"hello","v":99999999999999999999999}"#,
            r#"{"t":"hello","v":1,"resume":{"token":"AAAA","got":{}}}"#,
            r#"{"t":"hello","v":1,"resume":{"token":"AAAAAAAAAAAAAAAAAAAAAA"}}"#,
            r#"{"t":"hello","v":1,"resume":{"token":"AAAAAAAAAAAAAAAAAAAAAA","got":{"AAAA":1}}}"#,
            r#"{"t":"hello","v":1,"resume":{"token":"AAAAAAAAAAAAAAAAAAAAAA","got":{},"x":1}}"#,
            r#"{"t":"hello","v":1,"proof":{"seed":"AAAA"}}"#,
            r#"{"t":"report","session":"AAAAAAAAAAAAAAAAAAAAAA"}"#,
            r#"{"t":"report","session":"AAAAAAAAAAAAAAAAAAAAAA","why":"ugly"}"#,
            r#"{"t":"find"}"#,
            r#"{"t":"find","want":{"media":"smell"}}"#,
            r#"{"t":"find","want":{"media":"text","age":7}}"#,
            r#"{"t":"find","want":{"media":"text","tags":["a","b","c","d","e","f","g","h","i"]}}"#,
            r#"{"t":"next","want":{"media":"text","langs":[""]}}"#,
            r#"{"t":"open","size":-1}"#,
            r#"{"t":"join"}"#,
            r#"{"t":"plain","session":"AAAA","n":1,"body":{"bye":true}}"#,
            r#"{"t":"plain","session":"AAAAAAAAAAAAAAAAAAAAAA","n":-1,"body":{"bye":true}}"#,
            r#"{"t":"plain","session":"AAAAAAAAAAAAAAAAAAAAAA","n":1,"body":{}}"#,
            r#"{"t":"plain","session":"AAAAAAAAAAAAAAAAAAAAAA","n":1,"body":{"bye":true,"cand":[]}}"#,
            r#"{"t":"plain","session":"AAAAAAAAAAAAAAAAAAAAAA","n":1,"body":{"direct":1}}"#,
            r#"{"t":"plain","session":"AAAAAAAAAAAAAAAAAAAAAA","n":1,"body":{"bye":true},"from":"x"}"#,
            r#"{"t":"seal","session":"AAAAAAAAAAAAAAAAAAAAAA","n":1,"body":""}"#,
            r#"{"t":"seal","session":"AAAAAAAAAAAAAAAAAAAAAA","n":1,"body":"Zm9v="}"#,
            r#"{"t":"seal","session":"AAAAAAAAAAAAAAAAAAAAAA","n":1,"body":{"bye":true}}"#,
            r#"{"t":"seal","session":"AAAAAAAAAAAAAAAAAAAAAA","body":"Zm9v"}"#,
            &huge_array,
        ] {
            assert_eq!(code(text), Some(ErrorCode::BadMessage), "{text}");
        }
    }

    #[test]
    fn brackets_in_strings_do_not_nest() {
        assert_eq!(code(&format!(r#"{{"t":"join","room":"{}\"["}}"#, "[".repeat(100))), None);
    }

    #[test]
    fn a_message_over_the_size_is_too_large() {
        assert_eq!(code(&format!("{{{}", " ".repeat(MESSAGE_BYTES_MAX))), Some(ErrorCode::TooLarge));
    }
}
