//! testssl.sh looks for weak protocols, weak suites and known holes on the ports that speak TLS, and finds
//! none (row 118).

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;

use interop::{Appliance, fresh_folder};

#[test]
fn row_118_on_the_web_port_and_on_that_of_turn() {
    let appliance = Appliance::start("127.0.0.1".parse().expect("an address"));
    let folder = fresh_folder();
    thread::scope(|scope| {
        for (name, at) in [("web", appliance.web), ("turns", appliance.turns)] {
            let file = folder.join(format!("{name}.json"));
            scope.spawn(move || judge(name, &examined(at, &file)));
        }
    });
}

/// Nothing is worse than a remark, what is looked for was looked for, and what is good is there.
fn judge(name: &str, found: &[Finding]) {
    for Finding { id, severity, finding } in found {
        // DEBUG is that it finds no HTTP on TURN's port.
        assert!(["OK", "INFO", "DEBUG"].contains(&severity.as_str()), "{name}: {id}: {severity}: {finding}");
    }
    let of = |id: &str| {
        let of_id = found.iter().find(|it| it.id == id);
        of_id.unwrap_or_else(|| panic!("{name}: {id} was not looked at"))
    };
    let said = |id: &str| &of(id).finding;
    for id in ["SSLv2", "SSLv3", "TLS1", "TLS1_1", "cipherlist_NULL", "cipherlist_aNULL", "cipherlist_EXPORT"]
    {
        assert!(said(id).starts_with("not offered"), "{name}: {id}: {}", said(id));
    }
    for id in ["cipherlist_LOW", "cipherlist_3DES_IDEA", "cipherlist_AVERAGE"] {
        assert!(said(id).starts_with("not offered"), "{name}: {id}: {}", said(id));
    }
    for id in ["TLS1_2", "TLS1_3", "cipherlist_STRONG"] {
        assert!(said(id).starts_with("offered"), "{name}: {id}: {}", said(id));
    }
    for id in ["heartbleed", "CCS", "ROBOT", "CRIME_TLS", "SWEET32", "FREAK", "LOGJAM", "RC4"] {
        assert_eq!(of(id).severity, "OK", "{name}: {id}: {}", said(id));
    }
    assert_eq!(of("secure_client_renego").severity, "OK", "{name}: {}", said("secure_client_renego"));
}

struct Finding {
    id: String,
    severity: String,
    finding: String,
}

/// What testssl.sh says of a port: protocols, suites, known holes. It takes most of a minute.
fn examined(at: SocketAddr, file: &Path) -> Vec<Finding> {
    let output = Command::new("timeout")
        .args(["--kill-after=5", "400", "testssl", "--quiet", "--warnings=off", "--color=0"])
        .args(["--protocols", "--std", "--vulnerable", "--jsonfile"])
        .arg(file)
        .arg(at.to_string())
        .output()
        .expect("testssl.sh; install it: apt-get install testssl.sh");
    let json = fs::read_to_string(file);
    let json = json.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stdout)));
    let findings: Vec<serde_json::Value> = serde_json::from_str(&json).expect("JSON");
    let text = |it: &serde_json::Value, key: &str| it[key].as_str().unwrap_or_default().to_owned();
    let finding = |it: &serde_json::Value| Finding {
        id: text(it, "id"),
        severity: text(it, "severity"),
        finding: text(it, "finding"),
    };
    findings.iter().map(finding).collect()
}
