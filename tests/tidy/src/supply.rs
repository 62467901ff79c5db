//! What comes from other people: licences, the one crypto provider, and lock files that name no host.
//!
//! Not a vulnerability scan: that needs a database from the network.

use crate::Finding;
use crate::licences;
use crate::repository::{Licensed, TextFile};

/// Every crate in the tree is under a licence on the list.
pub fn licences(all: &[Licensed]) -> Vec<Finding> {
    let remedy = "choose another crate; the list is in tests/tidy/src/licences.rs";
    all.iter()
        .filter(|krate| !krate.license.as_deref().is_some_and(licences::allowed))
        .map(|krate| {
            let licence = krate.license.as_deref().unwrap_or("no licence stated");
            let what = format!("{} {}: {licence}", krate.name, krate.version);
            Finding::new("licence", "Cargo.lock", 1, what, remedy)
        })
        .collect()
}

/// What the product links holds no second crypto provider and no foreign TLS. `linked` leaves tests out.
pub fn crypto_providers(linked: &[String]) -> Vec<Finding> {
    let remedy = "turn off the feature that brings it: rustls runs on ring alone";
    linked
        .iter()
        .filter(|name| FOREIGN_CRYPTO.contains(&name.as_str()))
        .map(|name| Finding::new("crypto-provider", "Cargo.lock", 1, format!("`{name}` is linked"), remedy))
        .collect()
}

/// An npm lock file and pinned Python requirements name no host.
pub fn lock_hosts(file: &TextFile) -> Vec<Finding> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    let words: &[&str] = match name {
        "package-lock.json" | "npm-shrinkwrap.json" => &["\"resolved\": \"http", "registry."],
        ".npmrc" => &["registry=", "registry ="],
        _ if name.starts_with("requirements") => &["--index-url", "--extra-index-url", "://"],
        _ => return Vec::new(),
    };
    let lines =
        file.text.lines().enumerate().filter(|(_, line)| words.iter().any(|word| line.contains(word)));
    let remedy = "write the lock file with omit-lockfile-registry-resolved=true in .npmrc; name no index";
    lines.map(|(index, line)| Finding::new("lock-host", &file.path, index + 1, line.trim(), remedy)).collect()
}

const FOREIGN_CRYPTO: [&str; 8] = [
    "aws-lc-fips-sys",
    "aws-lc-rs",
    "aws-lc-sys",
    "boring",
    "mbedtls",
    "native-tls",
    "openssl",
    "openssl-sys",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_off_the_list_is_found() {
        let krate = |license: Option<&str>| Licensed {
            name: "x".to_owned(),
            version: "1.0.0".to_owned(),
            license: license.map(str::to_owned),
        };
        assert_eq!(licences(&[krate(Some("GPL-3.0")), krate(None), krate(Some("MIT"))]).len(), 2);
    }

    #[test]
    fn a_second_crypto_provider_is_found() {
        let linked = ["ring".to_owned(), "aws-lc-rs".to_owned()];
        assert_eq!(crypto_providers(&linked)[0].rule, "crypto-provider");
        assert!(crypto_providers(&linked[..1]).is_empty());
    }

    #[test]
    fn a_lock_file_with_a_host_is_found() {
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let bad = "{\n  \"resolved\": \"https://example.org/a.tgz\"\n}\n";
        assert_eq!(lock_hosts(&file("a/package-lock.json", bad))[0].line, 2);
        assert_eq!(lock_hosts(&file(".npmrc", "registry=https://example.org\n")).len(), 1);
        assert_eq!(lock_hosts(&file("t/requirements.txt", "--index-url https://example.org\n")).len(), 1);
        assert!(lock_hosts(&file("a/package-lock.json", "{\"integrity\": \"sha512-\"}\n")).is_empty());
    }
}
