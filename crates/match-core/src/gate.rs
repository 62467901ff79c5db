//! The gate for `plain` payloads: what a partner may be sent while the server can still read it.
//!
//! A body that has not passed cannot be forwarded: only [`GatedBody`] serialises, and only the gate makes
//! one. It marks a body that tells where its sender is; whether that may pass is the session's exposure. It
//! does not look into media; that is the relay's payload policy.

use serde::{Deserialize, Serialize};

use crate::candidate::{Rewritten, is_ice_chars, rewritten};
use crate::ids::SessionId;
use crate::limits::CANDIDATES_MAX;
use crate::object;
use crate::sdp::normalised;

/// A body as it came.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Body {
    /// A session description.
    #[serde(deserialize_with = "object::one")]
    Desc(Description),
    /// Candidates; an empty one says that there are no more.
    #[serde(deserialize_with = "object::each")]
    Cand(#[cfg_attr(test, schemars(length(max = CANDIDATES_MAX)))] Vec<Candidate>),
    /// The partner may learn where its sender is.
    Direct(#[cfg_attr(test, schemars(extend("const" = true)))] bool),
    /// The session is to end.
    Bye(#[cfg_attr(test, schemars(extend("const" = true)))] bool),
}

/// A body that tells the partner what a call needs and no more, and asks for nothing but encrypted media.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct GatedBody {
    body: Clean,
    #[serde(skip)]
    is_exposing: bool,
}

impl GatedBody {
    /// Rewrites a body, or says why it may not pass. The session keys the aliases of stream names.
    pub(crate) fn check(body: Body, session: &SessionId) -> Result<Self, BadPayload> {
        let mut is_exposing = false;
        let body = match body {
            Body::Desc(desc) => {
                let clean = normalised(&desc.sdp, session)?;
                is_exposing = clean.is_exposing;
                Clean::Desc { kind: desc.kind, sdp: clean.sdp, candidates: clean.candidates }
            }
            Body::Cand(list) if list.len() > CANDIDATES_MAX as usize => {
                return Err(BadPayload::TooManyCandidates);
            }
            Body::Cand(list) => {
                let mut clean = Vec::with_capacity(list.len());
                for candidate in list {
                    let (candidate, exposes) = candidate.gate()?;
                    is_exposing |= exposes;
                    clean.extend(candidate);
                }
                Clean::Cand(clean)
            }
            Body::Direct(true) => Clean::Direct(true),
            Body::Bye(true) => Clean::Bye(true),
            Body::Direct(false) | Body::Bye(false) => return Err(BadPayload::Description),
        };
        Ok(Self { body, is_exposing })
    }

    /// Whether it tells where its sender is.
    pub(crate) fn is_exposing(&self) -> bool {
        self.is_exposing
    }

    /// Whether its sender agrees to show where they are.
    pub(crate) fn is_consent(&self) -> bool {
        matches!(self.body, Clean::Direct(_))
    }

    /// Whether it ends the session.
    pub(crate) fn is_bye(&self) -> bool {
        matches!(self.body, Clean::Bye(_))
    }

    /// How many candidates the side has sent with this one, given how many before; a description starts anew.
    pub(crate) fn candidates_after(&self, before: u32) -> u32 {
        match &self.body {
            Clean::Desc { candidates, .. } => *candidates,
            Clean::Cand(list) => before + list.iter().filter(|one| !one.candidate.is_empty()).count() as u32,
            Clean::Direct(_) | Clean::Bye(_) => before,
        }
    }
}

/// Why a body may not pass, alphabetical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BadPayload {
    /// An address where none belongs.
    Address,
    /// A candidate outside the grammar.
    Candidate,
    /// A candidate that tells where its sender is, before that may be told.
    CandidateNotRelayed,
    /// Consent where the server's policy allows none.
    Consent,
    /// Keys in the clear: `a=crypto` or `k=`.
    Crypto,
    /// An SDP outside the grammar.
    Description,
    /// No fingerprint, or one weaker than SHA-256.
    Fingerprint,
    /// A transport other than DTLS-SRTP and SCTP over DTLS.
    Profile,
    /// A DTLS role other than actpass, active and passive.
    Setup,
    /// More candidates than a side may send.
    TooManyCandidates,
    /// More lines or media sections than a description may have.
    TooManyLines,
}

