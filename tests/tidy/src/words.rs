//! Words that Rust code here does not use: `unwrap` outside tests, `expect` without a reason, `get_` names,
//! code that is not there yet, tests that do not run, sleeps that wait for nothing.
//!
//! Clippy refuses some of these as well; a lint can be allowed in passing, this list cannot.

use syn::visit::{self, Visit};

use crate::Finding;
use crate::rust_file::RustFile;

/// Every law of words on one file.
pub fn check(file: &RustFile) -> Vec<Finding> {
    let mut out = banned_sequences(file);
    out.extend(expect_reasons(file));
    let mut visitor = Functions { file, loops: 0, out };
    visitor.visit_file(&file.tree);
    out = visitor.out;
    out
}

fn banned_sequences(file: &RustFile) -> Vec<Finding> {
    let mut out = Vec::new();
    for ban in &BANS {
        for at in file.find(ban.sequence) {
            let line = file.tokens[at].line;
            if ban.even_in_tests || !file.is_test(line) {
                out.push(Finding::new(ban.rule, &file.path, line, ban.sequence.concat(), ban.remedy));
            }
        }
    }
    out
}

fn expect_reasons(file: &RustFile) -> Vec<Finding> {
    let mut out = Vec::new();
    for at in file.find(&[".", "expect", "("]) {
        let line = file.tokens[at].line;
        let argument = file.tokens.get(at + 3).map_or("", |token| &token.text);
        // A reason is a sentence: a literal with a space in it.
        if !(file.is_test(line)
            || argument.starts_with('"') && argument.trim_matches(['"', ' ']).contains(' '))
        {
            let remedy = "expect(\"why this cannot fail\"), or handle it";
            out.push(Finding::new("expect-reason", &file.path, line, "`expect` without a reason", remedy));
        }
    }
    out
}

struct Functions<'a> {
    file: &'a RustFile,
    loops: usize,
    out: Vec<Finding>,
}

impl Functions<'_> {
    fn name(&mut self, signature: &syn::Signature) {
        let name = signature.ident.to_string();
        let idiom = name == "get_mut" || name.starts_with("get_or_");
        if name.starts_with("get_") && !idiom {
            let line = signature.ident.span().start().line;
            let remedy = "name it after what it returns";
            self.out.push(Finding::new("get-name", &self.file.path, line, format!("fn {name}"), remedy));
        }
    }

    fn in_loop(&mut self, visit: impl FnOnce(&mut Self)) {
        self.loops += 1;
        visit(self);
        self.loops -= 1;
    }
}

impl<'a> Visit<'a> for Functions<'_> {
    fn visit_signature(&mut self, signature: &'a syn::Signature) {
        self.name(signature);
        visit::visit_signature(self, signature);
    }

    fn visit_expr_loop(&mut self, node: &'a syn::ExprLoop) {
        self.in_loop(|this| visit::visit_expr_loop(this, node));
    }

    fn visit_expr_while(&mut self, node: &'a syn::ExprWhile) {
        self.in_loop(|this| visit::visit_expr_while(this, node));
    }

    fn visit_expr_for_loop(&mut self, node: &'a syn::ExprForLoop) {
        self.in_loop(|this| visit::visit_expr_for_loop(this, node));
    }

    fn visit_expr_call(&mut self, call: &'a syn::ExprCall) {
        if let syn::Expr::Path(function) = &*call.func
            && let Some(last) = function.path.segments.last()
        {
            let line = last.ident.span().start().line;
            if last.ident == "sleep" && self.loops == 0 && self.file.is_test(line) {
                let remedy = "wait for the condition in a loop with a deadline";
                self.out.push(Finding::new("fixed-sleep", &self.file.path, line, "a fixed sleep", remedy));
            }
        }
        visit::visit_expr_call(self, call);
    }
}

struct Ban {
    rule: &'static str,
    sequence: &'static [&'static str],
    even_in_tests: bool,
    remedy: &'static str,
}

const BANS: [Ban; 5] = [
    Ban {
        rule: "unwrap",
        sequence: &[".", "unwrap", "("],
        even_in_tests: false,
        remedy: "handle it, or expect(\"why this cannot fail\")",
    },
    Ban {
        rule: "unfinished",
        sequence: &["todo", "!"],
        even_in_tests: true,
        remedy: "write it, or leave the door out",
    },
    Ban {
        rule: "unfinished",
        sequence: &["unimplemented", "!"],
        even_in_tests: true,
        remedy: "write it, or leave the door out",
    },
    Ban {
        rule: "ignored-test",
        sequence: &["#", "[", "ignore"],
        even_in_tests: true,
        remedy: "mend the test or the code; a test that does not run proves nothing",
    },
    Ban {
        rule: "dead-code",
        sequence: &["allow", "(", "dead_code"],
        even_in_tests: true,
        remedy: "delete what nobody calls",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_found() {
        for (bad, rule) in [
            ("fn f() { g().unwrap(); }", "unwrap"),
            ("fn f() { assert!(g().unwrap()); }", "unwrap"),
            ("fn f() { todo!() }", "unfinished"),
            ("fn f() { unimplemented!() }", "unfinished"),
            ("#[test]\n#[ignore]\nfn f() {}", "ignored-test"),
            ("#[allow(dead_code)]\nfn f() {}", "dead-code"),
            ("fn f() { g().expect(\"\"); }", "expect-reason"),
            ("fn f() { g().expect(reason); }", "expect-reason"),
            ("fn get_port() {}", "get-name"),
            ("#[test]\nfn f() { std::thread::sleep(d); }", "fixed-sleep"),
        ] {
            assert_eq!(rules(bad), [rule], "{bad}");
        }
    }

    #[test]
    fn what_is_allowed_passes() {
        for good in [
            "#[test]\nfn f() { g().unwrap(); g().expect(\"x\"); }",
            "fn f() { g().expect(\"the table holds every class\"); }",
            "// g().unwrap() would be wrong\nfn get_mut() {}",
            "#[test]\nfn f() { while !done() { std::thread::sleep(d); } }",
        ] {
            assert!(rules(good).is_empty(), "{good}");
        }
    }

    fn rules(text: &str) -> Vec<&'static str> {
        let file = RustFile::parse("crates/x/src/a.rs", "x", "crates/x", text).unwrap();
        check(&file).iter().map(|finding| finding.rule).collect()
    }
}
