//! The style and layer laws of this repository, as functions from a file or a manifest to findings.
//!
//! Not a linter for other projects: names, lists and sizes are those of `docs/architecture.md` and of the
//! house rules. `tests/` runs every law over the whole tree; the units beside each law prove that it can
//! fail.

use std::fmt;

pub mod layers;
pub mod licences;
pub mod manifests;
pub mod purity;
pub mod ratchet;
pub mod repository;
pub mod rust_file;
pub mod shape;
pub mod supply;
pub mod text;
pub mod words;

/// One place that breaks one law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The law, in kebab-case; the key of the ratchet where `size` is set.
    pub rule: &'static str,
    /// The file, relative to the repository's root.
    pub path: String,
    /// The line, counted from 1.
    pub line: usize,
    /// What was found there.
    pub what: String,
    /// What to do about it.
    pub remedy: &'static str,
    /// How large the offender is, for laws whose present offenders the ratchet may list.
    pub size: Option<usize>,
}

impl Finding {
    /// A finding that no ratchet can excuse.
    pub fn new(
        rule: &'static str,
        path: &str,
        line: usize,
        what: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self { rule, path: path.to_owned(), line, what: what.into(), remedy, size: None }
    }

    /// A finding that the ratchet may excuse up to `size`.
    pub fn sized(self, size: usize) -> Self {
        Self { size: Some(size), ..self }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}\n    remedy: {}", self.path, self.line, self.rule, self.what, self.remedy)
    }
}

/// All findings as one text for a test's panic message.
pub fn report(findings: &[Finding]) -> String {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    format!("{} findings\n{}", findings.len(), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_prints_place_rule_and_remedy() {
        let finding = Finding::new("line-length", "a/b.rs", 7, "140 columns", "break the line");
        assert_eq!(finding.to_string(), "a/b.rs:7: line-length: 140 columns\n    remedy: break the line");
    }
}
