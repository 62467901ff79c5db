//! `docs/rfc-conformance.md` names tests and items that exist; what differs is in `docs/rfc-deviations.md`.

use std::fs;

use trust::conformance::Row;
use trust::{TestsFound, root};

const PLACE: usize = 1;
const SHOWN: usize = 2;

fn rows(name: &str) -> Vec<Row> {
    Row::read_all(&fs::read_to_string(root().join("docs").join(name)).expect("a committed document"))
}

#[test]
fn every_name_exists() {
    let found = TestsFound::search().unwrap();
    let rows = rows("rfc-conformance.md");
    let of = |cell| rows.iter().flat_map(move |row| row.names(cell).map(|name| (name, &row.sections)));
    let tests = of(SHOWN).filter(|(name, _)| !found.has_test(name));
    let items = of(PLACE).filter(|(name, _)| !found.has_item(name));
    assert_eq!(tests.chain(items).collect::<Vec<_>>(), []);
    assert!(rows.iter().all(|row| row.names(PLACE).next().is_some()));
}

#[test]
fn every_requirement_has_a_test_or_a_reason() {
    for row in rows("rfc-conformance.md") {
        let explained = row.names(SHOWN).next().is_some() || row.differs();
        assert!(explained, "{} {:?}: {}", row.rfc, row.sections, row.cells[0]);
    }
}

#[test]
fn what_differs_is_the_same_in_both() {
    let (asked, told) = (rows("rfc-conformance.md"), rows("rfc-deviations.md"));
    let differs = Row::all_sections(asked.iter().filter(|row| row.differs()));
    let is_in_both = |row: &&Row| asked.iter().any(|it| it.rfc == row.rfc);
    let told = Row::all_sections(told.iter().filter(is_in_both));
    assert_eq!(differs.symmetric_difference(&told).collect::<Vec<_>>(), Vec::<&(&str, &str)>::new());
}
