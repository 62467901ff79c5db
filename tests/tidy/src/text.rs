//! Laws on any text file: no developer's paths, no unexplained notes; and on scripts: header, sizes, no
//! fixed sleeps.
//!
//! Scripts are JavaScript, Python and shell. They are read line by line, not parsed.

use crate::Finding;
use crate::repository::TextFile;
use crate::shape::{FILE_LINES_MAX, line_length};

/// Every law of text on one file.
pub fn check(file: &TextFile) -> Vec<Finding> {
    let mut out = machine_paths(file);
    out.extend(notes(file));
    if let Some(language) = Language::of(file) {
        out.extend(script_header(file, language));
        out.extend(line_length(&file.path, &file.text));
        out.extend(script_length(file));
        out.extend(fixed_sleeps(file, language));
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    JavaScript,
    Python,
    Shell,
}

impl Language {
    fn of(file: &TextFile) -> Option<Self> {
        let first = file.text.lines().next().unwrap_or_default();
        match file.path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("js" | "mjs") => Some(Self::JavaScript),
            Some("py") => Some(Self::Python),
            Some("sh") => Some(Self::Shell),
            _ if first.starts_with("#!") && first.ends_with("sh") => Some(Self::Shell),
            _ => None,
        }
    }
}

fn machine_paths(file: &TextFile) -> Vec<Finding> {
    let remedy = "name it relative to the repository, or take it as an argument";
    let mut out = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for root in ["home", "Users", "root", "work"] {
            let root = format!("/{root}/");
            // Only where an absolute path begins: a folder of ours may have such a name.
            let absolute = line.match_indices(&root).any(|(at, _)| {
                !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-/~})$*".contains(c))
            });
            if absolute {
                let what = format!("a path of one machine: {root}");
                out.push(Finding::new("machine-path", &file.path, index + 1, what, remedy));
            }
        }
    }
    out
}

fn notes(file: &TextFile) -> Vec<Finding> {
    let remedy = "write what is missing and why it may wait, or do it now";
    let mut out = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let explained = line.split_once(NOTE).is_some_and(|(_, rest)| {
            rest.strip_prefix(": ").is_some_and(|reason| reason.trim().len() >= NOTE_REASON_CHARACTERS_MIN)
        });
        if (has_word(line, NOTE) && !explained) || OTHER_NOTES.iter().any(|word| has_word(line, word)) {
            out.push(Finding::new("note", &file.path, index + 1, line.trim(), remedy));
        }
    }
    out
}

fn has_word(line: &str, word: &str) -> bool {
    let edge = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word)
        .any(|(at, _)| edge(line[..at].chars().next_back()) && edge(line[at + word.len()..].chars().next()))
}

fn script_header(file: &TextFile, language: Language) -> Vec<Finding> {
    let mut lines = file.text.lines().filter(|line| !line.starts_with("#!"));
    let first = lines.find(|line| !line.trim().is_empty()).unwrap_or_default();
    let opens = match language {
        Language::JavaScript => first.starts_with("//") || first.starts_with("/*"),
        Language::Python => first.starts_with('#') || first.starts_with("\"\"\""),
        Language::Shell => first.starts_with('#'),
    };
    if opens {
        return Vec::new();
    }
    let remedy = "open the file with a comment: what it is and what it deliberately is not";
    vec![Finding::new("file-header", &file.path, 1, "no header", remedy)]
}

fn script_length(file: &TextFile) -> Vec<Finding> {
    let lines = file.text.lines().count();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let remedy = "split the file along what it does";
    vec![Finding::new("file-length", &file.path, 1, format!("{lines} lines"), remedy).sized(lines)]
}

fn fixed_sleeps(file: &TextFile, language: Language) -> Vec<Finding> {
    let is_test =
        ["tests/", ".ci/"].iter().any(|dir| file.path.starts_with(dir)) || file.path.contains("/test/");
    if !is_test {
        return Vec::new();
    }
    let lines: Vec<&str> = file.text.lines().collect();
    let remedy = "wait for the condition in a loop with a deadline";
    (0..lines.len())
        .filter(|&at| sleeps(lines[at], language) && !inside_loop(&lines, at))
        .map(|at| Finding::new("fixed-sleep", &file.path, at + 1, lines[at].trim(), remedy))
        .collect()
}

