//! What is wrong with a configuration, where, and what would be right.
//!
//! A problem never quotes a value: values hold addresses and names, and the place says where to look.

use std::fmt;
use std::path::PathBuf;

/// One mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The configuration file, if the mistake is in one.
    pub file: Option<PathBuf>,
    /// The line in it, from 1.
    pub line: Option<usize>,
    /// The environment variable, if the mistake is in one.
    pub variable: Option<String>,
    /// The key, as in `listen.turn`.
    pub key: Option<String>,
    /// What is wrong.
    pub wrong: String,
    /// What would be right.
    pub right: String,
}

/// All mistakes that could be found in one reading; never empty.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problem {
    /// The problem as a JSON object; what does not apply is null.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "file": self.file.as_ref().map(|file| file.to_string_lossy()),
            "line": self.line,
            "variable": self.variable,
            "key": self.key,
            "wrong": self.wrong,
            "right": self.right,
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line, &self.variable) {
            (Some(file), Some(line), None) => write!(f, "{}:{line}: ", file.display())?,
            (Some(file), None, None) => write!(f, "{}: ", file.display())?,
            (_, _, Some(variable)) => write!(f, "{variable}: ")?,
            (None, _, None) => {}
        }
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        write!(f, "{}; {}", self.wrong, self.right)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
