//! `[match]` and `[privacy]`: how people meet, and what they may be shown of each other.
//!
//! Who meets whom is decided in `match_core`.

use match_core::Exposure;
use match_core::limits::SEARCHES_MS_MAX;

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
    /// How many searches for a partner may come from one place.
    pub searches: Searches,
    /// Which candidates strangers may be shown.
    pub exposure: Exposure,
    /// Which candidates the members of a room may be shown.
    pub room_exposure: Exposure,
}

/// How many searches for a partner may come from one IPv4 address or IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Searches {
    /// On average, per second; `u32::MAX` is no limit.
    pub per_s: u32,
    /// At once after a silence; `u32::MAX` is no limit.
    pub burst: u32,
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
            searches: Searches::read(draft),
            exposure: exposure(&draft.text("match.exposure")),
            room_exposure: exposure(&draft.text("match.room_exposure")),
        }
    }
}

impl Searches {
    fn read(draft: &mut Draft) -> Self {
        let (per_s, burst) = (draft.number(SEARCHES_S), draft.number(SEARCHES_BURST));
        if per_s == 0 {
            return Self { per_s: u32::MAX, burst: u32::MAX };
        }
        let most = u64::from(per_s) * SEARCHES_MS_MAX / 1000;
        if u64::from(burst) > most {
            // What is used up would be forgotten before it has come back.
            let right = format!("set it to {most} at most, or {SEARCHES_S} higher");
            let wrong = format!("is more than comes back in {} seconds", SEARCHES_MS_MAX / 1000);
            draft.refuse(SEARCHES_BURST, draft.place(SEARCHES_BURST), &wrong, &right);
        }
        Self { per_s, burst }
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

const SEARCHES_S: &str = "match.searches_per_address_s";
const SEARCHES_BURST: &str = "match.searches_burst";
const TOKEN_FILE: &str = "match.token_file";
