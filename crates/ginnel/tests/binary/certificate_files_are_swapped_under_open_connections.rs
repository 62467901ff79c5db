//! Certificate files are replaced under open connections: none drops, and new handshakes see what is new;
//! what cannot be used is told, and the old certificate stays.

use std::fs::{Permissions, create_dir, remove_dir, remove_file, rename, set_permissions, write};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{ClientConnection, StreamOwned};

use crate::common::{Folder, Serving, get, ginnel, until};
use crate::tls::{certificate_of, connect};

#[test]
fn new_files_are_taken_and_open_connections_live_on() {
    let folder = Folder::new();
    let first = Made::new();
    first.write(folder.path());
    let mut serving = serve(&folder);
    let port = serving.port("listen.web");
    assert_eq!(certificate_of(port), first.der);
    let mut open = connect(port);
    ask(&mut open);

    // One after the other, as many tools write them; between the two they do not match.
    let second = Made::new();
    second.write_certificate(folder.path());
    assert_eq!(certificate_of(port), first.der);
    second.write_key(folder.path());
    until(|| certificate_of(port) == second.der);
    ask(&mut open);

    // As a link that is turned round, which is what Kubernetes and certbot do.
    let third = Made::new();
    create_dir(folder.path().join("third")).unwrap();
    third.write(&folder.path().join("third"));
    for name in ["cert.pem", "key.pem"] {
        symlink(format!("third/{name}"), folder.path().join("next")).unwrap();
        rename(folder.path().join("next"), folder.path().join(name)).unwrap();
    }
    serving.signal("HUP");
    until(|| certificate_of(port) == third.der);
    ask(&mut open);
    assert_eq!(metric(&serving, "ginnel_certificate_changes_total "), 2);
    assert_eq!(metric(&serving, "ginnel_certificate_failures_total "), 0);
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(0));
}

#[test]
fn files_that_cannot_be_used_are_told_and_the_old_certificate_stays() {
    let folder = Folder::new();
    let first = Made::new();
    first.write(folder.path());
    let mut serving = serve(&folder);
    let port = serving.port("listen.web");
    let mut open = connect(port);
    let mut failures = 0;
    let mut refused = |serving: &mut Serving, told: &str| {
        serving.signal("HUP");
        let logged = serving.until_logged("the certificate in use stays");
        let warned = logged.last().unwrap();
        assert!(warned.contains("WARN") && warned.contains(told), "{warned}");
        failures += 1;
        assert_eq!(metric(serving, "ginnel_certificate_failures_total "), failures);
        assert_eq!(certificate_of(port), first.der);
    };
    Made::new().write_key(folder.path());
    refused(&mut serving, "is not the key of the certificate in");
    set_permissions(folder.path().join("key.pem"), Permissions::from_mode(0o644)).unwrap();
    refused(&mut serving, "can be read or written by every user");
    remove_file(folder.path().join("key.pem")).unwrap();
    refused(&mut serving, "No such file or directory");
    create_dir(folder.path().join("key.pem")).unwrap();
    refused(&mut serving, "tls.key: ");
    remove_dir(folder.path().join("key.pem")).unwrap();
    write(folder.path().join("cert.pem"), "nothing").unwrap();
    refused(&mut serving, "holds no certificate");
    Made::expired().write(folder.path());
    refused(&mut serving, "has expired; renew it");
    ask(&mut open);
}

#[test]
fn a_key_that_is_none_for_dtls_is_told_and_serves_the_rest() {
    let folder = Folder::new();
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let made = Made::with(CertificateParams::new(["localhost".to_owned()]).unwrap(), &key);
    made.write(folder.path());
    let mut serving = serve(&folder);
    let logged = serving.until_logged("there is no TURN over DTLS with this certificate");
    assert!(logged.last().unwrap().contains("WARN"), "{logged:?}");
    assert_eq!(certificate_of(serving.port("listen.web")), made.der);
    Made::new().write(folder.path());
    serving.signal("HUP");
    let logged = serving.until_logged("a new certificate is in use");
    assert!(!logged.iter().any(|line| line.contains("DTLS")), "{logged:?}");
}

fn serve(folder: &Folder) -> Serving {
    let content = "[tls]\nmode = \"files\"\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    let file = folder.write("ginnel.toml", content, 0o644);
    let mut serving = Serving::start(&mut ginnel(&["serve", "--config", file.to_str().unwrap()]));
    serving.until_told("Open ");
    serving
}

/// One request on a connection that stays open.
fn ask(open: &mut StreamOwned<ClientConnection, TcpStream>) {
    open.write_all(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        open.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

fn metric(serving: &Serving, name: &str) -> u64 {
    let metrics = get(serving.port("listen.admin"), "/metrics");
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
}

struct Made {
    certificate: String,
    key: String,
    der: Vec<u8>,
}

impl Made {
    fn new() -> Self {
        Self::of(CertificateParams::new(["localhost".to_owned()]).unwrap())
    }

    fn expired() -> Self {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
        Self::of(params)
    }

    fn of(params: CertificateParams) -> Self {
        Self::with(params, &KeyPair::generate().unwrap())
    }

    fn with(params: CertificateParams, key: &KeyPair) -> Self {
        let certificate = params.self_signed(key).unwrap();
        Self { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().to_vec() }
    }

    fn write(&self, folder: &Path) {
        self.write_certificate(folder);
        self.write_key(folder);
    }

    fn write_certificate(&self, folder: &Path) {
        write(folder.join("cert.pem"), &self.certificate).unwrap();
    }

    fn write_key(&self, folder: &Path) {
        write(folder.join("key.pem"), &self.key).unwrap();
        set_permissions(folder.join("key.pem"), Permissions::from_mode(0o600)).unwrap();
    }
}
