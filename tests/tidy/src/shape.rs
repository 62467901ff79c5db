//! The shape of a Rust file: header, order of items, and the sizes of lines, functions and files.
//!
//! Formatting is rustfmt's matter, not this one's.

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Item, UseTree};

use crate::Finding;
use crate::rust_file::{RustFile, attributes, is_test_attribute};

/// Every law of shape on one file.
pub fn check(file: &RustFile) -> Vec<Finding> {
    let mut out = header(file);
    out.extend(order(file));
    out.extend(import_groups(file));
    out.extend(function_length(file));
    out.extend(line_length(&file.path, &file.text));
    out.extend(file_length(file));
    out
}

/// No line is longer than 110 columns.
pub fn line_length(path: &str, text: &str) -> Vec<Finding> {
    let widths = text.lines().map(|line| line.chars().count()).enumerate();
    widths
        .filter(|(_, width)| *width > LINE_COLUMNS_MAX)
        .map(|(index, width)| {
            let remedy = "break the line";
            Finding::new("line-length", path, index + 1, format!("{width} columns"), remedy).sized(width)
        })
        .collect()
}

fn header(file: &RustFile) -> Vec<Finding> {
    if file.text.starts_with("//! ") {
        return Vec::new();
    }
    let remedy = "open the file with `//!`: what it is, what it deliberately is not, the RFC sections";
    vec![Finding::new("file-header", &file.path, 1, "no header", remedy)]
}

fn order(file: &RustFile) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut seen_main = false;
    let mut seen_constant = None;
    let mut seen_tests = false;
    for item in &file.tree.items {
        let line = item.span().start().line;
        let is_test = attributes(item).iter().any(is_test_attribute);
        if seen_tests {
            let remedy = "the tests module stands at the end";
            out.push(Finding::new("file-order", &file.path, line, "an item after the tests", remedy));
        }
        match item {
            Item::Mod(module) if is_test && module.content.is_some() => seen_tests = true,
            Item::Use(_) if seen_main && !is_test => {
                let remedy = "imports stand at the top";
                out.push(Finding::new("file-order", &file.path, line, "an import after other items", remedy));
            }
            Item::Use(_) | Item::ExternCrate(_) | Item::Macro(_) => {}
            Item::Mod(module) if module.content.is_none() => {}
            Item::Const(_) | Item::Static(_) => {
                seen_constant.get_or_insert(line);
                seen_main = true;
            }
            _ if !is_test => {
                if let Some(line) = seen_constant.take_if(|_| !file.is_all_test()) {
                    let remedy = "constants stand below types and functions, before the tests";
                    out.push(Finding::new(
                        "file-order",
                        &file.path,
                        line,
                        "a constant before the code",
                        remedy,
                    ));
                }
                seen_main = true;
            }
            _ => {}
        }
    }
    out
}

fn import_groups(file: &RustFile) -> Vec<Finding> {
    let modules: Vec<String> = file
        .tree
        .items
        .iter()
        .filter_map(|item| if let Item::Mod(module) = item { Some(module.ident.to_string()) } else { None })
        .collect();
    let mut last = 0;
    let mut out = Vec::new();
    for item in &file.tree.items {
        let Item::Use(import) = item else { continue };
        if matches!(import.vis, syn::Visibility::Public(_)) || import.attrs.iter().any(is_test_attribute) {
            continue;
        }
        let group = import_group(&import.tree, &modules);
        if group < last {
            let remedy = "imports in three groups: std, other people's crates, this crate";
            let line = import.span().start().line;
            out.push(Finding::new("import-order", &file.path, line, "an import in the wrong group", remedy));
        }
        last = last.max(group);
    }
    out
}

fn import_group(tree: &UseTree, modules: &[String]) -> u8 {
    let first = match tree {
        UseTree::Path(path) => path.ident.to_string(),
        UseTree::Name(name) => name.ident.to_string(),
        UseTree::Rename(rename) => rename.ident.to_string(),
        UseTree::Glob(_) | UseTree::Group(_) => return 0,
    };
    match first.as_str() {
        "std" | "core" | "alloc" => 0,
        "crate" | "self" | "super" => 2,
        name if modules.iter().any(|module| module == name) => 2,
        _ => 1,
    }
}

