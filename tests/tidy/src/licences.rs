//! SPDX licence expressions, as far as crates write them: `OR`, `AND`, `WITH`, parentheses, and the old `/`.
//!
//! Not an SPDX library: an unknown name is simply not allowed.

/// Whether the expression can be satisfied with licences on the list.
pub fn allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut reader = Reader { words: &words, at: 0 };
    reader.any() && reader.at == words.len()
}

struct Reader<'a> {
    words: &'a [&'a str],
    at: usize,
}

impl Reader<'_> {
    fn any(&mut self) -> bool {
        let mut ok = self.all();
        while self.take("OR") {
            ok |= self.all();
        }
        ok
    }

    fn all(&mut self) -> bool {
        let mut ok = self.one();
        while self.take("AND") {
            ok &= self.one();
        }
        ok
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let ok = self.any();
            return self.take(")") && ok;
        }
        let Some(name) = self.words.get(self.at) else { return false };
        self.at += 1;
        if !self.take("WITH") {
            return ALLOWED.contains(name);
        }
        let exception = self.words.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        ALLOWED.contains(name) && exception == "LLVM-exception"
    }

    fn take(&mut self, word: &str) -> bool {
        let is = self.words.get(self.at) == Some(&word);
        self.at += usize::from(is);
        is
    }
}

/// Licences that ask for no more than a notice, and so fit a program under MIT OR Apache-2.0.
const ALLOWED: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_decided() {
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        ] {
            assert!(allowed(good), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "", "MIT WITH Some-exception", "MIT MIT", "(MIT"] {
            assert!(!allowed(bad), "{bad}");
        }
    }
}
