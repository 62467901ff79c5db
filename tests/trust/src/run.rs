//! Runs the tests that carry rows and reads how they ended. Not what they test.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::catalogue::Row;
use crate::tests_found::{TestsFound, root};

/// How each test ended that ran: by its last name, whether every one so called passed.
pub struct Outcomes {
    passed_by_test: BTreeMap<String, bool>,
}

impl Outcomes {
    /// Reads what `cargo test` printed.
    pub fn read(printed: &str) -> Self {
        let mut passed_by_test = BTreeMap::new();
        for line in printed.lines() {
            let Some((path, end)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
            else {
                continue;
            };
            let name = path.rsplit("::").next().unwrap_or(path);
            *passed_by_test.entry(name.to_owned()).or_insert(true) &= end.trim_end() == "ok";
        }
        Self { passed_by_test }
    }

    /// What the run says about a row.
    pub fn of(&self, row: &Row, tests: &TestsFound) -> Verdict {
        let tests = tests.of(row.number);
        if tests.is_empty() {
            return row.without.clone().map_or(Verdict::Unexplained, Verdict::Without);
        }
        let failed: Vec<String> =
            tests.iter().filter(|test| self.passed_by_test.get(*test) != Some(&true)).cloned().collect();
        if failed.is_empty() { Verdict::Passed(tests.len()) } else { Verdict::Failed(failed) }
    }
}

/// The end of one row.
pub enum Verdict {
    /// So many tests carry it; all of them ran and passed.
    Passed(usize),
    /// These failed, or did not run.
    Failed(Vec<String>),
    /// No test, and why.
    Without(String),
    /// No test, and nobody says why.
    Unexplained,
}

/// Runs every test of the workspace whose name holds `row`, and says what it printed.
///
/// # Errors
/// Cargo cannot be run, or not even build.
pub fn run_tests() -> Result<String, String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "--locked", "--workspace", "--no-fail-fast", "--exclude", "tidy"]);
    command.args(["--", "row"]).current_dir(root()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("cargo: {error}"))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if printed.is_empty() { Err("cargo test printed nothing".to_owned()) } else { Ok(printed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_passes_where_all_of_its_name_do() {
        let printed =
            "running 3 tests\ntest a::row_1_x ... ok\ntest b::row_1_x ... FAILED\ntest row_2_y ... ok\n";
        let outcomes = Outcomes::read(printed);
        assert_eq!(outcomes.passed_by_test.get("row_1_x"), Some(&false));
        assert_eq!(outcomes.passed_by_test.get("row_2_y"), Some(&true));
        assert_eq!(outcomes.passed_by_test.len(), 2);
    }
}
