//! A shell sees exit code 3 and, for each mistake, the file, the line, the key, the reason and the remedy.

use crate::common::{Folder, config, ginnel, text};

/// Each row: a file, and the whole of what is said of it after the file's name.
#[test]
fn with_file_line_key_and_remedy() {
    let rows = [
        ("[listen]\nturm = []\n", ":2: listen.turm: is not a key; did you mean turn?"),
        ("[log]\nlevel = \"info\"\nlevel = \"warn\"\n", ":3: level: is written twice; keep one of the two"),
        (
            "[server]\nworkers = \"two\"\n",
            ":2: server.workers: is not what belongs here; it must be a whole number from 0 to 256",
        ),
        (
            "[relay]\nports = \"60000-50000\"\n",
            ":2: relay.ports: has its ends swapped; write the lower port first",
        ),
        (
            "[relay]\ndeny = [\"10.0.0.1/8\"]\n",
            ":2: relay.deny: has bits set behind its prefix length; write the network's first address, as in \
             \"10.0.0.0/8\", or a single address without \"/\"",
        ),
    ];
    let folder = Folder::new();
    for (content, told) in rows {
        let file = folder.write("ginnel.toml", content, 0o644);
        let file = file.to_str().unwrap();
        let output = config(&["check", file]);
        assert_eq!(output.status.code(), Some(3), "{content}");
        assert_eq!(text(&output.stderr), format!("{file}{told}\n"));
        let output = ginnel(&["serve", "--config", file]).output().unwrap();
        assert_eq!(output.status.code(), Some(3), "{content}");
        assert!(text(&output.stderr).starts_with(&format!("{file}{told}\n")), "{}", text(&output.stderr));
    }
}

#[test]
fn as_json_for_machines() {
    let folder = Folder::new();
    let file = folder.write("ginnel.toml", "version = 1\n[log]\nlevel = 7\n", 0o644);
    let output = config(&["check", "--json", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["ok"], false);
    let problem = &told["problems"][0];
    assert_eq!((problem["line"].as_u64(), problem["key"].as_str()), (Some(3), Some("log.level")));
    assert_eq!(problem["file"].as_str(), file.to_str());
}

#[test]
fn where_a_secret_is_everybodys() {
    let folder = Folder::new();
    let secret = folder.write("password", "not-a-guess-4711\n", 0o644);
    let content = "[[relay.user]]\nname = \"a\"\npassword_file = \"password\"\n";
    let file = folder.write("ginnel.toml", content, 0o644);
    let (file, secret) = (file.to_str().unwrap(), secret.to_str().unwrap());
    let output = config(&["check", file]);
    let told = format!(
        "{file}:3: relay.user: {secret} can be read or written by every user of this machine; \
         run: chmod o= {secret}\n"
    );
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(3), told.as_str()));
}

#[test]
fn where_certificate_and_key_do_not_belong_together() {
    let folder = Folder::new();
    let made = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (one, other) = (made(), made());
    let certificate = folder.write("cert.pem", &one.cert.pem(), 0o644);
    folder.write("key.pem", &one.signing_key.serialize_pem(), 0o600);
    let wrong = folder.write("other.pem", &other.signing_key.serialize_pem(), 0o600);
    let content = |certificate, key| {
        format!("[tls]\nmode = \"files\"\ncertificate = \"{certificate}\"\nkey = \"{key}\"\n")
    };
    let check =
        |content: &str| config(&["check", folder.write("ginnel.toml", content, 0o644).to_str().unwrap()]);

    assert_eq!(check(&content("cert.pem", "key.pem")).status.code(), Some(0));
    let output = check(&content("cert.pem", "other.pem"));
    let told = format!(
        "ginnel.toml:4: tls.key: {} is not the key of the certificate in {}; name the key",
        wrong.display(),
        certificate.display()
    );
    assert!(text(&output.stderr).contains(&told), "{}", text(&output.stderr));
    let output = check(&content("absent.pem", "key.pem"));
    let told = text(&output.stderr);
    assert!(
        told.contains("ginnel.toml:3: tls.certificate: ") && told.contains("create it or correct"),
        "{told}"
    );
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn where_a_variable_holds_them() {
    let output = ginnel(&["serve"]).env("GINNEL_LOG_LEVEL", "loud").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let told = text(&output.stderr);
    assert!(
        told.starts_with("GINNEL_LOG_LEVEL: log.level: is not what belongs here; it must be one of"),
        "{told}"
    );
}

#[test]
fn but_the_default_and_the_effective_file_are_accepted() {
    let folder = Folder::new();
    let default = config(&["default"]);
    assert_eq!(default.status.code(), Some(0));
    let file = folder.write("ginnel.toml", text(&default.stdout), 0o644);
    let file = file.to_str().unwrap();
    let output = config(&["check", file]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    assert!(text(&output.stdout).ends_with(&format!("{file}: ok\n")));
    let shown = config(&["show", "--config", file]);
    let shown = folder.write("shown.toml", text(&shown.stdout), 0o644);
    assert_eq!(config(&["check", shown.to_str().unwrap()]).status.code(), Some(0));
    let json = config(&["show", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["relay"]["limits"]["allocations_per_side"], 16);
}

#[test]
fn where_the_limits_need_more_memory_than_this_process_may_have() {
    let folder = Folder::new();
    let content = "[server]\nworkers = 1\n[relay.limits]\nallocations = 60000\n";
    let file = folder.write("ginnel.toml", content, 0o644);
    let file = file.to_str().unwrap();
    // 800,000 KiB of addresses are plenty to be told so, and less than the relay could need.
    let limited = |arguments: &str| {
        let script = format!("ulimit -v 800000; exec \"$0\" {arguments} \"$1\"");
        let program = env!("CARGO_BIN_EXE_ginnel");
        std::process::Command::new("sh").args(["-c", &script, program, file]).env_clear().output().unwrap()
    };
    for arguments in ["config check", "serve --config"] {
        let output = limited(arguments);
        assert_eq!(output.status.code(), Some(3), "{arguments}");
        let told = text(&output.stderr);
        assert!(told.starts_with(&format!("{file}:4: relay.limits.allocations: could need ")), "{told}");
        assert!(told.contains("MB of memory, and there are 820; write "), "{told}");
        assert!(told.contains(" or less, or give it more memory\n"), "{told}");
    }
    let enough = folder.write("enough.toml", "[relay.limits]\nallocations = 100\n", 0o644);
    let output = config(&["check", enough.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).starts_with("Relay and signaling need at most "));
}
