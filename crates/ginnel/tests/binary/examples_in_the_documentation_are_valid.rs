//! Every configuration that the documentation shows is one that `ginnel config check` takes.

use std::fs;
use std::path::Path;

use crate::common::{Folder, config, text};

#[test]
fn for_one_port_and_proxies() {
    check("one-port.md", 3);
}

#[test]
fn for_admission() {
    check("admission.md", 3);
}

/// So many examples.
fn check(page: &str, count: usize) {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operate");
    let page = fs::read_to_string(docs.join(page)).unwrap();
    let examples: Vec<&str> =
        page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(examples.len(), count);
    let folder = Folder::new();
    folder.write("tokens", "8f2a61c07b3d4e95\n", 0o600);
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    folder.write("jwks.json", &format!(r#"{{"keys":[{key}]}}"#), 0o644);
    for example in examples {
        let file = folder.write("ginnel.toml", &format!("version = 1\n{example}"), 0o644);
        let output = config(&["check", file.to_str().unwrap()]);
        let told = text(&output.stdout).to_owned() + text(&output.stderr);
        assert!(output.status.success(), "{example}\n{told}");
    }
}
