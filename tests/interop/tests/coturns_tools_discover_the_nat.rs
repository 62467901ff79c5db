//! coturn's `turnutils_natdiscovery` and `turnutils_stunclient` find out how a NAT behaves. On loopback there
//! is none, and that is what they must say; RFC 5780.

use std::net::{IpAddr, SocketAddr};

use interop::{Appliance, free_port, limited};

/// An appliance on two addresses; its second port is this.
fn start() -> (Appliance, [SocketAddr; 2], u16) {
    let ips: [IpAddr; 2] = ["127.0.0.1", "127.0.0.2"].map(|ip| ip.parse().expect("an address"));
    let (port, other) = (free_port(&ips), free_port(&ips));
    assert_ne!(port, other);
    let listen = ips.map(|ip| SocketAddr::new(ip, port));
    // The tools ask more often than the budget of one address allows, and never again.
    let limits = "limits = { answers_per_address_s = 0, answers_per_prefix_s = 0 }";
    let relay = format!("nat_discovery = true\nnat_discovery_port = {other}\n{limits}");
    (Appliance::start_on(&listen, &relay), listen, other)
}

/// What a tool says of a server.
fn said(program: &str, arguments: &[&str], server: SocketAddr) -> String {
    let output = limited(program)
        .args(arguments)
        .args(["-p", &server.port().to_string(), &server.ip().to_string()])
        .output()
        .expect("coturn's tools; install them: apt-get install coturn");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    said.into_owned()
}

/// Whether all these lines are there, in this order.
fn in_order(said: &str, lines: &[&str]) -> bool {
    let mut rest = said;
    lines.iter().all(|line| match rest.split_once(line) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

const LOCAL: [&str; 2] = ["-L", "127.0.0.1"];

#[test]
fn mapping_and_filtering_are_found_from_every_endpoint() {
    let (appliance, listen, other) = start();
    let ports = [listen[0].port(), other];
    for (ip, port) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let at = |ip: usize, port: usize| SocketAddr::new(listen[ip].ip(), ports[port]);
        let asked = at(ip, port);
        let told = format!("Other addr: : {}", at(1 - ip, 1 - port));
        let origin = |address: SocketAddr| format!("Response origin: : {address}");
        let mapping = said("turnutils_natdiscovery", &[&["-m"], &LOCAL[..]].concat(), asked);
        let second = origin(at(1 - ip, port));
        let expected = [&origin(asked), &told, "No NAT!", &second, "NAT with Endpoint Independent Mapping!"];
        assert!(in_order(&mapping, &expected), "{mapping}\n{}", appliance.log());
        let filtering = said("turnutils_natdiscovery", &[&["-f"], &LOCAL[..]].concat(), asked);
        let second = origin(at(1 - ip, 1 - port));
        let expected = [&origin(asked), &told, &second, "NAT with Endpoint Independent Filtering!"];
        assert!(in_order(&filtering, &expected), "{filtering}\n{}", appliance.log());
    }
}

#[test]
fn padded_questions_get_padded_answers() {
    let (appliance, listen, _) = start();
    let said = said("turnutils_natdiscovery", &[&["-m", "-f", "-P"], &LOCAL[..]].concat(), listen[0]);
    let expected = ["Endpoint Independent Mapping!", "Endpoint Independent Filtering!"];
    assert!(in_order(&said, &expected), "{said}\n{}", appliance.log());
}

#[test]
fn a_mappings_lifetime_is_asked_from_another_port() {
    let (appliance, listen, other) = start();
    let said = said("turnutils_natdiscovery", &[&["-t", "-T", "1"], &LOCAL[..]].concat(), listen[0]);
    let told = format!("Other addr: : {}", SocketAddr::new(listen[1].ip(), other));
    assert!(in_order(&said, &["response 1", &told, "response 2", &told]), "{said}\n{}", appliance.log());
}

#[test]
fn stunclient_hears_from_the_other_address_and_port() {
    let (appliance, listen, other) = start();
    for (asked, opposite) in [(0, 1), (1, 0)] {
        let said = said("turnutils_stunclient", &["-f"], listen[asked]);
        let own = format!("Response origin: : {}", listen[asked]);
        let theirs = format!("Response origin: : {}", SocketAddr::new(listen[opposite].ip(), other));
        assert!(
            in_order(&said, &[&own, &theirs, "UDP reflexive addr: 127.0.0.1:"]),
            "{said}\n{}",
            appliance.log()
        );
    }
}

#[test]
fn without_discovery_stunclient_learns_its_address_and_no_more() {
    let appliance = Appliance::start("127.0.0.1".parse().expect("an address"));
    let said = said("turnutils_stunclient", &[], appliance.turn);
    assert!(said.contains("UDP reflexive addr: 127.0.0.1:"), "{said}");
    assert!(!said.contains("Other addr") && !said.contains("Response origin"), "{said}");
}
