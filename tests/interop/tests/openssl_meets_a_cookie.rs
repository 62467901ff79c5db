//! `openssl s_client` makes a DTLS handshake: it is asked for a cookie, shows it, and gets the certificate.
//! It may come again and again, also on the port that it left without a word; and the CA's own certificate is
//! not sent.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use interop::{Appliance, LOOPBACK, free_port, fresh_folder, limited, write_private};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

fn s_client(address: &str, arguments: &[&str]) -> String {
    let connect = ["s_client", "-connect", address, "-msg"];
    let output = limited("openssl").args(connect).args(arguments).output();
    let output = output.expect("openssl; install it: apt-get install openssl");
    (String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr)).into_owned()
}

#[test]
fn over_dtls_1_2_with_every_suite() {
    let appliance = Appliance::start(LOOPBACK);
    let suites =
        ["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"];
    for (number, suite) in suites.into_iter().enumerate() {
        for address in [appliance.turns, appliance.web] {
            let said = s_client(&address.to_string(), &["-dtls1_2", "-cipher", suite]);
            assert!(said.contains(&format!("Cipher is {suite}")), "{said}");
            assert!(said.contains("ginnel, self-signed") && said.contains("Extended master secret: yes"));
        }
        // Each was asked once, and no good-bye was missed.
        let count = 2.0 * (number + 1) as f64;
        appliance.wait_for_metric("ginnel_relay_dtls_clients_total{outcome=\"asked\"}", count);
        appliance.wait_for_metric("ginnel_relay_dtls_clients_total{outcome=\"accepted\"}", count);
    }
    interop::wait_for("no associations", interop::PATIENCE, || {
        appliance.metric("ginnel_relay_dtls_associations") == 0.0
    });
}

#[test]
fn but_not_with_what_is_old_or_weak() {
    let appliance = Appliance::start(LOOPBACK);
    let address = appliance.turns.to_string();
    for arguments in [
        &["-dtls1", "-cipher", "ALL:@SECLEVEL=0"][..],
        &["-dtls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"],
        &["-dtls1_2", "-cipher", "aNULL:@SECLEVEL=0"],
    ] {
        let said = s_client(&address, arguments);
        assert!(said.contains("Cipher is (NONE)"), "{arguments:?}: {said}");
        assert!(said.contains("alert"), "{arguments:?}: {said}");
    }
    assert!(appliance.metric("ginnel_relay_dtls_clients_total{outcome=\"accepted\"}") == 0.0);
}

#[test]
fn again_and_again() {
    let appliance = Appliance::start(LOOPBACK);
    let said = s_client(&appliance.turns.to_string(), &["-dtls1_2", "-reconnect"]);
    assert_eq!(said.matches("drop connection and then reconnect").count(), 5, "{said}");
    appliance.wait_for_metric("ginnel_relay_dtls_clients_total{outcome=\"accepted\"}", 6.0);
}

#[test]
fn on_a_port_that_it_left_without_a_word() {
    let appliance = Appliance::start(LOOPBACK);
    let from = SocketAddr::new(LOOPBACK, free_port(&[LOOPBACK])).to_string();
    for count in 1..=3 {
        let mut client = std::process::Command::new("openssl")
            .args(["s_client", "-dtls1_2", "-connect", &appliance.turns.to_string(), "-bind", &from])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl; install it: apt-get install openssl");
        let accepted = "ginnel_relay_dtls_clients_total{outcome=\"accepted\"}";
        appliance.wait_for_metric(accepted, f64::from(count));
        client.kill().expect("a child of ours");
        client.wait().expect("a child of ours");
        assert!(appliance.metric("ginnel_relay_dtls_associations") <= 1.0);
    }
}

#[test]
fn whose_ca_it_has_to_know_over_dtls_and_is_told_over_tls() {
    let folder = fresh_folder();
    write_chain(&folder);
    let ports: Vec<SocketAddr> = (0..5).map(|_| SocketAddr::new(LOOPBACK, free_port(&[LOOPBACK]))).collect();
    let [turn, turns, web, local, admin] = ports.try_into().expect("five");
    let configuration = format!(
        "version = 1\n\
         [listen]\nturn = [\"{turn}\"]\nturns = [\"{turns}\"]\nweb = [\"{web}\"]\nlocal = [\"{local}\"]\n\
         admin = \"{admin}\"\n\
         [tls]\nmode = \"files\"\ncertificate = \"chain.pem\"\nkey = \"key.pem\"\n"
    );
    let (root, both) = (folder.join("root.pem"), folder.join("root-and-between.pem"));
    let appliance = Appliance::start_in(folder, &configuration, [turn, turns, web, local, admin]);
    let ask = |version: &str, known: &Path| {
        let known = known.to_str().expect("a path of ours");
        s_client(&turns.to_string(), &[version, "-showcerts", "-CAfile", known])
    };
    let certificates = |said: &str| said.matches("-----BEGIN CERTIFICATE-----").count();
    let (over_tls, over_dtls) = (ask("-tls1_3", &root), ask("-dtls1_2", &root));
    assert!(certificates(&over_tls) == 2 && over_tls.contains("Verify return code: 0 (ok)"), "{over_tls}");
    assert!(
        certificates(&over_dtls) == 1 && !over_dtls.contains("Verify return code: 0 (ok)"),
        "{over_dtls}"
    );
    let knows_more = ask("-dtls1_2", &both);
    assert!(knows_more.contains("Verify return code: 0 (ok)"), "{knows_more}\n{}", appliance.log());
}

/// A certificate of one CA that has its own from another, as those of the web have.
fn write_chain(folder: &Path) {
    let key = || KeyPair::generate().expect("a key");
    let authority = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    };
    let root = CertifiedIssuer::self_signed(authority("root"), key()).expect("a certificate");
    let between = CertifiedIssuer::signed_by(authority("between"), key(), &root).expect("a certificate");
    let own = key();
    let leaf = CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let leaf = leaf.signed_by(&own, &between).expect("a certificate");
    let write = |name: &str, text: &str| write_private(&folder.join(name), text);
    write("key.pem", &own.serialize_pem());
    write("chain.pem", &(leaf.pem() + &between.pem()));
    write("root.pem", &root.pem());
    write("root-and-between.pem", &(root.pem() + &between.pem()));
}
