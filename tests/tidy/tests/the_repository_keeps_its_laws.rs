//! Every law over the whole tree, one test a group; each failure prints file, line, law and remedy.
//!
//! The laws themselves, and the proofs that they can fail, are in `src/`.

use std::sync::LazyLock;

use tidy::layers::Kind;
use tidy::ratchet::{RATCHET_PATH, Ratchet};
use tidy::repository::{Package, Repository};
use tidy::rust_file::RustFile;
use tidy::{Finding, layers, manifests, purity, report, shape, supply, text, words};

static REPOSITORY: LazyLock<Repository> =
    LazyLock::new(|| Repository::read().expect("git and cargo describe this repository"));

#[test]
fn dependencies_point_down() {
    let packages = &REPOSITORY.packages;
    let mut findings = layers::dependencies(packages);
    for package in packages.iter().filter(|p| matches!(p.kind(), Kind::Wire | Kind::Core)) {
        findings.extend(layers::transitive(package, &REPOSITORY.linked(&[&package.name]).unwrap()));
        let bans = REPOSITORY.text(&format!("{}/clippy.toml", package.dir));
        findings.extend(layers::clippy_bans(package, bans));
    }
    none(&findings);
}

#[test]
fn names_keep_what_they_promise() {
    let files = REPOSITORY.rust_files().unwrap();
    let found = files.iter().flat_map(|(file, package)| purity::check(file, package.kind(), &package.dir));
    none(&found.collect::<Vec<_>>());
}

#[test]
fn sizes_and_order_are_within_the_ratchet() {
    let files = REPOSITORY.rust_files().unwrap();
    let mut findings: Vec<Finding> = files.iter().flat_map(|(file, _)| shape::check(file)).collect();
    findings.extend(REPOSITORY.files.iter().flat_map(text::check));
    findings.extend(manifests::unused_crates(&REPOSITORY.packages));
    let root = REPOSITORY.text("Cargo.toml").unwrap();
    findings.extend(manifests::unused_workspace_dependencies(&REPOSITORY.packages, root));
    let list = REPOSITORY.text(RATCHET_PATH).unwrap();
    let ratchet = Ratchet::parse(list).unwrap();
    if std::env::var_os("TIDY_LOWER").is_some() {
        let path = REPOSITORY.root.join(RATCHET_PATH);
        std::fs::write(path, ratchet.lowered(list, &findings)).unwrap();
        return;
    }
    none(&ratchet.judge(findings));
}

#[test]
fn words_are_chosen_well() {
    let files = REPOSITORY.rust_files().unwrap();
    none(&files.iter().flat_map(|(file, _)| words::check(file)).collect::<Vec<_>>());
}

#[test]
fn manifests_say_what_is_used() {
    let files = REPOSITORY.rust_files().unwrap();
    let mut findings = Vec::new();
    for package in &REPOSITORY.packages {
        let own = files_of(package, &files);
        findings.extend(manifests::lints(package));
        findings.extend(manifests::not_empty(package, &own));
        findings.extend(manifests::unused_dependencies(package, &own));
    }
    none(&findings);
}

#[test]
fn licences_and_providers_are_on_the_list() {
    let mut findings = supply::licences(&REPOSITORY.all);
    let product: Vec<&str> =
        REPOSITORY.packages.iter().filter(|p| p.kind() != Kind::Test).map(|p| p.name.as_str()).collect();
    findings.extend(supply::crypto_providers(&REPOSITORY.linked(&product).unwrap()));
    findings.extend(REPOSITORY.files.iter().flat_map(supply::lock_hosts));
    none(&findings);
}

fn files_of<'a>(package: &Package, files: &'a [(RustFile, &Package)]) -> Vec<&'a RustFile> {
    files.iter().filter(|(_, owner)| owner.dir == package.dir).map(|(file, _)| file).collect()
}

#[track_caller]
fn none(findings: &[Finding]) {
    assert!(findings.is_empty(), "{}", report(findings));
}
