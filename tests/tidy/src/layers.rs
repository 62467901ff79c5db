//! The layers: what a crate is by its name, what it may depend on, and which bans its clippy.toml must hold.
//!
//! Not about what the code mentions, which is in `purity`.

use crate::Finding;
use crate::repository::Package;

/// What a crate is, told by its place and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Parses and emits bytes.
    Wire,
    /// Holds state and decides.
    Core,
    /// Owns sockets and threads.
    Plane,
    /// Assembles, configures, reports.
    Plain,
    /// Lives under `tests/`.
    Test,
}

impl Kind {
    /// The kind of a crate in a folder relative to the repository's root.
    pub fn of(name: &str, dir: &str) -> Self {
        match name.rsplit_once('-').map(|(_, suffix)| suffix) {
            _ if dir.starts_with("tests/") => Self::Test,
            Some("wire") => Self::Wire,
            Some("core") => Self::Core,
            Some("plane") => Self::Plane,
            _ => Self::Plain,
        }
    }
}

/// The height of a crate; a crate depends on lower ones only. `None`: it has no place yet.
pub fn layer(name: &str, dir: &str) -> Option<u8> {
    match Kind::of(name, dir) {
        Kind::Wire => Some(1),
        Kind::Core => Some(2),
        Kind::Plane => Some(3),
        Kind::Test => Some(6),
        Kind::Plain => PLAIN_LAYERS.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer),
    }
}

/// Dependencies among our own crates point down only, and those of wires and cores are on the list.
pub fn dependencies(packages: &[Package]) -> Vec<Finding> {
    let mut out = Vec::new();
    for package in packages {
        let Some(own) = layer(&package.name, &package.dir) else {
            let remedy = "give it a suffix, or a place in PLAIN_LAYERS of tests/tidy/src/layers.rs";
            let what = format!("`{}` has no layer", package.name);
            out.push(Finding::new("layer", &package.manifest_path(), 1, what, remedy));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|d| !d.is_dev()) {
            let line = package.line_of(&dependency.name);
            let ours = packages.iter().find(|p| p.name == dependency.name);
            let lower = ours.is_none_or(|p| layer(&p.name, &p.dir).is_some_and(|l| l < own || own == 6));
            if !lower {
                let remedy = "dependencies point down: ginnel, appliance, planes, cores, stun-wire, redact";
                let what = format!("`{}` depends on `{}`", package.name, dependency.name);
                out.push(Finding::new("layer", &package.manifest_path(), line, what, remedy));
            }
            if ours.is_none() && !may_use(package.kind(), &dependency.name) {
                let remedy =
                    "a wire or core uses pure crates only; the lists are in tests/tidy/src/layers.rs";
                let what = format!("`{}` depends on `{}`", package.name, dependency.name);
                out.push(Finding::new("suffix-dependency", &package.manifest_path(), line, what, remedy));
            }
        }
    }
    out
}

/// No core or wire reaches a runtime, a socket or a metrics crate through others. `tree` is what it links.
pub fn transitive(package: &Package, tree: &[String]) -> Vec<Finding> {
    let remedy = "drop the dependency, or its feature, that brings it";
    tree.iter()
        .filter(|name| matches!(package.kind(), Kind::Wire | Kind::Core) && IMPURE.contains(&name.as_str()))
        .map(|name| {
            let what = format!("`{}` links `{name}`", package.name);
            Finding::new("suffix-dependency", &package.manifest_path(), 1, what, remedy)
        })
        .collect()
}

/// A core's clippy.toml holds each required ban, with a reason. `text` is the file's, if there is one.
pub fn clippy_bans(package: &Package, text: Option<&str>) -> Vec<Finding> {
    if package.kind() != Kind::Core {
        return Vec::new();
    }
    let path = format!("{}/clippy.toml", package.dir);
    let remedy = "add { path = \"...\", reason = \"...\" } to disallowed-methods or disallowed-types";
    let table: toml::Table = text.and_then(|text| text.parse().ok()).unwrap_or_default();
    let entries = ["disallowed-methods", "disallowed-types"]
        .iter()
        .filter_map(|key| table.get(*key)?.as_array())
        .flatten()
        .filter(|entry| entry.get("reason").and_then(toml::Value::as_str).is_some_and(|r| !r.is_empty()))
        .filter_map(|entry| entry.get("path")?.as_str());
    let banned: Vec<&str> = entries.collect();
    REQUIRED_BANS
        .iter()
        .filter(|want| !banned.contains(want))
        .map(|want| Finding::new("core-clippy", &path, 1, format!("no ban with a reason on {want}"), remedy))
        .collect()
}

