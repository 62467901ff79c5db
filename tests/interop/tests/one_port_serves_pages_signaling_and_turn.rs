//! On one port, at one time: pages for `curl`, a handshake for `openssl`, a WebSocket, and a TURN client that
//! sends no ALPN.

use std::process::{Command, Output};
use std::thread;

use interop::{APPLIANCE_USER, Appliance, PASSWORD, limited};

#[test]
fn curl_openssl_a_websocket_and_a_turn_client_share_a_port() {
    let appliance = Appliance::start("127.0.0.1".parse().unwrap());
    let port = appliance.web.port().to_string();
    thread::scope(|scope| {
        let turn = scope.spawn(|| turn(&port));
        for _ in 0..5 {
            let asked = [
                scope.spawn(|| (curl(&port, &["--http1.1"], "/"), "HTTP/1.1 200 OK")),
                // It offers HTTP/2 first and gets what is there.
                scope.spawn(|| (curl(&port, &[], "/"), "HTTP/1.1 200 OK")),
                scope.spawn(|| (curl(&port, UPGRADE, "/signal"), "HTTP/1.1 101 Switching Protocols")),
                scope.spawn(|| (handshake(&port, "stun.turn"), "ALPN protocol: stun.turn")),
                scope.spawn(|| (handshake(&port, "http/1.1"), "ALPN protocol: http/1.1")),
                scope.spawn(|| (handshake(&port, "imap"), "no application protocol")),
            ];
            for answered in asked {
                let (output, expected) = answered.join().unwrap();
                let said = said(&output);
                assert!(said.contains(expected), "{expected} is not in\n{said}\n{}", appliance.log());
            }
        }
        let said = said(&turn.join().unwrap());
        assert!(said.contains("Total lost packets 0 (0.000000%)"), "{said}\n{}", appliance.log());
    });
}

fn turn(port: &str) -> Output {
    run(limited("turnutils_uclient")
        .args(["-c", "-y", "-t", "-S", "-m", "2", "-n", "100", "-u", APPLIANCE_USER, "-w", PASSWORD])
        .args(["-p", port, "127.0.0.1"]))
}

fn curl(port: &str, arguments: &[&str], path: &str) -> Output {
    run(limited("curl")
        .args(["--silent", "--show-error", "--insecure", "--include", "--max-time", "3"])
        .args(arguments)
        .arg(format!("https://localhost:{port}{path}")))
}

fn handshake(port: &str, protocol: &str) -> Output {
    let address = format!("127.0.0.1:{port}");
    run(limited("openssl").args(["s_client", "-connect", &address, "-alpn", protocol]))
}

fn run(command: &mut Command) -> Output {
    command.output().expect("a client; install them: apt-get install coturn curl openssl")
}

fn said(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Asks for a WebSocket, which then stays silent until curl has waited long enough.
const UPGRADE: &[&str] = &[
    "--http1.1",
    "--header",
    "Connection: Upgrade",
    "--header",
    "Upgrade: websocket",
    "--header",
    "Sec-WebSocket-Version: 13",
    "--header",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "--header",
    "Sec-WebSocket-Protocol: ginnel.1",
];
