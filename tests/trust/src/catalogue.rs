//! The rows in short, from `catalogue.toml`. Not which of them pass.

use serde::Deserialize;

/// All sections in order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// A to F, H to J.
    pub section: Vec<Section>,
}

/// Rows about one thing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Its letter in the catalogue.
    pub letter: char,
    /// What its rows are about.
    pub title: String,
    /// Its rows, in order.
    pub row: Vec<Row>,
}

/// One attack.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Its number, which tests carry in their names.
    pub number: u16,
    /// What is tried.
    pub attack: String,
    /// Why no test carries it, if none does.
    pub without: Option<String>,
    /// What the tests leave open, if anything.
    pub gap: Option<String>,
}

impl Catalogue {
    /// The committed catalogue.
    ///
    /// # Panics
    /// Where the file is malformed.
    pub fn read() -> Self {
        toml::from_str(include_str!("../catalogue.toml")).unwrap_or_else(|e| panic!("catalogue.toml: {e}"))
    }

    /// All rows in order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.section.iter().flat_map(|section| &section.row)
    }
}
