//! `[match]` and `[privacy]`: how people meet, and what they may be shown of each other.
//!
//! Who meets whom is decided in `match_core`.

use match_core::Exposure;

use super::draft::Draft;
use super::jwt::Jwt;
use super::passwords::read_tokens;
use super::source::{Folders, Secret};

/// `[match]`: how people meet.
pub struct Matching {
    /// Who may come in.
    pub admission: Admission,
    /// How long a ban lasts, in seconds.
    pub ban_s: u64,
    /// Whether rooms may be opened.
    pub rooms: bool,
    /// How many may meet in a room.
    pub room_size: u8,
    /// How long a client that lost its connection may come back, in seconds.
    pub resume_s: u64,
    /// How hard everybody has to work to come in, in bits.
    pub work_bits: u8,
    /// Which candidates strangers may be shown.
    pub exposure: Exposure,
    /// Which candidates the members of a room may be shown.
    pub room_exposure: Exposure,
}

/// Who may come in.
#[derive(Clone)]
pub enum Admission {
    /// Everybody.
    Open,
    /// Who has one of these.
    Tokens(Vec<AdmissionToken>),
    /// Who has a token that the operator's identity provider signed.
    Jwt(Jwt),
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
            admission: Admission::read(draft, folders),
            ban_s: draft.number("match.ban_s").into(),
            rooms: draft.switch("match.rooms"),
            room_size: u8::try_from(draft.number("match.room_size")).expect("the key's bounds fit"),
            resume_s: draft.number("match.resume_s").into(),
            work_bits: u8::try_from(draft.number("match.work_bits")).expect("the key's bounds fit"),
            exposure: exposure(&draft.text("match.exposure")),
            room_exposure: exposure(&draft.text("match.room_exposure")),
        }
    }
}

impl Admission {
    fn read(draft: &mut Draft, folders: &Folders) -> Self {
        let (mode, file) = (draft.text("match.admission"), draft.text(TOKEN_FILE));
        if mode != "jwt" {
            Jwt::refuse_unused(draft);
        }
        if mode != "token" && !file.is_empty() {
            let wrong = format!("is set, but match.admission is \"{mode}\"");
            let right = "set admission = \"token\", or remove it";
            draft.refuse(TOKEN_FILE, draft.place(TOKEN_FILE), &wrong, right);
        }
        match mode.as_str() {
            "token" if file.is_empty() => {
                let (wrong, right) = (
                    "is empty, but match.admission is \"token\"",
                    "set match.token_file to the path of a file of tokens",
                );
                draft.refuse(TOKEN_FILE, draft.place("match.admission"), wrong, right);
                Self::Open
            }
            "token" => Self::Tokens(read_tokens(draft, folders, TOKEN_FILE)),
            "jwt" => Jwt::read(draft, folders).map_or(Self::Open, Self::Jwt),
            _ => Self::Open,
        }
    }

    /// Whether a token is asked of people.
    pub(crate) fn needs_token(&self) -> bool {
        !matches!(self, Self::Open)
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

fn exposure(word: &str) -> Exposure {
    match word {
        "relay" => Exposure::Relay,
        "direct" => Exposure::Direct,
        _ => Exposure::Consent,
    }
}

const TOKEN_FILE: &str = "match.token_file";
