//! The configuration as text: the default file with its comments, and the effective one.
//!
//! No secret can appear in either, because no key holds one: keys name files.

use std::collections::BTreeMap;

use super::Settings;
use super::draft::Place;
use super::keys::{KEYS, Key, Kind, USER_FIELDS};

/// The default configuration as a commented file.
pub fn default_file() -> String {
    let mut text = String::from(
        "# The configuration of ginnel, with every key at its default.\n\
         # A variable GINNEL_SECTION_KEY overrides a key, as GINNEL_LOG_LEVEL does log.level.\n\
         # Relative paths start beside this file, or in $CREDENTIALS_DIRECTORY if the name exists there.\n",
    );
    sections(&mut text, |key, text| {
        text.push_str(&format!("\n# {}\n", key.meaning));
        if let Kind::Users = key.kind {
            for (name, meaning) in USER_FIELDS {
                text.push_str(&format!("#   {name}: {meaning}\n"));
            }
        }
        text.push_str(&format!("{} = {}\n", key.name(), key.default));
    });
    text
}

impl Settings {
    /// The effective configuration as a file; behind each value stands where it comes from.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        sections(&mut text, |key, text| {
            let item = self.draft.item(key.path);
            let source = match item.place {
                Place::Default => "default".to_owned(),
                Place::Variable => key.variable(),
                Place::Inherited => "the service manager".to_owned(),
                Place::Line(line) => format!("line {line}"),
            };
            text.push_str(&format!("{} = {}  # {source}\n", key.name(), item.to_toml()));
        });
        text
    }

    /// Every key with its value as the file would have it.
    pub(crate) fn values(&self) -> BTreeMap<&'static str, String> {
        KEYS.iter().map(|key| (key.path, self.draft.item(key.path).to_toml())).collect()
    }

    /// The effective configuration as JSON, in the shape of the file.
    pub fn to_json(&self) -> serde_json::Value {
        let mut root = serde_json::json!({});
        for key in KEYS {
            let mut object = &mut root;
            for section in key.section().split('.').filter(|section| !section.is_empty()) {
                object = &mut object[section];
            }
            object[key.name()] = self.draft.item(key.path).to_json();
        }
        root
    }
}

/// Writes all keys under their section headers.
fn sections(text: &mut String, mut write: impl FnMut(&Key, &mut String)) {
    let mut section = "";
    for key in KEYS {
        if key.section() != section {
            section = key.section();
            text.push_str(&format!("\n[{section}]\n"));
        }
        write(key, text);
    }
}
