//! A worker of the relay that does not come round starves the watchdog while everything else goes on; one
//! that cannot go on ends the process. Each is brought about from outside, in one thread of the program as it
//! is: strace holds up or fails the system call by which that thread waits for packets.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::{Folder, Serving, get, ginnel, until};

#[test]
fn one_that_hangs_is_no_sign_of_life_until_it_goes_on() {
    inside("a_worker_that_hangs_is_noticed::one_that_hangs_is_no_sign_of_life_until_it_goes_on", || {
        let folder = Folder::new();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let mut command = serve();
        command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
        let mut serving = Serving::start(&mut command);
        serving.until_told("Open ");
        manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        until(|| has_sign(&manager).unwrap());

        let hold = tamper(&serving, "relay-1", "delay_enter=600s");
        // Forty signs of life are due in this time.
        manager.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        until(|| has_sign(&manager).is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
        let port = serving.port("listen.admin");
        assert!(get(port, "/healthz").starts_with("HTTP/1.1 200"), "the rest of it goes on");

        drop(hold);
        manager.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        until(|| has_sign(&manager).unwrap());
        serving.signal("TERM");
        assert_eq!(serving.wait().code(), Some(0));
    });
}

#[test]
fn one_that_cannot_go_on_ends_the_process() {
    inside("a_worker_that_hangs_is_noticed::one_that_cannot_go_on_ends_the_process", || {
        let mut serving = Serving::start(&mut serve());
        serving.until_told("Open ");
        let _failing = tamper(&serving, "relay-1", "error=EBADF");
        serving.until_logged("a worker cannot wait for packets and stops");
        assert_eq!(serving.wait().code(), Some(1));
    });
}

fn serve() -> Command {
    let mut command = ginnel(&["serve"]);
    command.env("GINNEL_SERVER_WORKERS", "2");
    command
}

/// Whether the next thing that is told is a sign of life.
fn has_sign(manager: &UnixDatagram) -> std::io::Result<bool> {
    let mut buffer = [0; 256];
    let length = manager.recv(&mut buffer)?;
    Ok(&buffer[..length] == b"WATCHDOG=1")
}

/// What is done to a thread; dropping it lets the thread go on.
struct Tampering(Child);

impl Drop for Tampering {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Does `what` to the calls by which the thread of this name waits.
fn tamper(serving: &Serving, thread: &str, what: &str) -> Tampering {
    let tasks = fs::read_dir(format!("/proc/{}/task", serving.id())).unwrap().map(Result::unwrap);
    let is_meant = |name: &str| name.trim_end() == thread;
    let task = tasks
        .filter(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| is_meant(&name)))
        .map(|task| task.file_name())
        .next()
        .unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-qq", "-e", "trace=?epoll_wait,?epoll_pwait", "-e"]);
    strace.arg(format!("inject=?epoll_wait,?epoll_pwait:{what}")).arg("-p").arg(task);
    let child = strace.stderr(Stdio::null()).spawn();
    Tampering(child.expect("strace; install it: apt-get install strace"))
}

/// Nobody but root may look into the process, and everybody is root in a namespace of its own: the test
/// starts itself anew there.
fn inside(name: &str, test: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let inside = Command::new("unshare")
        .arg("-Ur")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(INSIDE, "1")
        .output()
        .expect("unshare; install it: apt-get install util-linux");
    let said = String::from_utf8_lossy(&inside.stdout) + String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success() && said.contains("1 passed"), "{said}");
}

const INSIDE: &str = "GINNEL_TEST_IN_NAMESPACE";