impl BadPayload {
    /// For people who write programs.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Address => "an attribute of the description holds an IP address",
            Self::Candidate => "a candidate is not as RFC 8839 writes it, or too long",
            Self::CandidateNotRelayed => {
                "a candidate is not of type relay; set iceTransportPolicy to relay, until both sent direct"
            }
            Self::Consent => "this session's exposure is relay; nobody can go direct",
            Self::Crypto => "the description holds keys in the clear: a=crypto, a=key-mgmt or k=",
            Self::Description => "the description is not as RFC 8866 writes it, or bye or direct is not true",
            Self::Fingerprint => "a fingerprint is missing, malformed or weaker than sha-256",
            Self::Profile => "only UDP/TLS/RTP/SAVPF and UDP/DTLS/SCTP may be asked for",
            Self::Setup => "a=setup must be actpass, active or passive",
            Self::TooManyCandidates => "more candidates for this description than welcome.limits allows",
            Self::TooManyLines => "the description has too many lines or media sections",
        }
    }
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
enum Clean {
    Desc {
        #[serde(rename = "type")]
        kind: DescriptionKind,
        sdp: String,
        #[serde(skip)]
        candidates: u32,
    },
    Cand(Vec<Candidate>),
    Direct(bool),
    Bye(bool),
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Description {
    #[serde(rename = "type")]
    kind: DescriptionKind,
    sdp: String,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
enum DescriptionKind {
    Offer,
    Answer,
}

/// An `RTCIceCandidateInit`.
#[derive(Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Candidate {
    candidate: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sdp_mid: Option<String>,
    #[serde(default, rename = "sdpMLineIndex", skip_serializing_if = "Option::is_none")]
    sdp_m_line_index: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    username_fragment: Option<String>,
}

impl Candidate {
    /// Rewrites it, or leaves it out; and says whether it tells where its sender is.
    fn gate(self) -> Result<(Option<Self>, bool), BadPayload> {
        let mid_is_good = self.sdp_mid.as_deref().is_none_or(is_mid);
        let fragment_is_good =
            self.username_fragment.as_deref().is_none_or(|text| is_ice_chars(text, 4, 256));
        if !mid_is_good || !fragment_is_good {
            return Err(BadPayload::Candidate);
        }
        if self.candidate.is_empty() {
            return Ok((Some(self), false));
        }
        let Rewritten { text, is_exposing } = rewritten(&self.candidate)?;
        Ok((text.map(|candidate| Self { candidate, ..self }), is_exposing))
    }
}

/// Whether a text can be the name of a media section (a token of RFC 8866 §9, short; Firefox writes braces).
fn is_mid(text: &str) -> bool {
    text.len() <= 40
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str) -> Result<String, BadPayload> {
        let body: Body = serde_json::from_str(json).unwrap();
        GatedBody::check(body, &SessionId([0; 16])).map(|body| serde_json::to_string(&body).unwrap())
    }

    const GOOD: &str = "candidate:1 1 udp 1 192.0.2.1 5000 typ relay raddr 0.0.0.0 rport 9";

    #[test]
    fn good_bodies_come_out_as_they_went_in() {
        for json in [
            r#"{"bye":true}"#.to_owned(),
            r#"{"direct":true}"#.to_owned(),
            r#"{"cand":[]}"#.to_owned(),
            format!(r#"{{"cand":[{{"candidate":"{GOOD}","sdpMid":"0","sdpMLineIndex":0}}]}}"#),
            format!(r#"{{"cand":[{{"candidate":"{GOOD}","usernameFragment":"aB3+"}}]}}"#),
            r#"{"cand":[{"candidate":"","sdpMid":"{a-1}","sdpMLineIndex":1}]}"#.to_owned(),
        ] {
            assert!(check(&json) == Ok(json.clone()), "{json}");
        }
    }

    #[test]
    fn nulls_are_absence() {
        let json =
            r#"{"cand":[{"candidate":"","sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null}]}"#;
        assert!(check(json) == Ok(r#"{"cand":[{"candidate":""}]}"#.to_owned()));
    }

    #[test]
    fn row_152_control_characters_and_counts() {
        let with = |field: &str, value: &str| {
            format!(r#"{{"cand":[{{"candidate":"{GOOD}","{field}":"{value}"}}]}}"#)
        };
        for json in [
            with("sdpMid", r"0\r\na=x"),
            with("sdpMid", r"\u0000"),
            with("usernameFragment", r"abcd\n"),
            with("usernameFragment", "abc"),
            with("sdpMid", &"m".repeat(41)),
            format!(r#"{{"cand":[{{"candidate":"{GOOD}\r\na=crypto:1"}}]}}"#),
        ] {
            assert!(check(&json) == Err(BadPayload::Candidate), "{json}");
        }
        let many = format!(r#"{{"cand":[{}{{"candidate":""}}]}}"#, r#"{"candidate":""},"#.repeat(20));
        assert!(check(&many) == Err(BadPayload::TooManyCandidates));
    }

    #[test]
    fn row_154_one_candidate_that_tells_too_much_marks_the_body() {
        let host = "candidate:1 1 udp 1 192.168.0.1 8000 typ host";
        for (list, expected) in [([GOOD, ""], false), ([GOOD, host], true), ([host, GOOD], true)] {
            let list = list.map(|text| format!(r#"{{"candidate":"{text}"}}"#)).join(",");
            let body: Body = serde_json::from_str(&format!(r#"{{"cand":[{list}]}}"#)).unwrap();
            let gated = GatedBody::check(body, &SessionId([0; 16]));
            assert!(gated.is_ok_and(|body| body.is_exposing() == expected));
        }
    }

    #[test]
    fn row_155_what_leads_nowhere_good_is_left_out_and_marks_the_body_all_the_same() {
        let away = "candidate:1 1 udp 1 192.168.0.1 80 typ host";
        let json = format!(r#"{{"cand":[{{"candidate":"{away}"}},{{"candidate":"{GOOD}"}}]}}"#);
        assert!(check(&json) == Ok(format!(r#"{{"cand":[{{"candidate":"{GOOD}"}}]}}"#)));
        let gated = GatedBody::check(serde_json::from_str(&json).unwrap(), &SessionId([0; 16]));
        assert!(gated.is_ok_and(|body| body.is_exposing() && body.candidates_after(0) == 1));
    }

    #[test]
    fn a_bye_that_is_none_does_not_pass() {
        assert!(check(r#"{"bye":false}"#) == Err(BadPayload::Description));
        assert!(check(r#"{"direct":false}"#) == Err(BadPayload::Description));
    }
}
