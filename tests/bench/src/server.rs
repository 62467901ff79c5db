//! The servers under measurement: each started fresh on its own core with a configuration written here, and
//! ended with the measurement.
//!
//! Their CPU time is the scheduler's own account of every thread, in nanoseconds.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use clap::ValueEnum;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// One receive, one send.
    Bare,
    /// Debian's TURN server.
    Coturn,
    /// This project, its user's peers `appliance`.
    Ginnel,
    /// This project, its user's peers `public`: a relay socket for each allocation.
    GinnelPublic,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Coturn => "coturn",
            Self::Ginnel => "ginnel",
            Self::GinnelPublic => "ginnel-public",
        }
    }
}

/// Where the measured programs are.
pub(crate) struct Programs {
    pub(crate) ginnel: PathBuf,
    pub(crate) turnserver: PathBuf,
}

impl Programs {
    /// Says what is missing before the first round, not in the middle of it.
    pub(crate) fn check(&self, kinds: &[Kind]) -> Result<(), String> {
        let ginnel = "build it: cargo build --release -p ginnel; or give --ginnel";
        let coturn = "install it: apt-get install coturn; or give --turnserver";
        for (kind, program, remedy) in [
            (Kind::Ginnel, &self.ginnel, ginnel),
            (Kind::GinnelPublic, &self.ginnel, ginnel),
            (Kind::Coturn, &self.turnserver, coturn),
        ] {
            let runs =
                || Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).spawn();
            if kinds.contains(&kind) {
                let mut child = runs().map_err(|e| format!("{}: {e}; {remedy}", program.display()))?;
                child.wait().map_err(|e| format!("{}: {e}", program.display()))?;
            }
        }
        Ok(())
    }
}

/// A running server; it ends when this is dropped, or when the driver dies.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    folder: PathBuf,
}

impl Server {
    /// Starts one for the clients with these ports.
    ///
    /// # Errors
    /// What the operating system said.
    pub(crate) fn start(kind: Kind, programs: &Programs, client_ports: &[u16]) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("ginnel-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let port = free_port()?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "taskset", "--cpu-list", &server_core().to_string()]);
        match kind {
            Kind::Bare => {
                let own = std::env::current_exe().map_err(|e| format!("own program: {e}"))?;
                command.arg(own).arg("forward").arg(port.to_string());
                command.args(client_ports.iter().map(u16::to_string));
            }
            Kind::Coturn => {
                let file = write(&folder, "coturn.conf", &coturn_configuration(port, &folder))?;
                command.arg(&programs.turnserver).arg("-c").arg(file);
            }
            Kind::Ginnel | Kind::GinnelPublic => {
                write(&folder, "password", PASSWORD)?;
                let peers = if kind == Kind::Ginnel { "appliance" } else { "public" };
                let file = write(&folder, "ginnel.toml", &ginnel_configuration(port, &folder, peers)?)?;
                command.arg(&programs.ginnel).arg("serve").arg("--config").arg(file);
            }
        }
        let log = || open(&folder.join(LOG)).map(Stdio::from);
        command.stdin(Stdio::null()).stdout(log()?).stderr(log()?);
        let child = command.spawn().map_err(|e| format!("setpriv: {e}; install util-linux"))?;
        Ok(Self { child, address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), folder })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The complaint with what the server itself said, if it said anything.
    pub(crate) fn explain(&self, complaint: &str) -> String {
        let said = fs::read_to_string(self.folder.join(LOG)).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        let last = lines[lines.len().saturating_sub(LOG_LINES_MAX)..].join("\n    ");
        if last.is_empty() { complaint.to_owned() } else { format!("{complaint}; it said:\n    {last}") }
    }

