//! Pebble, the ACME server that Let's Encrypt tests clients with, gives certificates over both kinds of
//! proof, and renews them; while it is away, a self-signed one is served.
//!
//! RFC 8555, RFC 8737.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use instant_acme::Account;
use interop::{Appliance, LOOPBACK, PATIENCE, free_address, fresh_folder, limited, wait_for};

#[test]
fn over_tls_alpn_01_once_it_is_there_and_again_before_the_end() {
    let scene = Scene::new();
    let appliance = scene.serve(None);
    wait_for("word that the server is away", PATIENCE, || {
        appliance.log().contains("the ACME server cannot be reached: connection refused")
    });
    assert!(appliance.log().contains("a self-signed certificate is served until"));
    assert!(served(scene.web).contains("ginnel, self-signed"));

    let _pebble = Pebble::start(&scene, scene.web.port(), free_address(LOOPBACK).port(), 20);
    wait_for("a certificate", PATIENCE, || served(scene.web).contains("Pebble Intermediate"));
    let (first, account) = (served(scene.web), scene.account());
    assert!(first.contains("DNS:chat.example"), "{first}");
    wait_for("another certificate", PATIENCE, || {
        let second = served(scene.web);
        second.contains("Pebble Intermediate") && second != first
    });
    assert_eq!(scene.account(), account);
    assert!(appliance.metric("ginnel_certificate_changes_total") >= 2.0);
    assert!(appliance.metric("ginnel_certificate_failures_total") >= 1.0);
    // Who offers the validators' protocol finds nothing when nobody is to be validated: between renewals.
    wait_for("an end of the validation", PATIENCE, || {
        !handshake(scene.web, &["-alpn", "acme-tls/1"]).contains("BEGIN CERTIFICATE")
    });
}

#[test]
fn over_http_01_and_a_restart_keeps_it() {
    let scene = Scene::new();
    let http = free_address(LOOPBACK);
    let pebble = Pebble::start(&scene, free_address(LOOPBACK).port(), http.port(), 86_400);
    let mut appliance = scene.serve(Some(http));
    wait_for("a certificate", PATIENCE, || served(scene.web).contains("Pebble Intermediate"));
    let (first, account) = (served(scene.web), scene.account());
    drop(pebble);
    appliance.restart();
    assert_eq!(served(scene.web), first);
    assert_eq!(scene.account(), account);
    assert!(!appliance.log().contains("self-signed certificate is served"));
}

#[test]
fn of_a_new_account_after_the_old_one_was_deactivated() {
    let scene = Scene::new();
    let _pebble = Pebble::start(&scene, scene.web.port(), free_address(LOOPBACK).port(), 20);
    let appliance = scene.serve(None);
    wait_for("a certificate", PATIENCE, || served(scene.web).contains("Pebble Intermediate"));
    let (first, account) = (served(scene.web), scene.account());
    deactivate(&scene);
    wait_for("another account", PATIENCE, || scene.account() != account);
    wait_for("another certificate", PATIENCE, || {
        let second = served(scene.web);
        second.contains("Pebble Intermediate") && second != first
    });
    assert!(appliance.log().contains("knows our account no more; another one is made"));
}

struct Scene {
    folder: PathBuf,
    /// Where HTTPS answers.
    web: SocketAddr,
    /// Where Pebble answers.
    directory: SocketAddr,
}

impl Scene {
    fn new() -> Self {
        let folder = fresh_folder();
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        fs::write(folder.join("pebble.pem"), made.cert.pem()).unwrap();
        fs::write(folder.join("pebble.key"), made.signing_key.serialize_pem()).unwrap();
        Self { folder, web: free_address(LOOPBACK), directory: free_address(LOOPBACK) }
    }

    /// The account that is kept; nothing while there is none.
    fn account(&self) -> Vec<u8> {
        fs::read(self.folder.join("state/acme-account.json")).unwrap_or_default()
    }

