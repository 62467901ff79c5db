//! What a crate's Cargo.toml must say, and that the crate is there for a reason: it has code, somebody uses
//! it, and it uses what it depends on.
//!
//! A dependency counts as used where its name occurs in code; in product code if it is a normal one.

use crate::Finding;
use crate::layers::Kind;
use crate::repository::Package;
use crate::rust_file::RustFile;

/// The crate takes the workspace's lints.
pub fn lints(package: &Package) -> Vec<Finding> {
    let table: toml::Table = package.manifest.parse().unwrap_or_default();
    let inherits = table.get("lints").and_then(|l| l.get("workspace")).and_then(toml::Value::as_bool);
    if inherits == Some(true) {
        return Vec::new();
    }
    let what = format!("`{}` does not take the workspace's lints", package.name);
    vec![Finding::new("lints", &package.manifest_path(), 1, what, "add `[lints]` with `workspace = true`")]
}

/// The crate holds code of its own.
pub fn not_empty(package: &Package, files: &[&RustFile]) -> Vec<Finding> {
    let is_code = |item: &syn::Item| !matches!(item, syn::Item::Use(_) | syn::Item::Mod(_));
    if files.iter().any(|file| file.tree.items.iter().any(is_code)) {
        return Vec::new();
    }
    let what = format!("`{}` holds no code", package.name);
    vec![Finding::new("empty-crate", &package.manifest_path(), 1, what, "create a crate with its first code")]
}

/// Every crate is a program, a test, or used by another crate of the workspace outside its tests.
pub fn unused_crates(packages: &[Package]) -> Vec<Finding> {
    let used = |name: &str| {
        packages
            .iter()
            .any(|p| p.name != name && p.dependencies.iter().any(|d| d.name == name && !d.is_dev()))
    };
    packages
        .iter()
        .filter(|p| !p.has_binary && p.kind() != Kind::Test && !used(&p.name))
        .map(|p| {
            let what = format!("nothing uses `{}`", p.name);
            let remedy = "use it or delete it";
            Finding::new("unused-crate", &p.manifest_path(), 1, what, remedy).sized(1)
        })
        .collect()
}

/// Every dependency of a crate is named in its code.
pub fn unused_dependencies(package: &Package, files: &[&RustFile]) -> Vec<Finding> {
    let mut out = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.identifier();
        let used = files.iter().any(|file| {
            let in_place = |line| dependency.is_dev() || package.kind() == Kind::Test || !file.is_test(line);
            file.find(&[&name]).any(|at| in_place(file.tokens[at].line))
        });
        if !used {
            let line = package.line_of(&dependency.name);
            let what = format!("`{}` does not use `{}`", package.name, dependency.name);
            let remedy = "delete the line, or move it to [dev-dependencies]";
            out.push(Finding::new("unused-dependency", &package.manifest_path(), line, what, remedy));
        }
    }
    out
}

/// Every line of `[workspace.dependencies]` is used by a crate. `manifest` is the root's.
pub fn unused_workspace_dependencies(packages: &[Package], manifest: &str) -> Vec<Finding> {
    let root: toml::Table = manifest.parse().unwrap_or_default();
    let listed = root.get("workspace").and_then(|w| w.get("dependencies")).and_then(toml::Value::as_table);
    let used = |name: &str| packages.iter().any(|p| p.dependencies.iter().any(|d| d.name == name));
    let names = listed.into_iter().flat_map(|table| table.keys());
    let unused: Vec<&str> = names.map(String::as_str).filter(|name| !used(name)).collect();
    if unused.is_empty() {
        return Vec::new();
    }
    let what = format!("no crate uses {}", unused.join(", "));
    let remedy = "delete the lines";
    vec![Finding::new("unused-workspace-dependency", "Cargo.toml", 1, what, remedy).sized(unused.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_without_the_lints_is_found() {
        let mut package = Package::example("x", "crates/x", &[]);
        assert!(lints(&package).is_empty());
        package.manifest = "[lints.rust]\nunsafe_code = \"allow\"\n".to_owned();
        assert_eq!(lints(&package)[0].rule, "lints");
    }

    #[test]
    fn an_empty_crate_is_found() {
        let package = Package::example("x", "crates/x", &[]);
        assert_eq!(not_empty(&package, &[&parse("//! Nothing.\n")])[0].rule, "empty-crate");
        assert!(not_empty(&package, &[&parse("fn f() {}\n")]).is_empty());
    }

    #[test]
    fn a_crate_nobody_uses_is_found() {
        let redact = || Package::example("redact", "crates/redact", &[]);
        assert_eq!(unused_crates(&[redact()])[0].rule, "unused-crate");
        let mut ginnel = Package::example("ginnel", "crates/ginnel", &["redact"]);
        ginnel.has_binary = true;
        assert!(unused_crates(&[redact(), ginnel]).is_empty());
    }

    #[test]
    fn a_dependency_nobody_uses_is_found() {
        let package = Package::example("x", "crates/x", &["rand_chacha"]);
        let found = |text| unused_dependencies(&package, &[&parse(text)]).len();
        assert_eq!(found("fn f() {} // rand_chacha\n"), 1);
        assert_eq!(found("#[cfg(test)]\nmod tests { use rand_chacha::R; }\n"), 1);
        assert_eq!(found("use rand_chacha::R;\n"), 0);
        let mut renamed = Package::example("x", "crates/x", &["md-5"]);
        renamed.dependencies[0].library = Some("md5".to_owned());
        assert!(unused_dependencies(&renamed, &[&parse("use md5::Md5;\n")]).is_empty());
        let root = "[workspace.dependencies]\nrand_chacha = \"1\"\nslab = \"1\"\n";
        let unused = unused_workspace_dependencies(&[package], root);
        assert_eq!(unused[0].what, "no crate uses slab");
    }

    fn parse(text: &str) -> RustFile {
        RustFile::parse("crates/x/src/lib.rs", "x", "crates/x", text).unwrap()
    }
}