    /// Memory that is its own and resident, in bytes.
    ///
    /// # Errors
    /// The server has ended.
    pub(crate) fn resident_bytes(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.child.id());
        let text = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib =
            line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| format!("{path}: no RssAnon"))
    }

    /// Descriptors it holds open.
    ///
    /// # Errors
    /// The server has ended.
    pub(crate) fn descriptors(&self) -> Result<usize, String> {
        let path = format!("/proc/{}/fd", self.child.id());
        Ok(fs::read_dir(&path).map_err(|e| format!("{path}: {e}"))?.count())
    }

    /// User and system time of all its threads so far.
    ///
    /// # Errors
    /// The server has ended, or the kernel keeps no account.
    pub(crate) fn cpu_time(&self) -> Result<Duration, String> {
        let tasks = format!("/proc/{}/task", self.child.id());
        let mut total = 0;
        for task in fs::read_dir(&tasks).map_err(|e| format!("{tasks}: {e}"))? {
            let path = task.map_err(|e| format!("{tasks}: {e}"))?.path().join("schedstat");
            let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
            let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
            total += nanoseconds.ok_or_else(|| format!("{}: no number", path.display()))?;
        }
        Ok(Duration::from_nanos(total))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and the folder is in the temporary place anyway.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Binds the driver to the core the servers are not on.
///
/// # Errors
/// `taskset` is missing or was refused.
pub(crate) fn pin_driver() -> Result<(), String> {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "--pid", "0", &std::process::id().to_string()]).stdout(Stdio::null());
    let status = command.status().map_err(|e| format!("taskset: {e}; install util-linux"))?;
    if status.success() { Ok(()) } else { Err("taskset could not bind the driver to core 0".to_owned()) }
}

fn server_core() -> usize {
    let online = fs::read_dir("/sys/devices/system/cpu").into_iter().flatten().flatten();
    let is_second = |entry: &fs::DirEntry| entry.file_name() == "cpu1";
    usize::from(online.into_iter().any(|entry| is_second(&entry)))
}

/// A port below those that the system gives out and those of relay sockets, never the same twice.
fn free_port() -> Result<u16, String> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let is_free = |port: &u16| UdpSocket::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let begin = std::process::id() as u16;
    let tried = (0..OWN_PORTS).map(|_| begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)));
    let port = tried.map(|n| OWN_PORT_MIN + n % OWN_PORTS).find(is_free);
    port.ok_or_else(|| format!("no port is free from {OWN_PORT_MIN} on"))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let path = folder.join(name);
    open(&path)?.write_all(text.as_bytes()).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path)
}

/// A file for appending that only we can read: servers refuse a password that everyone can.
fn open(path: &Path) -> Result<File, String> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    file.map_err(|e| format!("{}: {e}", path.display()))
}

fn coturn_configuration(port: u16, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlistening-port={port}\nrelay-threads=1\n\
         realm=bench\nlt-cred-mech\nuser={USER}:{PASSWORD}\nallow-loopback-peers\n\
         no-cli\nno-tcp\nno-tls\nno-dtls\nno-tcp-relay\nno-rfc5780\nno-stun-backward-compatibility\n\
         pidfile={folder}/coturn.pid\nuserdb={folder}/coturn.db\nlog-file={folder}/coturn.log\n\
         simple-log\nno-stdout-log\n"
    )
}

fn ginnel_configuration(port: u16, folder: &Path, peers: &str) -> Result<String, String> {
    let (local, admin) = (free_port()?, free_port()?);
    let password = folder.join("password");
    Ok(format!(
        "version = 1\n\
         [listen]\nturn = [\"127.0.0.1:{port}\"]\nturns = []\nweb = []\n\
         local = [\"127.0.0.1:{local}\"]\nadmin = \"127.0.0.1:{admin}\"\n\
         [server]\nworkers = 1\n\
         [relay]\npeers = \"appliance\"\n\
         [relay.limits]\nanswers_per_address_s = 0\nanswers_per_prefix_s = 0\n\
         allocations_per_prefix = 0\nallocations = 0\n\
         [[relay.user]]\nname = \"{USER}\"\npassword_file = \"{}\"\npeers = \"{peers}\"\n",
        password.display()
    ))
}

/// Where the servers listen.
const OWN_PORT_MIN: u16 = 10_000;
const OWN_PORTS: u16 = 10_000;

/// The one user every TURN server knows.
pub(crate) const USER: &str = "bench";

/// And the password, which guards nothing: the servers live on loopback for seconds.
pub(crate) const PASSWORD: &str = "measured-on-loopback";

/// Where a server's own output goes, in its folder, and how much of its end an error repeats.
const LOG: &str = "output.log";
const LOG_LINES_MAX: usize = 5;
