//! `[match]` and `[privacy]`: how people meet, and what they may be shown of each other.
//!
//! Who meets whom is decided in `match_core`.

use match_core::Exposure;

use super::draft::Draft;

/// `[match]`: how people meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matching {
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

/// `[privacy]`: what the server makes sure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Privacy {
    /// Whether set-ups must be sealed between the two.
    pub require_sealed: bool,
}

impl Matching {
    pub(super) fn read(draft: &Draft) -> Self {
        Self {
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
        Self { require_sealed: draft.switch("privacy.require_sealed") }
    }
}

fn exposure(word: &str) -> Exposure {
    match word {
        "relay" => Exposure::Relay,
        "direct" => Exposure::Direct,
        _ => Exposure::Consent,
    }
}
