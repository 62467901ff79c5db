//! `docs/reference/configuration.md`, generated from the table of keys and compared with the committed file.
//!
//! To write it anew: `UPDATE=1 cargo test -p appliance reference`.

use std::path::Path;

use super::keys::{KEYS, Key, Kind, USER_FIELDS};

#[test]
fn the_committed_reference_is_the_generated_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/configuration.md");
    let generated = reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == generated, "run: UPDATE=1 cargo test -p appliance reference");
}

fn reference() -> String {
    let mut text = String::from(
        "# Configuration reference\n\n\
         Generated from the table of keys (`crates/appliance/src/settings/keys.rs`); do not edit. \
         `ginnel config default` prints the same as a file.\n\n\
         `ginnel serve` needs no file. `ginnel serve --config FILE` reads one, in TOML; the variable in the \
         last column overrides a key. In a variable, a text stands without quotes, and a list of texts has \
         commas between them. Relative paths start beside the file, or in `$CREDENTIALS_DIRECTORY` if the \
         name exists there. Unknown keys, duplicate keys and wrong values are refused: `ginnel config check \
         FILE` tells all of them.\n",
    );
    let mut section = None;
    for key in KEYS {
        if section != Some(key.section()) {
            section = Some(key.section());
            let title = if key.section().is_empty() {
                "Above all sections".into()
            } else {
                format!("`[{}]`", key.section())
            };
            text.push_str(&format!("\n## {title}\n\n"));
            text.push_str("| key | what it is for | what may stand there | default | variable |\n");
            text.push_str("| --- | --- | --- | --- | --- |\n");
        }
        text.push_str(&row(key));
    }
    text
}

fn row(key: &Key) -> String {
    let mut meaning = key.meaning.to_owned();
    if let Kind::Users = key.kind {
        for (name, field) in USER_FIELDS {
            meaning.push_str(&format!(" `{name}`: {field}."));
        }
    }
    let (name, kind, default, variable) = (key.name(), key.kind.description(), key.default, key.variable());
    format!("| `{name}` | {meaning} | {kind} | `{default}` | `{variable}` |\n")
}
