//! The SDK, run by Node, and this crate agree on keys, open what the other seals, and see the same string.

#![allow(clippy::unwrap_used, reason = "a test may panic, its helpers too")]

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sealing::{Role, Sealing, Share, Step};

const SESSION: [u8; 16] = [0x5e; 16];

/// The SDK's side, as a process that ends with its input.
struct Peer {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    fn start(role: Role, link: Option<&[u8]>) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sealing-peer.js");
        let mut child = Command::new("node")
            .args([script, role.name(), &BASE64_URL_SAFE_NO_PAD.encode(SESSION)])
            .arg(BASE64_URL_SAFE_NO_PAD.encode(link.unwrap_or_default()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs node: apt install nodejs");
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { input: child.stdin.take(), output, child }
    }

    fn send(&mut self, bytes: &[u8]) {
        writeln!(self.input.as_mut().unwrap(), "{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)).unwrap();
    }

    fn receive(&mut self) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(self.line()).unwrap()
    }

    fn line(&mut self) -> String {
        self.output.next().expect("the SDK says something").unwrap()
    }

    fn end(mut self) -> String {
        drop(self.input.take());
        let last = self.line();
        assert!(self.child.wait().unwrap().success());
        last
    }
}

fn sent(step: Step) -> Vec<u8> {
    match step {
        Step::Send(bytes) => bytes,
        other => panic!("nothing to send: {other:?}"),
    }
}

fn talk(role: Role, link: Option<[u8; 16]>) {
    let seed = if link.is_some() { 0x31 } else { 0x13 };
    let mut own = Sealing::new(role, SESSION, link, Share::new(&[seed; 32], [seed; 32]).unwrap());
    let mut peer;
    if role == Role::Caller {
        peer = Peer::start(Role::Callee, link.as_ref().map(|secret| &secret[..]));
        peer.send(&own.begin().unwrap());
        let key = sent(own.receive(&peer.receive()).unwrap());
        peer.send(&key);
    } else {
        peer = Peer::start(Role::Caller, link.as_ref().map(|secret| &secret[..]));
        let key = sent(own.receive(&peer.receive()).unwrap());
        peer.send(&key);
        assert_eq!(own.receive(&peer.receive()), Ok(Step::Ready));
    }
    for body in [r#"{"n":1}"#.to_owned(), format!(r#"{{"n":"{}"}}"#, "ü".repeat(4000))] {
        peer.send(&own.seal(body.as_bytes()).unwrap());
        let echo = format!(r#"{{"echo":{body}}}"#);
        assert_eq!(own.receive(&peer.receive()), Ok(Step::Opened(echo.into_bytes())));
    }
    let names = own.signs().unwrap().map(|sign| sign.name).join(" ");
    assert_eq!(peer.end(), names);
}

#[test]
fn as_caller_and_as_callee() {
    talk(Role::Caller, None);
    talk(Role::Callee, None);
}

#[test]
fn with_an_invite_link() {
    talk(Role::Caller, Some([0xa7; 16]));
    talk(Role::Callee, Some([0xa7; 16]));
}
