//! Every committed input runs through its target on a stable compiler, and the corpora stay small.

use std::fs;
use std::path::PathBuf;

const INPUTS_MIN: usize = 12;
const BYTES_MAX: usize = 450_000;

#[test]
fn row_61_decode() {
    replay("decode", fuzz_bodies::decode);
}

#[test]
fn row_61_dtls() {
    replay("dtls", fuzz_bodies::dtls);
}

#[test]
fn row_61_roundtrip() {
    replay("roundtrip", fuzz_bodies::roundtrip);
}

#[test]
fn row_61_server() {
    replay("server", fuzz_bodies::server);
}

#[test]
fn row_61_stream() {
    replay("stream", fuzz_bodies::stream);
}

#[test]
fn row_62_differential() {
    replay("differential", fuzz_bodies::differential);
}

#[test]
fn the_corpora_are_small() {
    let bytes: usize = ["decode", "differential", "dtls", "roundtrip", "server", "stream"]
        .into_iter()
        .flat_map(inputs)
        .map(|(_, input)| input.len())
        .sum();
    assert!(bytes < BYTES_MAX, "{bytes} bytes: minimise with `cargo fuzz cmin`");
}

fn replay(target: &str, body: fn(&[u8])) {
    let inputs = inputs(target);
    assert!(inputs.len() >= INPUTS_MIN, "{target} has {} inputs", inputs.len());
    for (path, input) in inputs {
        if std::panic::catch_unwind(|| body(&input)).is_err() {
            panic!("{} fails", path.display());
        }
    }
}

fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| entry.expect("a readable folder").path())
        .map(|path| {
            let input = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (path, input)
        })
        .collect()
}
