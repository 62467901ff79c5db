//! What a client says: from a frame's text to a message whose payload has passed the gate.
//!
//! It keeps no state, so that each transport's task can do this work and the matcher's only decides. It does
//! not judge whether a message fits the connection's state.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::gate::{Body, GatedBody};
use crate::ids::{ResumeToken, SessionId};
#[cfg(test)]
use crate::limits::ROOM_SIZE_MAX;
use crate::limits::{
    JSON_COMMAS_MAX, JSON_DEPTH_MAX, MESSAGE_BYTES_MAX, RESUMED_SESSIONS_MAX, TOKEN_BYTES_MAX,
};
use crate::message::{About, ErrorCode, Kind};
use crate::object;
use crate::payload::{Payload, PayloadFrame, SealedBody};
use crate::want::Want;
use crate::work::Proof;

/// A frame's outcome.
pub enum Inbound {
    /// A message of the protocol.
    Message(ClientMessage),
    /// None, and the error that says so.
    Malformed(ErrorCode),
    /// One that is not looked at, because too many came before it.
    TooFast {
        /// When it may be sent again, in milliseconds.
        retry_ms: u64,
    },
    /// One too many of those: whoever sends them has to go.
    Flood,
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
    Leave {
        /// End only this one, and stay in the room.
        session: Option<SessionId>,
    },
    /// Stop waiting.
    Cancel,
}

/// The first message.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The version spoken.
    #[cfg_attr(test, schemars(extend("const" = 1)))]
    pub(crate) v: u64,
    /// Who comes back, if anybody.
    #[serde(default, deserialize_with = "object::optional")]
    pub(crate) resume: Option<Resume>,
    /// What lets somebody in where not everybody may.
    #[serde(default)]
    #[cfg_attr(test, schemars(length(max = TOKEN_BYTES_MAX)))]
    token: Option<Box<str>>,
    /// The answer to a challenge.
    #[serde(default, deserialize_with = "object::optional")]
    pub(crate) proof: Option<Proof>,
    /// Whether the transport has found the token to be good.
    #[serde(skip)]
    pub(crate) is_admitted: bool,
}

/// Why somebody is reported. It is counted nowhere and kept nowhere: no reason weighs more than another.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Why {
    Abuse,
    Spam,
    Minor,
    Other,
}

/// What a returning client brings.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// From its last `welcome`.
    pub(crate) token: ResumeToken,
    /// The last `n` that arrived in each session it knows of; 0 where none did.
    #[cfg_attr(test, schemars(extend("maxProperties" = RESUMED_SESSIONS_MAX)))]
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
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "t", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Frame {
    Hello(Hello),
    Find {
        #[serde(deserialize_with = "object::one")]
        want: Want,
    },
    Open {
        #[cfg_attr(test, schemars(range(min = 2, max = ROOM_SIZE_MAX)))]
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
        #[serde(default, deserialize_with = "object::optional")]
        want: Option<Want>,
    },
    Leave {
        #[serde(default)]
        session: Option<SessionId>,
    },
    Cancel {},
}

fn parse(text: &str) -> Result<ClientMessage, ErrorCode> {
    if text.len() > MESSAGE_BYTES_MAX {
        return Err(ErrorCode::TooLarge);
    }
    match PayloadFrame::as_it_came(text) {
        Some((session, n, frame)) => Ok(payload_message(session, n, text.len(), Payload::Seal(frame))),
        None => parse_json(text),
    }
}

fn parse_json(text: &str) -> Result<ClientMessage, ErrorCode> {
    if !text.trim_start().starts_with('{') {
        return Err(ErrorCode::BadJson);
    }
    check_structure(text)?;
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
        Frame::Seal { session, n, body } => {
            let payload = Payload::Seal(PayloadFrame::seal(&session, n, &body));
            payload_message(session, n, text.len(), payload)
        }
        Frame::Plain { session, n, body } => {
            let payload = Payload::Plain(GatedBody::check(body, &session));
            payload_message(session, n, text.len(), payload)
        }
        Frame::Report { session, why: Why::Abuse | Why::Spam | Why::Minor | Why::Other } => {
            ClientMessage::Report { session }
        }
        Frame::Next { want } => ClientMessage::Next { want: want.map(bounded).transpose()? },
        Frame::Leave { session } => ClientMessage::Leave { session },
        Frame::Cancel {} => ClientMessage::Cancel,
    })
}

