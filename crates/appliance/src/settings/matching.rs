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
