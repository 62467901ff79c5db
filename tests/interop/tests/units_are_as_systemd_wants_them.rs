//! The units in `packaging/systemd`, as systemd reads them: nothing unknown in them, and little that the
//! service could do to the machine.

use std::fs;
use std::path::Path;
use std::process::Output;

use interop::{binary, fresh_folder, limited};

#[test]
fn they_are_valid_and_expose_little() {
    let units = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/systemd");
    let folder = fresh_folder();
    let binary = binary().canonicalize().expect("the binary");
    for name in ["ginnel.service", "ginnel.socket"] {
        let unit = fs::read_to_string(units.join(name)).expect("a unit");
        // The binary is not installed here, and its pages neither.
        let lines = unit.lines().filter(|line| !line.starts_with("Documentation=file:"));
        let unit: String = lines.map(|line| format!("{line}\n")).collect();
        let unit = unit.replace("/usr/local/bin/ginnel", &binary.display().to_string());
        fs::write(folder.join(name), unit).expect("a file in a folder of ours");
    }
    let service = folder.join("ginnel.service");
    let verified = analyze(&[&"verify", &folder.join("ginnel.socket"), &service]);
    assert!(verified.status.success() && verified.stderr.is_empty(), "{}", said(&verified));
    // Tenths: 15 is an exposure of 1.5, and the service of Debian's coturn has 9.0.
    let judged = analyze(&[&"security", &"--offline=true", &"--threshold=15", &service]);
    assert!(judged.status.success(), "{}", said(&judged));
}

#[test]
fn with_the_proc_that_the_service_sees_it_knows_what_memory_it_may_have() {
    let seen = checked("");
    assert!(seen.contains(" it may have."), "{seen}");
    let hidden = "mount -t proc -o subset=pid proc /proc && test ! -e /proc/meminfo -a ! -e /proc/sys &&";
    assert_eq!(checked(hidden), seen);
}

/// What a configuration without a word is told, where something of the shell could be done before.
fn checked(before: &str) -> String {
    let file = fresh_folder().join("ginnel.toml");
    fs::write(&file, "").expect("a file in a folder of ours");
    let command = format!("{before} exec \"$0\" config check \"$1\"");
    let mut unshare = limited("unshare");
    unshare.args(["--user", "--map-root-user", "--pid", "--fork", "--mount", "sh", "-c", &command]);
    let output = unshare.arg(binary()).arg(&file).output().expect("unshare, of util-linux");
    said(&output).replace(&file.display().to_string(), "FILE")
}

fn analyze(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = limited("systemd-analyze");
    command.args(arguments).output().expect("systemd-analyze; install it: apt-get install systemd")
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat()
}
