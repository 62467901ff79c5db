//! One parsed Rust file: its syntax tree, its tokens with their lines, and which lines are test code.
//!
//! Not a resolver: a name means what it says. Laws that look for a word look at tokens, so that they see into
//! macro calls and never into comments.

use std::ops::RangeInclusive;

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A Rust file and the crate it belongs to.
pub struct RustFile {
    /// Relative to the repository's root.
    pub path: String,
    /// The crate's name, by which the law of suffixes goes.
    pub krate: String,
    /// The text as read.
    pub text: String,
    /// The syntax tree.
    pub tree: syn::File,
    /// Every token, groups flattened to their delimiters.
    pub tokens: Vec<Token>,
    tests: Vec<RangeInclusive<usize>>,
}

/// One token and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// An identifier, a literal, `::`, or one character.
    pub text: String,
    /// The line, counted from 1.
    pub line: usize,
}

impl RustFile {
    /// Parses `text`; `package_dir` is the crate's folder relative to the repository's root.
    ///
    /// # Errors
    /// The parser's message, if this is not Rust.
    pub fn parse(path: &str, krate: &str, package_dir: &str, text: &str) -> Result<Self, String> {
        let tree = syn::parse_file(text).map_err(|e| format!("{path}:{}: {e}", e.span().start().line))?;
        let stream: TokenStream = text.parse().map_err(|e| format!("{path}: {e}"))?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let tests = if is_test_path(path, package_dir) {
            vec![1..=usize::MAX]
        } else {
            let mut finder = TestFinder { ranges: Vec::new() };
            finder.visit_file(&tree);
            finder.ranges
        };
        Ok(Self {
            path: path.to_owned(),
            krate: krate.to_owned(),
            text: text.to_owned(),
            tree,
            tokens,
            tests,
        })
    }

    /// Whether a line belongs to test code.
    pub fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&line))
    }

    /// Whether the whole file is test code.
    pub fn is_all_test(&self) -> bool {
        self.is_test(usize::MAX)
    }

    /// How many lines are not test code.
    pub fn product_lines(&self) -> usize {
        (1..=self.text.lines().count()).filter(|&line| !self.is_test(line)).count()
    }

    /// The indices at which the tokens read `sequence`.
    pub fn find<'a>(&'a self, sequence: &'a [&str]) -> impl Iterator<Item = usize> + 'a {
        (0..self.tokens.len()).filter(move |&at| {
            sequence
                .iter()
                .enumerate()
                .all(|(i, want)| self.tokens.get(at + i).is_some_and(|have| have.text == *want))
        })
    }

    /// Every path in the file, import trees expanded: `["std", "net", "UdpSocket"]` and its line.
    pub fn paths(&self) -> Vec<(Vec<String>, usize)> {
        let mut out = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            if is_identifier(&self.tokens[at].text) {
                at = self.path_at(at, &[], &mut out);
            } else {
                at += 1;
            }
        }
        out
    }

    fn path_at(&self, mut at: usize, prefix: &[String], out: &mut Vec<(Vec<String>, usize)>) -> usize {
        let line = self.tokens[at].line;
        let mut segments = prefix.to_vec();
        segments.push(self.tokens[at].text.clone());
        at += 1;
        while self.text_at(at) == "::" {
            let next = self.text_at(at + 1);
            if next == "{" {
                return self.tree_at(at + 2, &segments, out);
            }
            if !is_identifier(next) {
                break;
            }
            segments.push(next.to_owned());
            at += 2;
        }
        out.push((segments, line));
        at
    }

    fn tree_at(&self, mut at: usize, prefix: &[String], out: &mut Vec<(Vec<String>, usize)>) -> usize {
        while at < self.tokens.len() && self.text_at(at) != "}" {
            if is_identifier(self.text_at(at)) {
                at = self.path_at(at, prefix, out);
            } else {
                at += 1;
            }
        }
        at + 1
    }

    fn text_at(&self, at: usize) -> &str {
        self.tokens.get(at).map_or("", |token| &token.text)
    }
}

struct TestFinder {
    ranges: Vec<RangeInclusive<usize>>,
}

impl<'a> Visit<'a> for TestFinder {
    fn visit_item(&mut self, item: &'a syn::Item) {
        if attributes(item).iter().any(is_test_attribute) {
            self.ranges.push(item.span().start().line..=item.span().end().line);
        } else {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        if item.attrs.iter().any(is_test_attribute) {
            self.ranges.push(item.span().start().line..=item.span().end().line);
        }
    }
}

/// The attributes of an item, whatever kind it is.
pub fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    use syn::Item;
    match item {
        Item::Const(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Mod(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::Union(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

/// `#[test]`, `#[tokio::test]`, `#[cfg(test)]` and the like.
pub fn is_test_attribute(attribute: &syn::Attribute) -> bool {
    let path = attribute.path();
    if path.segments.last().is_some_and(|segment| segment.ident == "test") {
        return true;
    }
    let syn::Meta::List(list) = &attribute.meta else { return false };
    let mut tokens = Vec::new();
    flatten(list.tokens.clone(), &mut tokens);
    let has = |word: &str| tokens.iter().any(|token| token.text == word);
    path.is_ident("cfg") && has("test") && !has("not")
}

/// Whether a token is an identifier or a keyword.
pub fn is_identifier(text: &str) -> bool {
    text.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_')
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

fn is_test_path(path: &str, package_dir: &str) -> bool {
    let inside = path.strip_prefix(package_dir).unwrap_or(path).trim_start_matches('/');
    ["tests/", "benches/", "examples/", "src/tests/"].iter().any(|dir| inside.starts_with(dir))
        || inside.ends_with("/tests.rs")
        || inside.contains("/tests/")
}

fn flatten(stream: TokenStream, out: &mut Vec<Token>) {
    let mut colon = false;
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                out.push(Token { text: open.to_owned(), line });
                flatten(group.stream(), out);
                out.push(Token { text: close.to_owned(), line: group.span_close().start().line });
            }
            TokenTree::Punct(punct) if colon && punct.as_char() == ':' => {
                out.pop();
                out.push(Token { text: "::".to_owned(), line });
            }
            TokenTree::Punct(punct) => {
                colon = punct.as_char() == ':' && punct.spacing() == Spacing::Joint;
                out.push(Token { text: punct.as_char().to_string(), line });
                continue;
            }
            other => out.push(Token { text: other.to_string(), line }),
        }
        colon = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn import_trees_are_expanded() {
        let file = parse("use std::{net::{TcpStream, UdpSocket as U}, thread};\n");
        let paths: Vec<String> = file.paths().into_iter().map(|(path, _)| path.join("::")).collect();
        for want in ["std::net::TcpStream", "std::net::UdpSocket", "std::thread"] {
            assert!(paths.contains(&want.to_owned()), "{want} in {paths:?}");
        }
    }

    #[test]
    fn test_code_is_told_from_product_code() {
        let file = parse("fn a() {}\n\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n");
        assert!(!file.is_test(1));
        assert!(file.is_test(5));
        assert_eq!(file.product_lines(), 2);
        assert!(!parse("#[cfg(not(test))]\nfn a() {}\n").is_test(2));
    }

    #[test]
    fn test_paths_are_known() {
        assert!(is_test_path("crates/x/tests/it.rs", "crates/x"));
        assert!(is_test_path("crates/x/src/a/tests.rs", "crates/x"));
        assert!(!is_test_path("tests/tidy/src/lib.rs", "tests/tidy"));
    }

    fn parse(text: &str) -> RustFile {
        RustFile::parse("crates/x/src/lib.rs", "x", "crates/x", text).unwrap()
    }
}
