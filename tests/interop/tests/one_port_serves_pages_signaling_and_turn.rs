//! On one port, at one time: pages for `curl`, a handshake for `openssl`, a WebSocket, and a TURN client that
//! sends no ALPN.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
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
                scope.spawn(|| (upgraded(&port), "HTTP/1.1 101 Switching Protocols")),
                scope.spawn(|| (handshake(&port, "stun.turn"), "ALPN protocol: stun.turn")),
                scope.spawn(|| (handshake(&port, "http/1.1"), "ALPN protocol: http/1.1")),
                scope.spawn(|| (handshake(&port, "imap"), "no application protocol")),
            ];
            for answered in asked {
                let (said, expected) = answered.join().unwrap();
                assert!(said.contains(expected), "{expected} is not in\n{said}\n{}", appliance.log());
            }
        }
        let said = turn.join().unwrap();
        assert!(said.contains("Total lost packets 0 (0.000000%)"), "{said}\n{}", appliance.log());
    });
}

fn turn(port: &str) -> String {
    run(limited("turnutils_uclient")
        .args(["-c", "-y", "-t", "-S", "-m", "2", "-n", "100", "-u", APPLIANCE_USER, "-w", PASSWORD])
        .args(["-p", port, "127.0.0.1"]))
}

fn curl(port: &str, arguments: &[&str], path: &str) -> String {
    run(asking(port, arguments, path).args(["--max-time", "60"]))
}

fn asking(port: &str, arguments: &[&str], path: &str) -> Command {
    let mut curl = limited("curl");
    curl.args(["--silent", "--show-error", "--insecure", "--include", "--no-buffer"])
        .args(arguments)
        .arg(format!("https://localhost:{port}{path}"));
    curl
}

/// What curl gets that asks for a WebSocket, which then stays silent; so it is not waited for.
fn upgraded(port: &str) -> String {
    let mut curl = asking(port, UPGRADE, "/signal")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a client; install it: apt-get install curl");
    let mut said = String::new();
    // Nothing comes where there is no answer.
    let _ = BufReader::new(curl.stdout.take().expect("a pipe")).read_line(&mut said);
    // `timeout` hands it on to what it runs.
    let _ = Command::new("kill").arg(curl.id().to_string()).status();
    let rest = curl.wait_with_output().expect("a child of ours");
    said + &String::from_utf8_lossy(&rest.stderr)
}

fn handshake(port: &str, protocol: &str) -> String {
    let address = format!("127.0.0.1:{port}");
    run(limited("openssl").args(["s_client", "-connect", &address, "-alpn", protocol]))
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("a client; install them: apt-get install coturn curl openssl");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Asks for a WebSocket.
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
