//! The tables of `docs/rfc-conformance.md` and `docs/rfc-deviations.md`, as far as names and sections go. Not
//! what the sentences in them say.

use std::collections::BTreeSet;

/// A row of a table that begins with sections of an RFC.
pub struct Row {
    /// The heading it stands under, such as `RFC 8489`.
    pub rfc: String,
    /// Its sections as they are written: `§9.2.4`, or with the number of another RFC.
    pub sections: Vec<String>,
    /// Its other cells.
    pub cells: Vec<String>,
}

impl Row {
    /// All rows of a document.
    ///
    /// # Panics
    /// Where a row stands under no heading.
    pub fn read_all(document: &str) -> Vec<Self> {
        let mut rfc = None;
        let mut rows = Vec::new();
        for line in document.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                rfc = Some(heading.to_owned());
            }
            let cells = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned());
            let mut cells: Vec<String> = cells.collect();
            if line.starts_with("| ") && (cells[0].contains('§') || cells[0].starts_with("RFC ")) {
                let sections = cells.remove(0);
                let sections = sections.split(", ").map(str::to_owned).collect();
                rows.push(Self { rfc: rfc.clone().expect("a heading above every table"), sections, cells });
            }
        }
        rows
    }

    /// The names in one of its cells.
    pub fn names(&self, cell: usize) -> impl Iterator<Item = &str> {
        self.cells[cell].split('`').skip(1).step_by(2)
    }

    /// Whether it says that the requirement is not met as written.
    pub fn differs(&self) -> bool {
        self.cells.iter().any(|cell| cell.starts_with("*differs*"))
    }

    /// The sections of these rows, each with its heading.
    pub fn all_sections<'r>(rows: impl Iterator<Item = &'r Self>) -> BTreeSet<(&'r str, &'r str)> {
        rows.flat_map(|row| row.sections.iter().map(|section| (row.rfc.as_str(), section.as_str()))).collect()
    }
}