    fn serve(&self, http: Option<SocketAddr>) -> Appliance {
        let (turn, turns) = (free_address(LOOPBACK), free_address(LOOPBACK));
        let (local, admin) = (free_address(LOOPBACK), free_address(LOOPBACK));
        let http: String = http.map(|http| format!("\"{http}\"")).unwrap_or_default();
        let configuration = format!(
            "[listen]\nturn = [\"{turn}\"]\nturns = [\"{turns}\"]\nweb = [\"{}\"]\nhttp = [{http}]\n\
             local = [\"{local}\"]\nadmin = \"{admin}\"\n\
             [relay]\nports = \"61000-65535\"\n\
             [server]\nnames = [\"chat.example\"]\n\
             [tls]\nmode = \"acme\"\nstate = \"state\"\n\
             [tls.acme]\ndirectory = \"https://{}/dir\"\ncontact = \"root@chat.example\"\n\
             root = \"pebble.pem\"\n",
            self.web, self.directory
        );
        Appliance::start_in(self.folder.clone(), &configuration, [turn, turns, self.web, local, admin])
    }
}

/// What an operator may do with the account's key elsewhere.
#[tokio::main(flavor = "current_thread")]
async fn deactivate(scene: &Scene) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Account::builder_with_root(scene.folder.join("pebble.pem")).unwrap();
    let credentials = serde_json::from_slice(&scene.account()).unwrap();
    builder.from_credentials(credentials).await.unwrap().deactivate().await.unwrap();
}

/// A running Pebble that finds every name on loopback.
struct Pebble {
    pebble: Child,
    names: Child,
}

impl Pebble {
    /// It looks for proofs on these ports and gives certificates that hold for so long.
    fn start(scene: &Scene, tls_port: u16, http_port: u16, valid_s: u64) -> Self {
        let dns = free_address(LOOPBACK);
        let none = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""];
        let names = quiet(limited(Path::new("pebble-challtestsrv")).args(none))
            .args(["-dns01", &dns.to_string(), "-management", &free_address(LOOPBACK).to_string()])
            .spawn()
            .unwrap();
        let path = |name: &str| scene.folder.join(name).display().to_string();
        let configuration = format!(
            "{{\"pebble\": {{\"listenAddress\": \"{}\", \"managementListenAddress\": \"{}\", \
             \"certificate\": \"{}\", \"privateKey\": \"{}\", \"httpPort\": {http_port}, \
             \"tlsPort\": {tls_port}, \"certificateValidityPeriod\": {valid_s}}}}}",
            scene.directory,
            free_address(LOOPBACK),
            path("pebble.pem"),
            path("pebble.key"),
        );
        fs::write(scene.folder.join("pebble.json"), configuration).unwrap();
        let pebble = quiet(limited(Path::new("pebble")).args(["-strict", "-config", &path("pebble.json")]))
            .args(["-dnsserver", &dns.to_string()])
            .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "20"), ("PEBBLE_AUTHZREUSE", "0")])
            .spawn()
            .unwrap();
        Self { pebble, names }
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for process in [&mut self.pebble, &mut self.names] {
            // `timeout` hands it on to what it runs.
            let _ = Command::new("kill").arg(process.id().to_string()).status();
            let _ = process.wait();
        }
    }
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdout(Stdio::null()).stderr(Stdio::null())
}

/// The certificate that a new handshake gets, in words.
fn served(web: SocketAddr) -> String {
    let pem = std::env::temp_dir().join(format!("ginnel-served-{}", web.port()));
    fs::write(&pem, handshake(web, &[])).unwrap();
    let words = ["x509", "-noout", "-issuer", "-serial", "-ext", "subjectAltName", "-in"];
    let output = Command::new("openssl").args(words).arg(&pem).output().unwrap();
    let _ = fs::remove_file(pem);
    String::from_utf8(output.stdout).unwrap()
}

fn handshake(web: SocketAddr, more: &[&str]) -> String {
    let connect =
        ["s_client", "-connect", &web.to_string(), "-servername", "chat.example"].map(str::to_owned);
    let output = limited(Path::new("openssl")).args(connect).args(more).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
