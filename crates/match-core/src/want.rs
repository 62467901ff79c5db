//! What someone who waits asks for.
//!
//! It is not a profile: it is wiped at `leave` and `cancel`, with the connection, or when another one is
//! asked for.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use crate::limits::{LANG_BYTES_MAX, LANGS_MAX, TAG_BYTES_MAX, TAGS_MAX};

/// The wish of a ticket. Tags and languages are compared byte for byte.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Want {
    /// The kind of conversation.
    pub media: Media,
    /// Topics, of which one shared is enough; none means any.
    #[serde(default)]
    #[cfg_attr(test, schemars(
        length(max = TAGS_MAX),
        inner(length(min = 1, max = TAG_BYTES_MAX), regex(pattern = NO_CONTROLS)),
        extend("uniqueItems" = true)
    ))]
    pub tags: Vec<String>,
    /// Languages, of which one shared is enough; none means any.
    #[serde(default)]
    #[cfg_attr(test, schemars(
        length(max = LANGS_MAX),
        inner(length(min = 1, max = LANG_BYTES_MAX), regex(pattern = NO_CONTROLS)),
        extend("uniqueItems" = true)
    ))]
    pub langs: Vec<String>,
}

impl Want {
    /// Whether the lists keep to their bounds: no more entries than allowed, none empty, none twice, no
    /// control characters.
    pub(crate) fn is_bounded(&self) -> bool {
        bounded(&self.tags, TAGS_MAX, TAG_BYTES_MAX) && bounded(&self.langs, LANGS_MAX, LANG_BYTES_MAX)
    }

    /// The tags both ask for, in this one's order.
    pub(crate) fn common_tags(&self, other: &Self) -> Vec<String> {
        self.tags.iter().filter(|tag| other.tags.contains(tag)).cloned().collect()
    }
}

impl Drop for Want {
    fn drop(&mut self) {
        self.tags.zeroize();
        self.langs.zeroize();
    }
}

/// The kind of conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Media {
    /// Typed text only.
    Text,
    /// Voice and text.
    Audio,
    /// Picture, voice and text.
    Video,
}

fn bounded(list: &[String], entries_max: usize, bytes_max: usize) -> bool {
    list.len() <= entries_max
        && list.iter().enumerate().all(|(i, entry)| {
            !entry.is_empty()
                && entry.len() <= bytes_max
                && !entry.chars().any(char::is_control)
                && !list[..i].contains(entry)
        })
}

/// What `char::is_control` leaves, for the schema.
#[cfg(test)]
const NO_CONTROLS: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

#[cfg(test)]
mod tests {
    use super::*;

    fn want(tags: &[&str], langs: &[&str]) -> Want {
        let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Want { media: Media::Text, tags: owned(tags), langs: owned(langs) }
    }

    #[test]
    fn lists_have_bounds() {
        let long = "x".repeat(65);
        assert!(want(&[], &[]).is_bounded());
        assert!(want(&["a", "b", "c", "d", "e", "f", "g", "h"], &["en", "de", "fr", "pt-BR"]).is_bounded());
        assert!(!want(&["a", "b", "c", "d", "e", "f", "g", "h", "i"], &[]).is_bounded());
        assert!(!want(&[], &["a", "b", "c", "d", "e"]).is_bounded());
        for tag in ["", &long, "a\nb"] {
            assert!(!want(&[tag], &[]).is_bounded());
        }
        assert!(!want(&["a", "a"], &[]).is_bounded());
    }

    #[test]
    fn common_tags_are_those_of_both() {
        assert_eq!(want(&["a", "b", "c"], &[]).common_tags(&want(&["c", "a"], &[])), ["a", "c"]);
    }
}
