//! `docs/trust.md` says what the tests and the server say today. `UPDATE=1` writes it anew.

use std::fs;

use trust::conformance::Row;
use trust::document::document;
use trust::{Catalogue, TestsFound, measure, root};

#[test]
fn the_document_is_current() {
    let path = root().join("docs/trust.md");
    let requirements = fs::read_to_string(root().join("docs/rfc-conformance.md")).unwrap();
    let requirements = Row::read_all(&requirements);
    let now = document(&Catalogue::read(), &TestsFound::search().unwrap(), &requirements, &measure());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == now, "docs/trust.md is not current; run: UPDATE=1 cargo test -p trust");
}

#[test]
fn rows_are_numbered_and_explained() {
    let (catalogue, tests) = (Catalogue::read(), TestsFound::search().unwrap());
    assert!(catalogue.rows().map(|row| row.number).is_sorted_by(|one, next| one < next));
    for row in catalogue.rows() {
        let explained = !tests.of(row.number).is_empty() || row.without.is_some();
        assert!(explained, "row {} has neither a test nor a reason", row.number);
    }
}
