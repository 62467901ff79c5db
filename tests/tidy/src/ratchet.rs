//! The ratchet: what already breaks a law of size is listed with its present size, and the list only gets
//! shorter.
//!
//! Not an escape for new code: an entry larger than what it excuses is a finding too, so slack never stays.

use std::collections::BTreeMap;

use crate::Finding;

/// The list, `rule path size` a line; `#` begins a comment.
pub struct Ratchet {
    entries: BTreeMap<(String, String), usize>,
}

impl Ratchet {
    /// Reads the list.
    ///
    /// # Errors
    /// The line that is not an entry.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut entries = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                [] => {}
                [first, ..] if first.starts_with('#') => {}
                [rule, path, size] => {
                    let size = size.parse().map_err(|e| format!("{RATCHET_PATH}:{}: {e}", index + 1))?;
                    entries.insert((rule.to_owned(), path.to_owned()), size);
                }
                _ => return Err(format!("{RATCHET_PATH}:{}: want `rule path size`", index + 1)),
            }
        }
        Ok(Self { entries })
    }

    /// The findings the list does not excuse, and the entries that have become too large.
    pub fn judge(&self, findings: Vec<Finding>) -> Vec<Finding> {
        let worst = worst(&findings);
        let mut out: Vec<Finding> = findings
            .into_iter()
            .filter(|finding| {
                let key = (finding.rule.to_owned(), finding.path.clone());
                let ceiling = self.entries.get(&key).copied().unwrap_or(0);
                finding.size.is_none_or(|size| size > ceiling)
            })
            .collect();
        for (key, &ceiling) in &self.entries {
            let now = worst.get(key).copied().unwrap_or(0);
            if now < ceiling {
                let what = format!("{} {} is listed with {ceiling} and has {now}", key.0, key.1);
                let remedy = "lower it: TIDY_LOWER=1 cargo test -p tidy";
                out.push(Finding::new("ratchet", RATCHET_PATH, 1, what, remedy));
            }
        }
        out
    }

    /// The list with every entry lowered to the present size and those no longer needed gone; nothing is
    /// raised or added. `text` is the list as it stands, its comments are kept.
    pub fn lowered(&self, text: &str, findings: &[Finding]) -> String {
        let worst = worst(findings);
        let mut out = String::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let key = match words[..] {
                [rule, path, _] if !rule.starts_with('#') => (rule.to_owned(), path.to_owned()),
                _ => {
                    out.push_str(&format!("{line}\n"));
                    continue;
                }
            };
            let ceiling = self.entries.get(&key).copied().unwrap_or(0);
            if let Some(&now) = worst.get(&key) {
                out.push_str(&format!("{} {} {}\n", key.0, key.1, now.min(ceiling)));
            }
        }
        out
    }
}

fn worst(findings: &[Finding]) -> BTreeMap<(String, String), usize> {
    let mut out = BTreeMap::new();
    for finding in findings {
        if let Some(size) = finding.size {
            let entry = out.entry((finding.rule.to_owned(), finding.path.clone())).or_insert(size);
            *entry = size.max(*entry);
        }
    }
    out
}

/// Where the list lives, relative to the repository's root.
pub const RATCHET_PATH: &str = "tests/tidy/ratchet.txt";

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# why\nfile-length a.rs 700\n";

    #[test]
    fn a_listed_offender_is_excused_until_it_grows() {
        let ratchet = Ratchet::parse(LIST).unwrap();
        assert!(ratchet.judge(vec![offender(700)]).is_empty());
        assert_eq!(ratchet.judge(vec![offender(701)])[0].rule, "file-length");
    }

    #[test]
    fn slack_in_the_list_is_a_finding() {
        let ratchet = Ratchet::parse(LIST).unwrap();
        assert_eq!(ratchet.judge(vec![offender(650)])[0].rule, "ratchet");
        assert_eq!(ratchet.judge(Vec::new())[0].rule, "ratchet");
    }

    #[test]
    fn lowering_never_raises_or_adds() {
        let ratchet = Ratchet::parse(LIST).unwrap();
        assert_eq!(ratchet.lowered(LIST, &[offender(650)]), "# why\nfile-length a.rs 650\n");
        assert_eq!(ratchet.lowered(LIST, &[offender(900)]), LIST);
        assert_eq!(ratchet.lowered(LIST, &[]), "# why\n");
    }

    #[test]
    fn a_line_that_is_no_entry_is_refused() {
        assert!(Ratchet::parse("file-length a.rs\n").is_err());
        assert!(Ratchet::parse("file-length a.rs many\n").is_err());
    }

    fn offender(size: usize) -> Finding {
        Finding::new("file-length", "a.rs", 1, format!("{size} lines"), "split it").sized(size)
    }
}