/// Whether a line of code waits for a time and for nothing else.
fn sleeps(line: &str, language: Language) -> bool {
    let code = line.trim_start();
    let has = |word: &str| code.contains(word) && !code.starts_with(['#', '/', '*']);
    match language {
        Language::JavaScript => {
            has("waitForTimeout(") || has("await") && (has(" sleep(") || has("=> setTimeout("))
        }
        Language::Python => has("time.sleep(") || has("asyncio.sleep("),
        Language::Shell => code.split([';', '&', '|']).any(|part| part.trim_start().starts_with("sleep ")),
    }
}

/// Whether a line that opens a loop encloses the line at `at`, going by indentation.
fn inside_loop(lines: &[&str], at: usize) -> bool {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let opens = |line: &str| {
        let code = line.trim_start().trim_start_matches("async ");
        ["while", "for", "until", "loop"].iter().any(|word| code.starts_with(word))
    };
    let mut inner = indent(lines[at]);
    if opens(lines[at]) {
        return true;
    }
    for line in lines[..at].iter().rev().filter(|line| !line.trim().is_empty()) {
        if indent(line) < inner {
            inner = indent(line);
            if opens(line) {
                return true;
            }
        }
    }
    false
}

// Spelt in halves, so that this file keeps its own law.
const NOTE: &str = concat!("TO", "DO");
const OTHER_NOTES: [&str; 3] = [concat!("FIX", "ME"), concat!("X", "XX"), concat!("HA", "CK")];
const NOTE_REASON_CHARACTERS_MIN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_one_machine_is_found() {
        let path = concat!("/ho", "me/ann/x");
        assert_eq!(rules("a.md", &format!("see {path}\n")), ["machine-path"]);
        assert!(rules("a.md", &format!("see crates{path}\n")).is_empty());
    }

    #[test]
    fn a_note_without_a_reason_is_found() {
        assert_eq!(rules("a.md", &format!("{NOTE} later\n")), ["note"]);
        assert_eq!(rules("a.md", &format!("{}: bad\n", OTHER_NOTES[0])), ["note"]);
        assert!(rules("a.md", &format!("{NOTE}: IPv6 once the resolver has it\n")).is_empty());
        assert!(rules("a.md", &format!("{NOTE}S are a list\n")).is_empty());
    }

    #[test]
    fn a_script_without_a_header_is_found() {
        assert_eq!(rules("a.js", "let a = 1;\n"), ["file-header"]);
        assert_eq!(rules("a.py", "import os\n"), ["file-header"]);
        assert_eq!(rules("run", "#!/usr/bin/env bash\nset -e\n"), ["file-header"]);
        assert!(rules("a.js", "/** What it is. */\nlet a = 1;\n").is_empty());
    }

    #[test]
    fn a_script_too_wide_or_too_long_is_found() {
        assert_eq!(rules("a.js", &format!("// {}\n", "x".repeat(120))), ["line-length"]);
        assert_eq!(rules("a.py", &format!("# H.\n{}", "a = 1\n".repeat(600))), ["file-length"]);
    }

    #[test]
    fn a_fixed_sleep_in_a_script_is_found() {
        assert_eq!(rules("tests/a.py", "# H.\ntime.sleep(1)\n"), ["fixed-sleep"]);
        assert_eq!(rules("tests/a.sh", "# H.\nserver & sleep 1\n"), ["fixed-sleep"]);
        assert_eq!(rules("tests/a.mjs", "// H.\nawait page.waitForTimeout(500);\n"), ["fixed-sleep"]);
        let timeout = "// H.\nawait new Promise((go) => setTimeout(go, 500));\n";
        assert_eq!(rules("tests/a.mjs", timeout), ["fixed-sleep"]);
        assert!(rules("www/a.mjs", "// H.\nawait sleep(backoff_ms);\n").is_empty());
        assert!(rules("tests/a.py", "# H.\nwhile not done():\n    time.sleep(0.05)\n").is_empty());
        assert!(rules("tests/a.sh", "# H.\nuntil ready; do sleep 0.1; done\n").is_empty());
    }

    fn rules(path: &str, text: &str) -> Vec<&'static str> {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        check(&file).iter().map(|finding| finding.rule).collect()
    }
}
