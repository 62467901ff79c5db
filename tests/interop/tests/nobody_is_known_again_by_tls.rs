//! openssl offers the session of its last visit, over TLS 1.2 and 1.3: each visit is a new one, so that
//! nobody is known again by a ticket or a session.

use std::fs::{self, File};
use std::path::Path;

use interop::{Appliance, LOOPBACK, fresh_folder, limited};

#[test]
fn every_handshake_is_a_new_one() {
    let appliance = Appliance::start(LOOPBACK);
    let folder = fresh_folder();
    let request = folder.join("request");
    // An answer comes behind the tickets, if there are some. Where TURN is spoken this ends the connection.
    fs::write(&request, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("a file");
    for at in [appliance.web, appliance.turns] {
        for version in ["-tls1_2", "-tls1_3"] {
            let session = folder.join(format!("{}{version}", at.port()));
            let visit = |option: &str| {
                let mut visit = limited("openssl");
                visit.stdin(File::open(&request).expect("our own file"));
                visit.args(["s_client", "-ign_eof", "-connect", &at.to_string(), version, option]);
                let told =
                    visit.arg(&session).output().expect("openssl; install it: apt-get install openssl");
                String::from_utf8_lossy(&told.stdout).into_owned()
            };
            let first = visit("-sess_out");
            assert!(first.contains("\nNew, ") && !first.contains("TLS session ticket:"), "{first}");
            // Over TLS 1.3 there is nothing to keep.
            if has_session(&session) {
                let second = visit("-sess_in");
                assert!(second.contains("\nNew, ") && !second.contains("\nReused, "), "{second}");
            }
        }
    }
}

fn has_session(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.len() > 0)
}
