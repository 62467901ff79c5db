//! Which tests and which items there are, and which rows the tests carry, by their names in the source. Not
//! whether they pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The names of all tests, and by the rows they carry, in order; and those of all other items.
#[derive(Default)]
pub struct TestsFound {
    tests_by_row: BTreeMap<u16, Vec<String>>,
    tests: BTreeSet<String>,
    items: BTreeSet<String>,
}

impl TestsFound {
    /// Searches all Rust sources of the repository's crates and tests.
    ///
    /// # Errors
    /// The file or folder that cannot be read.
    pub fn search() -> Result<Self, String> {
        let mut found = Self::default();
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

    /// Whether a test has this name.
    pub fn has_test(&self, name: &str) -> bool {
        self.tests.contains(name)
    }

    /// Whether a function, a type or a constant has this name, which may stand behind that of its type.
    pub fn has_item(&self, name: &str) -> bool {
        name.split("::").all(|part| self.items.contains(part))
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

    fn add(&mut self, test: &str) {
        self.tests.insert(test.to_owned());
        for row in rows_of(test) {
            self.tests_by_row.entry(row).or_default().push(test.to_owned());
        }
    }

    fn search_file(&mut self, path: &Path) -> Result<(), String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut is_test = false;
        for line in text.lines().map(str::trim_start) {
            if line.starts_with("#[") {
                is_test |= line.contains("test");
            } else if let Some(name) = item_of(line) {
                if is_test {
                    self.add(name);
                } else {
                    self.items.insert(name.to_owned());
                }
                is_test = false;
            } else if let Some((name, _)) = line.split_once(" =>")
                && !rows_of(name).is_empty()
            {
                // A row of a table, which is a test of that name.
                self.add(name);
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

/// The name of the function, type or constant that begins on a line.
fn item_of(line: &str) -> Option<&str> {
    let mut words = line.split(' ');
    let before = ["pub", "pub(crate)", "pub(super)", "async", "unsafe"];
    let mut kind = words.find(|word| !before.contains(word))?;
    let mut name = words.next()?;
    if kind == "const" && matches!(name, "fn" | "unsafe") {
        (kind, name) = ("fn", words.find(|word| *word != "fn")?);
    }
    let name = name.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()?;
    let is_item = matches!(kind, "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static");
    (is_item && !name.is_empty()).then_some(name)
}

/// The repository this crate was built in.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_told_by_the_word_before_their_name() {
        for (line, name) in [
            ("pub(crate) const fn new(key: u8) -> Self {", Some("new")),
            ("async fn pipe<'a>(client: &'a Stream) {", Some("pipe")),
            ("pub struct Nonces {", Some("Nonces")),
            ("const SPAN: Duration = Duration::ZERO;", Some("SPAN")),
            ("const _: () = assert!(true);", Some("_")),
            ("let const_like = 1;", None),
            ("return fn_of(x);", None),
            ("}", None),
        ] {
            assert_eq!(item_of(line), name, "{line}");
        }
    }

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