fn function_length(file: &RustFile) -> Vec<Finding> {
    let mut finder = Functions { path: &file.path, out: Vec::new() };
    finder.visit_file(&file.tree);
    finder.out
}

fn file_length(file: &RustFile) -> Vec<Finding> {
    let lines = file.product_lines();
    if lines <= FILE_LINES_MAX {
        return Vec::new();
    }
    let remedy = "split the file along what it does; 200 lines is the aim";
    vec![
        Finding::new("file-length", &file.path, 1, format!("{lines} lines without tests"), remedy)
            .sized(lines),
    ]
}

struct Functions<'a> {
    path: &'a str,
    out: Vec<Finding>,
}

impl Functions<'_> {
    fn measure(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let first = signature.span().start().line;
        let lines = block.span().end().line + 1 - first;
        if lines > FUNCTION_LINES_MAX {
            let what = format!("`{}` has {lines} lines", signature.ident);
            let remedy = "give its parts names of their own";
            self.out.push(Finding::new("function-length", self.path, first, what, remedy).sized(lines));
        }
    }
}

impl<'a> Visit<'a> for Functions<'_> {
    fn visit_item_fn(&mut self, item: &'a syn::ItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        self.measure(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'a syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.measure(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }
}

/// The longest line, in columns.
pub const LINE_COLUMNS_MAX: usize = 110;

/// The longest function, in lines from its signature to its closing brace.
pub const FUNCTION_LINES_MAX: usize = 70;

/// The longest file, in lines without tests.
pub const FILE_LINES_MAX: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_header_is_found() {
        assert_eq!(rules("fn f() {}\n"), ["file-header"]);
        assert!(rules("//! What it is.\n\nfn f() {}\n").is_empty());
    }

    #[test]
    fn items_out_of_order_are_found() {
        assert_eq!(rules("//! H.\nfn f() {}\nuse std::fmt;\n"), ["file-order"]);
        assert_eq!(rules("//! H.\nconst A: u8 = 1;\nfn f() {}\n"), ["file-order"]);
        assert_eq!(rules("//! H.\n#[cfg(test)]\nmod tests {}\nfn f() {}\n"), ["file-order"]);
        assert!(rules("//! H.\nmod a;\nuse std::fmt;\nfn f() {}\nconst A: u8 = 1;\n").is_empty());
    }

    #[test]
    fn imports_in_the_wrong_group_are_found() {
        assert_eq!(rules("//! H.\nuse crate::a;\nuse std::fmt;\n"), ["import-order"]);
        assert_eq!(rules("//! H.\nuse slab::Slab;\nuse std::fmt;\n"), ["import-order"]);
        assert!(
            rules("//! H.\nmod a;\npub use a::B;\nuse std::fmt;\nuse slab::Slab;\nuse a::C;\n").is_empty()
        );
    }

    #[test]
    fn long_functions_files_and_lines_are_found() {
        let body = |lines: usize| "    g();\n".repeat(lines);
        assert_eq!(rules(&format!("//! H.\nfn f() {{\n{}}}\n", body(69))), ["function-length"]);
        assert!(rules(&format!("//! H.\nfn f() {{\n{}}}\n", body(68))).is_empty());
        assert_eq!(rules(&format!("//! H.\n{}", "const A: u8 = 1;\n".repeat(600))), ["file-length"]);
        assert_eq!(rules(&format!("//! H.\n// {}\n", "x".repeat(110))), ["line-length"]);
    }

    fn rules(text: &str) -> Vec<&'static str> {
        let file = RustFile::parse("crates/x/src/a.rs", "x", "crates/x", text).unwrap();
        check(&file).iter().map(|finding| finding.rule).collect()
    }
}
