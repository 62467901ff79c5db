//! The law of suffixes in source files: what code of a `-wire`, `-core` or `-plane` crate may not mention.
//!
//! Not about dependencies, which are in `layers`. Test code may mention anything but `unsafe`.

use crate::Finding;
use crate::layers::Kind;
use crate::rust_file::RustFile;

/// Applies the law to one file of a crate of this kind.
pub fn check(file: &RustFile, kind: Kind, package_dir: &str) -> Vec<Finding> {
    let mut out = unsafe_code(file, kind, package_dir);
    if matches!(kind, Kind::Wire | Kind::Core) {
        out.extend(impure(file));
    }
    if kind == Kind::Wire && file.path == format!("{package_dir}/src/lib.rs") {
        out.extend(forbids_unsafe(file));
    }
    out
}

fn unsafe_code(file: &RustFile, kind: Kind, package_dir: &str) -> Vec<Finding> {
    let in_sys = file.path.starts_with(&format!("{package_dir}/src/sys/"));
    let allowed = in_sys && matches!(kind, Kind::Plane | Kind::Test);
    let mut out = Vec::new();
    for at in file.find(&["unsafe"]) {
        let line = file.tokens[at].line;
        if !allowed {
            let remedy = "use a safe interface, or move it under src/sys/ of a plane";
            out.push(Finding::new("unsafe-place", &file.path, line, "`unsafe` outside src/sys/", remedy));
        } else if !has_safety_line(&file.text, line) {
            let remedy = "say above it in a `SAFETY:` line why it is sound";
            out.push(Finding::new("unsafe-safety", &file.path, line, "`unsafe` without its reason", remedy));
        }
    }
    out
}

fn has_safety_line(text: &str, line: usize) -> bool {
    let lines: Vec<&str> = text.lines().take(line).collect();
    let above = lines
        .iter()
        .rev()
        .skip(1)
        .map(|l| l.trim())
        .take_while(|l| l.starts_with("//") || l.starts_with('#'));
    lines.last().is_some_and(|l| l.contains("SAFETY:")) || above.into_iter().any(|l| l.contains("SAFETY:"))
}

fn impure(file: &RustFile) -> Vec<Finding> {
    let remedy = "a core is given time, randomness and packets as arguments, and uses indexmap or BTreeMap";
    let mut out = Vec::new();
    for (path, line) in file.paths() {
        if file.is_test(line) {
            continue;
        }
        let whole = path.join("::");
        let banned = path.iter().any(|segment| BANNED_NAMES.contains(&segment.as_str()))
            || BANNED_MODULES
                .iter()
                .any(|module| whole == *module || whole.starts_with(&format!("{module}::")));
        if banned {
            out.push(Finding::new("core-purity", &file.path, line, format!("`{whole}`"), remedy));
        }
    }
    out
}

fn forbids_unsafe(file: &RustFile) -> Vec<Finding> {
    if file.find(&["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"]).next().is_some() {
        return Vec::new();
    }
    let what = "the crate does not forbid unsafe code";
    vec![Finding::new(
        "wire-forbids-unsafe",
        &file.path,
        1,
        what,
        "write `#![forbid(unsafe_code)]` after the header",
    )]
}

const BANNED_NAMES: [&str; 12] = [
    "HashMap",
    "HashSet",
    "Instant",
    "OsRng",
    "RandomState",
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "async",
    "await",
    "tokio",
];

const BANNED_MODULES: [&str; 7] =
    ["std::env", "std::fs", "std::os", "std::process", "std::thread", "thread", "std::sync::mpsc"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_that_reads_the_clock_is_found() {
        for bad in [
            "use std::time::{Duration, Instant};\n",
            "fn f() { std::thread::spawn(g); }\n",
            "fn f() { let s = std::net::UdpSocket::bind(a); }\n",
            "type T = std::collections::HashMap<u8, u8>;\n",
            "fn f() { assert!(SystemTime::now() > x); }\n",
            "async fn f() {}\n",
        ] {
            assert_eq!(rules(bad, "x-core", Kind::Core), ["core-purity"], "{bad}");
        }
    }

    #[test]
    fn a_core_in_order_passes() {
        let good = "use std::time::Duration;\n// an Instant would be wrong\nfn f(at: Duration) {}\n\
                    #[cfg(test)]\nmod tests { use std::collections::HashMap; }\n";
        assert!(rules(good, "x-core", Kind::Core).is_empty());
    }

    #[test]
    fn unsafe_has_its_place_and_reason() {
        let bare = "fn f() { unsafe { g() } }\n";
        let with_reason = "fn f() {\n    // SAFETY: g has no preconditions.\n    unsafe { g() }\n}\n";
        assert_eq!(rules(bare, "x-core", Kind::Core), ["unsafe-place"]);
        assert_eq!(rules(with_reason, "x-plane", Kind::Plane), ["unsafe-place"]);
        let sys = |text| {
            let path = "crates/x-plane/src/sys/a.rs";
            let file = RustFile::parse(path, "x-plane", "crates/x-plane", text).unwrap();
            check(&file, Kind::Plane, "crates/x-plane")
        };
        assert_eq!(sys(bare)[0].rule, "unsafe-safety");
        assert!(sys(with_reason).is_empty());
    }

    #[test]
    fn a_wire_crate_forbids_unsafe() {
        assert_eq!(rules("//! W.\n", "x-wire", Kind::Wire), ["wire-forbids-unsafe"]);
        assert!(rules("//! W.\n#![forbid(unsafe_code)]\n", "x-wire", Kind::Wire).is_empty());
    }

    fn rules(text: &str, krate: &str, kind: Kind) -> Vec<&'static str> {
        let dir = format!("crates/{krate}");
        let file = RustFile::parse(&format!("{dir}/src/lib.rs"), krate, &dir, text).unwrap();
        check(&file, kind, &dir).iter().map(|finding| finding.rule).collect()
    }
}
