//! What the tests of the binary share: run it, feed it files, read it with deadlines.
//!
//! Nothing here knows what is right.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Long enough for a loaded machine; a test that waits this long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The binary, with nothing of the caller's environment, listening on free ports of loopback.
pub(crate) fn ginnel(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ginnel"));
    command.args(arguments).env_clear();
    for key in ["TURN", "TURNS", "WEB", "LOCAL", "ADMIN"] {
        command.env(format!("GINNEL_LISTEN_{key}"), "127.0.0.1:0");
    }
    command
}

/// The binary's `config` commands, with the files alone.
pub(crate) fn config(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ginnel")).arg("config").args(arguments).env_clear().output().unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A running `ginnel serve`; killed when dropped.
pub(crate) struct Serving {
    child: Child,
    out: Option<Receiver<String>>,
    log: Option<Receiver<String>>,
    /// What standard output said so far.
    pub(crate) told: Vec<String>,
}

impl Serving {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let out = Some(lines(child.stdout.take().unwrap()));
        let log = Some(lines(child.stderr.take().unwrap()));
        Self { child, out, log, told: Vec::new() }
    }

    /// Started with the reading end of one stream closed.
    pub(crate) fn start_deaf(command: &mut Command, out: bool) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (out, log) = if out { (None, Some(lines(stderr))) } else { (Some(lines(stdout)), None) };
        Self { child, out, log, told: Vec::new() }
    }

    /// Reads standard output until a line with `word`.
    pub(crate) fn until_told(&mut self, word: &str) -> String {
        loop {
            let line = self.out.as_ref().unwrap().recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {word:?} in {:?}", self.told));
            self.told.push(line.clone());
            if line.contains(word) {
                return line;
            }
        }
    }

    /// Reads the log until a line with `word`; gives all lines.
    pub(crate) fn until_logged(&mut self, word: &str) -> Vec<String> {
        let mut logged = Vec::new();
        loop {
            let line = self.log.as_ref().unwrap().recv_timeout(PATIENCE);
            logged.push(line.unwrap_or_else(|_| panic!("no {word:?} in {logged:?}")));
            if logged.last().unwrap().contains(word) {
                return logged;
            }
        }
    }

    /// The port that was told for a key.
    pub(crate) fn port(&self, key: &str) -> u16 {
        let line = self.told.iter().find(|line| line.contains(key)).unwrap();
        let after = line.split("port ").nth(1).unwrap();
        after.split('/').next().unwrap().parse().unwrap()
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// A line of the kernel's account of its memory.
    pub(crate) fn memory_bytes(&self, line: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let rest = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
        rest.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1_024
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        until(|| {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until it is so.
pub(crate) fn until(mut met: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !met() {
        assert!(Instant::now() < deadline, "not within the deadline");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// One plain HTTP request; the whole answer.
pub(crate) fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// An open WebSocket to the signaling, which says nothing and answers nothing.
pub(crate) fn upgraded(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(upgrade().as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 101");
    stream
}

/// The request for one.
pub(crate) fn upgrade() -> &'static str {
    "GET /signal HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
     Sec-WebSocket-Protocol: ginnel.1\r\n\r\n"
}

/// A folder that goes away with the test.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, content: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = sync_channel(1_024);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}
