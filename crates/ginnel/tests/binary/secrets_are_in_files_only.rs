//! Row 44: what stands in files of secrets is nowhere else: not in the process list, the environment, the
//! log, the pages for the operator, `config show`, an error, or a dump of memory.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use crate::common::{Folder, Serving, config, get, ginnel, until};

/// By line what is in the files: shared secrets, a password, the secret of tokens.
const SECRETS: [&str; 4] =
    ["9be07a6d4e582f1c", "2f1c9be07a6d4e58", "not-a-guess-4711", "c0ffee-token-secret-0815"];
/// In a file that cannot be used.
const SHORT: &str = "tooshort-77";

/// The folder, the configuration's path, and all that must not be told.
fn folder() -> (Folder, String, Vec<String>) {
    let folder = Folder::new();
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = pair.signing_key.serialize_pem();
    folder.write("secrets", &format!("{}\n{}\n", SECRETS[0], SECRETS[1]), 0o600);
    folder.write("password", SECRETS[2], 0o600);
    folder.write("token", SECRETS[3], 0o600);
    folder.write("cert.pem", &pair.cert.pem(), 0o600);
    folder.write("key.pem", &key, 0o600);
    let content = "[log]\nlevel = \"trace\"\n\
                   [tls]\nmode = \"files\"\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n\
                   [match]\nadmission = \"token\"\ntoken_file = \"token\"\n\
                   [relay]\nsecret_file = \"secrets\"\n\
                   user = [{ name = \"a\", password_file = \"password\" }]\n";
    let file = folder.write("ginnel.toml", content, 0o600);
    let of_key = key.lines().filter(|line| !line.starts_with("-----")).map(str::to_owned);
    let hidden = SECRETS.into_iter().chain([SHORT]).map(str::to_owned).chain(of_key).collect();
    (folder, file.to_str().unwrap().to_owned(), hidden)
}

fn assert_hidden(hidden: &[String], place: &str, bytes: &[u8]) {
    let told = String::from_utf8_lossy(bytes);
    for secret in hidden {
        assert!(!told.contains(secret), "{place} tells {secret}");
    }
}

#[test]
fn row_44_what_runs_tells_none_to_anybody() {
    let (folder, file, hidden) = folder();
    let mut serving = Serving::start(&mut ginnel(&["serve", "--config", &file]));
    serving.until_told("Open ");
    let command_line = fs::read(format!("/proc/{}/cmdline", serving.id())).unwrap();
    assert!(command_line.ends_with(format!("{file}\0").as_bytes()));
    assert_hidden(&hidden, "cmdline", &command_line);
    // Only root may read it, and finds nothing.
    let environment = fs::read(format!("/proc/{}/environ", serving.id())).unwrap_or_default();
    assert_hidden(&hidden, "environ", &environment);
    for path in ["/metrics", "/privacy", "/healthz", "/readyz"] {
        assert_hidden(&hidden, path, get(serving.port("listen.admin"), path).as_bytes());
    }
    folder.write("secrets", SHORT, 0o600);
    serving.signal("HUP");
    let mut logged = serving.until_logged("the shared secrets in use stay");
    serving.signal("TERM");
    logged.extend(serving.until_logged("\"stopped\""));
    assert_hidden(&hidden, "the log", logged.join("\n").as_bytes());
    assert_hidden(&hidden, "standard output", serving.told.join("\n").as_bytes());
}

#[test]
fn row_44_nor_do_the_commands_about_the_configuration() {
    let (folder, file, hidden) = folder();
    let commands =
        [&["show", "--config", &file][..], &["show", "--json", "--config", &file], &["check", &file]];
    let quiet = |arguments: &[&str]| {
        let output = config(arguments);
        assert_hidden(&hidden, arguments[0], &output.stdout);
        assert_hidden(&hidden, arguments[0], &output.stderr);
        output.status.code()
    };
    for arguments in commands {
        assert_eq!(quiet(arguments), Some(0), "{arguments:?}");
    }
    for name in ["secrets", "password", "token", "key.pem"] {
        folder.write(name, SHORT, 0o604);
        assert_eq!(quiet(&["check", &file]), Some(3), "{name}");
        folder.write(name, &format!("{SHORT}\0\n{SHORT}"), 0o600);
        assert_eq!(quiet(&["check", "--json", &file]), Some(3), "{name}");
    }
}

/// Whatever the machine does with cores; where it keeps none, there is nothing to see.
#[test]
fn row_44_a_crash_leaves_no_core() {
    let (folder, file, _) = folder();
    let mut serving = Serving::start(ginnel(&["serve", "--config", &file]).current_dir(folder.path()));
    serving.until_told("Open ");
    let limit = ["--core=unlimited:unlimited", "--pid"];
    // Who may not raise the limit has one that its machine chose.
    let _ = std::process::Command::new("prlimit").args(limit).arg(serving.id().to_string()).status();
    serving.signal("ABRT");
    assert!(!serving.wait().core_dumped());
    until(|| fs::read_dir(folder.path()).unwrap().count() == 6);
}