fn may_use(kind: Kind, dependency: &str) -> bool {
    match kind {
        Kind::Wire => WIRE_MAY_USE.contains(&dependency),
        Kind::Core => WIRE_MAY_USE.contains(&dependency) || CORE_MAY_USE.contains(&dependency),
        Kind::Plane | Kind::Plain | Kind::Test => true,
    }
}

const PLAIN_LAYERS: [(&str, u8); 6] =
    [("redact", 0), ("web-client", 2), ("appliance", 4), ("lab", 4), ("load", 4), ("ginnel", 5)];

const WIRE_MAY_USE: [&str; 8] =
    ["crc32fast", "hmac", "md-5", "sha1", "sha2", "subtle", "thiserror", "zeroize"];

const CORE_MAY_USE: [&str; 9] = [
    "base64",
    "indexmap",
    "rand_chacha",
    "rand_core",
    "serde",
    "serde_json",
    "siphasher",
    "slab",
    "smallvec",
];

const IMPURE: [&str; 12] = [
    "async-std",
    "axum",
    "getrandom",
    "log",
    "metrics",
    "mio",
    "prometheus",
    "quinn-udp",
    "rand",
    "socket2",
    "tokio",
    "tracing",
];

const REQUIRED_BANS: [&str; 8] = [
    "std::collections::HashMap",
    "std::collections::HashSet",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::time::Instant::elapsed",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_that_points_up_is_found() {
        let wire = Package::example("stun-wire", "crates/stun-wire", &[]);
        let up = Package::example("redact", "crates/redact", &["stun-wire"]);
        assert_eq!(rules(&dependencies(&[up, wire])), ["layer"]);
        let down = Package::example("stun-wire", "crates/stun-wire", &["redact"]);
        let redact = Package::example("redact", "crates/redact", &[]);
        assert!(dependencies(&[down, redact]).is_empty());
    }

    #[test]
    fn a_plane_that_depends_on_a_plane_is_found() {
        let a = Package::example("a-plane", "crates/a-plane", &["b-plane"]);
        let b = Package::example("b-plane", "crates/b-plane", &[]);
        assert_eq!(rules(&dependencies(&[a, b])), ["layer"]);
    }

    #[test]
    fn a_crate_without_a_place_is_found() {
        assert_eq!(rules(&dependencies(&[Package::example("misc", "crates/misc", &[])])), ["layer"]);
    }

    #[test]
    fn a_core_with_a_runtime_is_found() {
        let core = Package::example("x-core", "crates/x-core", &["tokio", "slab"]);
        assert_eq!(rules(&dependencies(std::slice::from_ref(&core))), ["suffix-dependency"]);
        assert_eq!(rules(&transitive(&core, &["slab".into(), "mio".into()])), ["suffix-dependency"]);
        let wire = Package::example("x-wire", "crates/x-wire", &["tracing"]);
        assert_eq!(rules(&dependencies(&[wire])), ["suffix-dependency"]);
    }

    #[test]
    fn tests_may_depend_on_anything() {
        let plane = Package::example("x-plane", "crates/x-plane", &[]);
        let bench = Package::example("bench", "tests/bench", &["x-plane", "tokio"]);
        assert!(dependencies(&[plane, bench]).is_empty());
    }

    #[test]
    fn a_core_without_its_bans_is_found() {
        let core = Package::example("x-core", "crates/x-core", &[]);
        assert_eq!(clippy_bans(&core, None).len(), REQUIRED_BANS.len());
        let entries: Vec<String> =
            REQUIRED_BANS.iter().map(|path| format!("{{ path = \"{path}\", reason = \"r\" }}")).collect();
        let good = format!("disallowed-methods = [{}]", entries.join(","));
        assert!(clippy_bans(&core, Some(&good)).is_empty());
        assert_eq!(clippy_bans(&core, Some(&good.replacen("\"r\"", "\"\"", 1))).len(), 1);
    }

    fn rules(findings: &[Finding]) -> Vec<&'static str> {
        findings.iter().map(|finding| finding.rule).collect()
    }
}
