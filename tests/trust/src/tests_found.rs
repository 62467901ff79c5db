//! Which tests carry which rows, by their names in the source. Not whether they pass.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The names of tests by the rows they carry, in order.
pub struct TestsFound {
    tests_by_row: BTreeMap<u16, Vec<String>>,
}

impl TestsFound {
    /// Searches all Rust sources of the repository's crates and tests.
    ///
    /// # Errors
    /// The file or folder that cannot be read.
    pub fn search() -> Result<Self, String> {
        let mut found = Self { tests_by_row: BTreeMap::new() };
        for folder in ["crates", "tests"] {
            found.search_folder(&root().join(folder))?;
        }
        for tests in found.tests_by_row.values_mut() {
            tests.sort();
            tests.dedup();
        }
        Ok(found)
    }

    /// The tests that carry a row.
    pub fn of(&self, row: u16) -> &[String] {
        self.tests_by_row.get(&row).map_or(&[], Vec::as_slice)
    }

    fn search_folder(&mut self, folder: &Path) -> Result<(), String> {
        let complain = |error| format!("{}: {error}", folder.display());
        for entry in fs::read_dir(folder).map_err(complain)? {
            let path = entry.map_err(complain)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !matches!(name, "target" | "node_modules") {
                self.search_folder(&path)?;
            } else if name.ends_with(".rs") {
                self.search_file(&path)?;
            }
        }
        Ok(())
    }

    fn search_file(&mut self, path: &Path) -> Result<(), String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut is_test = false;
        for line in text.lines().map(str::trim_start) {
            let line = line.strip_prefix("async ").unwrap_or(line);
            if line.starts_with("#[") {
                is_test |= line.contains("test");
            } else if let Some((name, _)) = line.strip_prefix("fn ").and_then(|rest| rest.split_once('(')) {
                for row in rows_of(name).into_iter().filter(|_| is_test) {
                    self.tests_by_row.entry(row).or_default().push(name.to_owned());
                }
                is_test = false;
            }
        }
        Ok(())
    }
}

/// The rows in a test's name: `row_7_...`, `rows_2_to_5_...`, `rows_9_and_11_...`; none in other names.
pub fn rows_of(name: &str) -> Vec<u16> {
    let mut words = name.split('_');
    if !matches!(words.next(), Some("row" | "rows")) {
        return Vec::new();
    }
    let mut rows: Vec<u16> = words.next().and_then(|word| word.parse().ok()).into_iter().collect();
    while let (Some(joint), Some(next)) = (words.next(), words.next().and_then(|word| word.parse().ok())) {
        match (joint, rows.last()) {
            ("to", Some(&last)) => rows.extend(last + 1..=next),
            ("and", Some(_)) => rows.push(next),
            _ => break,
        }
    }
    rows
}

/// The repository this crate was built in.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_one_row_several_or_a_span() {
        assert_eq!(rows_of("row_7_of_many"), [7]);
        assert_eq!(rows_of("rows_2_to_5_and_so_on"), [2, 3, 4, 5]);
        assert_eq!(rows_of("rows_2_to_4_and_9_more"), [2, 3, 4, 9]);
        assert_eq!(rows_of("rows_49_and_50_x"), [49, 50]);
        assert_eq!(rows_of("row_80_and_then"), [80]);
        assert!(rows_of("narrow_7").is_empty());
        assert!(rows_of("rows_without_number").is_empty());
    }
}
