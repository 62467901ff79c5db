//! `[match]` and `[privacy]`: how people meet, and what they may be shown of each other.
//!
//! Who meets whom is decided in `match_core`.

use match_core::Exposure;

use super::draft::Draft;
use super::passwords::read_tokens;
use super::source::{Folders, Secret};

/// `[match]`: how people meet.
pub struct Matching {
    /// Who may come in, if not everybody.
    pub tokens: Option<Vec<AdmissionToken>>,
    /// How long a ban lasts, in seconds.
    pub ban_s: u64,
    /// Whether rooms may be opened.
    pub rooms: bool,
    /// How many may meet in a room.
    pub room_size: u8,
    /// How long a client that lost its connection may come back, in seconds.
    pub resume_s: u64,
    /// Which candidates strangers may be shown.
    pub exposure: Exposure,
    /// Which candidates the members of a room may be shown.
    pub room_exposure: Exposure,
}

/// What lets somebody in.
#[derive(Clone)]
pub struct AdmissionToken {
    /// The token.
    pub secret: Secret,
    /// Whether it is good only once.
    pub is_single_use: bool,
}

/// `[privacy]`: what the server makes sure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privacy {
    /// Whether set-ups must be sealed between the two.
    pub require_sealed: bool,
    /// How long a key of tags is in use, in seconds.
    pub rotate_s: u64,
}

impl Matching {
    pub(super) fn read(draft: &mut Draft, folders: &Folders) -> Self {
        Self {
            tokens: read_admission(draft, folders),
            ban_s: draft.number("match.ban_s").into(),
            rooms: draft.switch("match.rooms"),
            room_size: u8::try_from(draft.number("match.room_size")).expect("the key's bounds fit"),
            resume_s: draft.number("match.resume_s").into(),
            exposure: exposure(&draft.text("match.exposure")),
            room_exposure: exposure(&draft.text("match.room_exposure")),
        }
    }
}

impl Privacy {
    pub(super) fn read(draft: &Draft) -> Self {
        Self {
            require_sealed: draft.switch("privacy.require_sealed"),
            rotate_s: draft.number("privacy.rotate_s").into(),
        }
    }
}

fn read_admission(draft: &mut Draft, folders: &Folders) -> Option<Vec<AdmissionToken>> {
    let key = "match.token_file";
    let (by_token, is_named) = (draft.text("match.admission") == "token", !draft.text(key).is_empty());
    if by_token && !is_named {
        let right = "set match.token_file to the path of a file of tokens";
        draft.refuse(
            key,
            draft.place("match.admission"),
            "is empty, but match.admission is \"token\"",
            right,
        );
    } else if !by_token && is_named {
        let right = "set admission = \"token\", or remove it";
        draft.refuse(key, draft.place(key), "is set, but match.admission is \"open\"", right);
    } else if by_token {
        return Some(read_tokens(draft, folders, key));
    }
    None
}

fn exposure(word: &str) -> Exposure {
    match word {
        "relay" => Exposure::Relay,
        "direct" => Exposure::Direct,
        _ => Exposure::Consent,
    }
}