impl ClientMessage {
    /// What an error says that it answers.
    pub(crate) fn about(&self) -> About {
        let (kind, session, n) = match self {
            Self::Hello(_) => (Kind::Hello, None, None),
            Self::Find { .. } => (Kind::Find, None, None),
            Self::Open { .. } => (Kind::Open, None, None),
            Self::Join { .. } => (Kind::Join, None, None),
            Self::Payload(it) => (it.payload.kind(), Some(it.session), Some(it.n)),
            Self::Report { session } => (Kind::Report, Some(*session), None),
            Self::Next { .. } => (Kind::Next, None, None),
            Self::Leave { session } => (Kind::Leave, *session, None),
            Self::Cancel => (Kind::Cancel, None, None),
        };
        About { kind, session, n }
    }
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

/// Whether it nests no deeper and lists no more than a message may: what is more would be read to its end,
/// and in a form sixteen times as large, before the first of its fields is found to be wrong. Few brackets
/// and commas cannot, and counting them is cheap.
fn check_structure(text: &str) -> Result<(), ErrorCode> {
    let marks = text.bytes().filter(|byte| matches!(byte, b'{' | b'[' | b',')).count();
    if marks <= JSON_DEPTH_MAX {
        return Ok(());
    }
    let (mut depth, mut commas, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' if depth == JSON_DEPTH_MAX => return Err(ErrorCode::BadJson),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if commas == JSON_COMMAS_MAX => return Err(ErrorCode::BadMessage),
            b',' => commas += 1,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Option<ErrorCode> {
        match Inbound::parse(text) {
            Inbound::Message(_) => None,
            Inbound::Malformed(code) => Some(code),
            Inbound::TooFast { .. } | Inbound::Flood => None,
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
            r#"{"t":"leave","session":"AAAAAAAAAAAAAAAAAAAAAA"}"#,
            r#"{"t":"cancel"}"#,
        ] {
            assert_eq!(code(text), None, "{text}");
        }
    }

    #[test]
    fn row_151_what_is_not_json_is_bad_json() {
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
    fn row_151_what_is_no_message_is_bad_message() {
        let huge_array =
            format!(r#"{{"t":"find","want":{{"media":"text","tags":[{}"x"]}}}}"#, "\"x\",".repeat(5000));
        for text in [
            "{}",
            r#"{"t":"fly"}"#,
            r#"{"t":"Leave"}"#,
            r#"{"t":"leave","x":1}"#,
            r#"{"t":"leave","session":"AAAA"}"#,
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
            r#"{"t":"find","want":["text"]}"#,
            r#"{"t":"next","want":["text",[],[]]}"#,
            r#"{"t":"hello","v":1,"proof":["AAAA","17"]}"#,
            r#"{"t":"hello","v":1,"resume":["AAAAAAAAAAAAAAAAAAAAAA",{}]}"#,
            r#"{"t":"plain","session":"AAAAAAAAAAAAAAAAAAAAAA","n":1,"body":{"desc":["offer","v=0"]}}"#,
            r#"{"t":"plain","session":"AAAAAAAAAAAAAAAAAAAAAA","n":1,"body":{"cand":[["a"]]}}"#,
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

    /// Session, number and frame, if it is a sealed payload.
    fn sealed(parsed: Result<ClientMessage, ErrorCode>) -> Option<(SessionId, u64, String)> {
        let Ok(ClientMessage::Payload(message)) = parsed else { return None };
        let Payload::Seal(frame) = message.payload else { return None };
        Some((message.session, message.n, frame.as_str().to_owned()))
    }

    #[test]
    fn a_sealed_payload_is_the_same_frame_however_it_is_written() {
        let frame = r#"{"t":"seal","session":"AAAAAAAAAAAAAAAAAAAAAA","n":1,"body":"Zm9v-_"}"#;
        for text in [
            frame,
            r#"{"body":"Zm9v-_","n":1,"session":"AAAAAAAAAAAAAAAAAAAAAA","t":"seal"}"#,
            r#" { "t":"seal","session":"AAAAAAAAAAAAAAAAAAAAAA","n":1, "body":"\u005Am9v-_"}"#,
        ] {
            let is_as_it_came = PayloadFrame::as_it_came(text).is_some();
            assert_eq!(is_as_it_came, text == frame);
            let (_, n, read) = sealed(parse(text)).unwrap();
            assert_eq!((n, read.as_str()), (1, frame));
        }
    }

    #[test]
    fn the_short_way_lets_nothing_pass_that_the_long_one_does_not() {
        let frame = r#"{"t":"seal","session":"AAAAAAAAAAAAAAAAAAAAAA","n":12,"body":"Zm9v"}"#;
        for at in 0..=frame.len() {
            for byte in 0..128_u8 {
                let (head, tail) = (&frame[..at], &frame[at..]);
                let other = char::from(byte);
                let replaced = format!("{head}{other}{}", tail.get(1..).unwrap_or_default());
                for text in [format!("{head}{other}{tail}"), replaced] {
                    if let Some((session, n, short)) = PayloadFrame::as_it_came(&text) {
                        let (same_session, same_n, long) = sealed(parse_json(&text)).unwrap();
                        assert!(session == same_session && n == same_n && short.as_str() == long, "{text}");
                    }
                }
            }
        }
        let large = frame.replace("12", "18446744073709551615");
        assert!(PayloadFrame::as_it_came(&large).is_some());
        for n in ["", "0", "01", "-1", "+1", "1.0", "18446744073709551616"] {
            assert!(PayloadFrame::as_it_came(&frame.replace("12", n)).is_none());
        }
    }

    #[test]
    fn brackets_in_strings_do_not_nest() {
        assert_eq!(code(&format!(r#"{{"t":"join","room":"{}\"["}}"#, "[".repeat(100))), None);
    }

    #[test]
    fn row_152_a_message_over_the_size_is_too_large() {
        assert_eq!(code(&format!("{{{}", " ".repeat(MESSAGE_BYTES_MAX))), Some(ErrorCode::TooLarge));
    }
}
