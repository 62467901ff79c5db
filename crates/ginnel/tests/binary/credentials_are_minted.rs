//! `ginnel credentials` prints what other software would make from the same secret, or says what to do.

use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::common::{Folder, text};

fn credentials(arguments: &[&str]) -> Output {
    let binary = env!("CARGO_BIN_EXE_ginnel");
    Command::new(binary).arg("credentials").args(arguments).env_clear().output().unwrap()
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

fn folder(relay: &str) -> (Folder, String) {
    let folder = Folder::new();
    folder.write("secret", "9be07a6d4e582f1c\n2f1c9be07a6d4e58\n", 0o600);
    let content = format!("[server]\nnames = [\"turn.example.org\"]\n[relay]\n{relay}\n");
    let file = folder.write("ginnel.toml", &content, 0o644);
    (folder, file.to_str().unwrap().to_owned())
}

#[test]
fn as_rtc_ice_server_wants_them() {
    let (_folder, file) = folder("secret_file = \"secret\"");
    let before = unix_s();
    let output = credentials(&["--config", &file, "--user", "@alice:example.org", "--ttl", "2h", "--json"]);
    let minted: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let expires = minted["expires_unix_s"].as_u64().unwrap();
    assert!((before + 7_200..=unix_s() + 7_200).contains(&expires));
    assert_eq!(minted["username"], format!("{expires}:@alice:example.org"));
    assert_eq!(minted["credential"].as_str().map(str::len), Some(28));
    let udp = ["turn:turn.example.org:3478?transport=udp", "turn:turn.example.org:8443?transport=udp"];
    let tcp = "turn:turn.example.org:3478?transport=tcp";
    // No browser takes a self-signed certificate here.
    assert_eq!(minted["urls"], serde_json::json!([udp[0], udp[1], tcp]));
}

#[test]
fn as_text_and_for_an_hour_without_a_name() {
    let (_folder, file) = folder("secret_file = \"secret\"");
    let before = unix_s();
    let output = credentials(&["--config", &file]);
    let lines: Vec<&str> = text(&output.stdout).lines().collect();
    let [name, password, url, ..] = lines[..] else { panic!("{lines:?}") };
    let expires: u64 = name.strip_prefix("user name  ").unwrap().parse().unwrap();
    assert!((before + 3_600..=unix_s() + 3_600).contains(&expires));
    assert!(password.starts_with("password   ") && url.starts_with("url        turn:"));
}

#[test]
fn with_the_urls_by_which_clients_come() {
    let folder = Folder::new();
    folder.write("secret", "9be07a6d4e582f1c\n", 0o600);
    let pair = rcgen::generate_simple_self_signed(["turn.example.org".to_owned()]).unwrap();
    folder.write("cert.pem", &pair.cert.pem(), 0o600);
    folder.write("key.pem", &pair.signing_key.serialize_pem(), 0o600);
    let files = "[tls]\nmode = \"files\"\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    for (content, urls) in [
        (
            "[listen]\nturn = [\"192.0.2.1:3478\", \"[::]:3478\"]",
            &["turn:192.0.2.1:3478?transport=udp", "turn:192.0.2.1:3478?transport=tcp"][..],
        ),
        (
            "[listen]\nturn = [\"[2001:db8::1]:99\"]",
            &["turn:[2001:db8::1]:99?transport=udp", "turn:[2001:db8::1]:99?transport=tcp"],
        ),
        (
            "[listen]\nturn = [\"0.0.0.0:3478\"]\nweb = []\n[server]\nexternal = [\"203.0.113.5\"]",
            &["turn:203.0.113.5:3478?transport=udp", "turn:203.0.113.5:3478?transport=tcp"],
        ),
        (
            &format!("[server]\nnames = [\"turn.example.org\"]\n{files}"),
            &[
                "turn:turn.example.org:3478?transport=udp",
                "turn:turn.example.org:8443?transport=udp",
                "turn:turn.example.org:3478?transport=tcp",
                "turns:turn.example.org:5349?transport=tcp",
                "turns:turn.example.org:8443?transport=tcp",
                "turns:turn.example.org:5349?transport=udp",
                "turns:turn.example.org:8443?transport=udp",
            ],
        ),
        (
            &format!(
                "[listen]\nturn = []\nturns = []\nweb = [\"0.0.0.0:443\"]\n\
                      [server]\nnames = [\"turn.example.org\"]\n{files}"
            ),
            &[
                "turn:turn.example.org:443?transport=udp",
                "turns:turn.example.org:443?transport=tcp",
                "turns:turn.example.org:443?transport=udp",
            ],
        ),
    ] {
        let content = format!("{content}\n[relay]\nsecret_file = \"secret\"\n");
        let file = folder.write("ginnel.toml", &content, 0o644);
        let output = credentials(&["--json", "--config", file.to_str().unwrap()]);
        let minted: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(minted["urls"], serde_json::json!(urls));
    }
}

#[test]
fn where_they_cannot_be_the_remedy_is_told() {
    let (folder, without_secret) = folder("");
    let nameless = folder.write("nameless.toml", "[relay]\nsecret_file = \"secret\"\n", 0o644);
    let nameless = nameless.to_str().unwrap();
    let good = folder.write(
        "good.toml",
        "[server]\nnames = [\"a.example\"]\n[relay]\nsecret_file = \"secret\"\n",
        0o644,
    );
    let good = good.to_str().unwrap();
    for (arguments, code, told) in [
        (&["--config", &without_secret][..], 3, "set secret_file"),
        (&["--config", nameless], 3, "set server.names"),
        (&["--config", good, "--user", "a\nb"], 2, "letters, digits"),
        (&["--config", good, "--ttl", "0"], 2, "one second and 30 days"),
        (&["--config", good, "--ttl", "31d"], 2, "one second and 30 days"),
        (&["--config", good, "--ttl", "soon"], 2, "90s, 30m, 1h"),
    ] {
        let output = credentials(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
}
