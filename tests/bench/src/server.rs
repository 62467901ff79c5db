//! The servers under measurement: each started fresh on its own core with a configuration written here, and
//! ended with the measurement.
//!
//! Their CPU time is the scheduler's own account of every thread, in nanoseconds.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use load::Process;
use rustls::pki_types::CertificateDer;

use crate::wire::Transport;

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

/// Where a server listens.
struct Ports {
    plain: u16,
    secured: u16,
}

/// A running server; it ends when this is dropped, or when the driver dies.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    /// Where clients want to see one.
    certificate: Option<CertificateDer<'static>>,
    folder: PathBuf,
}

impl Server {
    /// Starts one that is reached by this transport; the bare one is for the clients with these ports.
    ///
    /// # Errors
    /// What the operating system said.
    pub(crate) fn start(
        kind: Kind,
        transport: Transport,
        programs: &Programs,
        client_ports: &[u16],
    ) -> Result<Self, String> {
        Self::launch_on(transport, |command, folder, ports| {
            match kind {
                Kind::Bare => {
                    let own = std::env::current_exe().map_err(|e| format!("own program: {e}"))?;
                    command.arg(own).arg("forward").arg(ports.plain.to_string());
                    command.args(client_ports.iter().map(u16::to_string));
                }
                Kind::Coturn => {
                    let text = coturn_configuration(ports, transport, folder);
                    let file = write(folder, "coturn.conf", &text)?;
                    command.arg(&programs.turnserver).arg("-c").arg(file);
                }
                Kind::Ginnel | Kind::GinnelPublic => {
                    write(folder, "password", PASSWORD)?;
                    let peers = if kind == Kind::Ginnel { "appliance" } else { "public" };
                    let file = write(
                        folder,
                        "ginnel.toml",
                        &ginnel_configuration(ports, transport, folder, peers)?,
                    )?;
                    command.arg(&programs.ginnel).arg("serve").arg("--config").arg(file);
                }
            }
            Ok(())
        })
    }

    /// Starts the program that is added to a command: for a folder of its own and the port to listen on.
    ///
    /// # Errors
    /// What the operating system said.
    pub(crate) fn launch(
        program: impl FnOnce(&mut Command, &Path, u16) -> Result<(), String>,
    ) -> Result<Self, String> {
        Self::launch_on(Transport::Udp, |command, folder, ports| program(command, folder, ports.plain))
    }

    fn launch_on(
        transport: Transport,
        program: impl FnOnce(&mut Command, &Path, &Ports) -> Result<(), String>,
    ) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("ginnel-bench-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let ports = Ports { plain: free_port()?, secured: free_port()? };
        let port = if transport.is_secured() { ports.secured } else { ports.plain };
        let certificate = transport.is_secured().then(|| make_certificate(&folder)).transpose()?;
        let mut command = on_server_core();
        program(&mut command, &folder, &ports)?;
        let log = || open(&folder.join(LOG)).map(Stdio::from);
        command.stdin(Stdio::null()).stdout(log()?).stderr(log()?);
        let child = command.spawn().map_err(|e| format!("setpriv: {e}; install util-linux"))?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok(Self { child, address, certificate, folder })
    }

    /// Waits until it takes connections.
    ///
    /// # Errors
    /// It does not, for too long.
    pub(crate) fn wait_for_tcp(&self) -> Result<(), String> {
        let deadline = Instant::now() + START_MAX;
        while TcpStream::connect(self.address).is_err() {
            if Instant::now() > deadline {
                return Err(self.explain("it does not listen"));
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        Ok(())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it shows for itself to clients that come by TLS or DTLS.
    pub(crate) const fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.certificate.as_ref()
    }

    /// Its process.
    pub(crate) fn process(&self) -> Process {
        Process::of(self.child.id())
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
        self.process().resident_bytes()
    }

    /// Descriptors it holds open, which the server shows to root only.
    ///
    /// # Errors
    /// The server has ended, or we are not root.
    pub(crate) fn descriptors(&self) -> Result<usize, String> {
        let path = format!("/proc/{}/fd", self.child.id());
        Ok(fs::read_dir(&path).map_err(|e| format!("{path}: {e}"))?.count())
    }

    /// User and system time of all its threads so far.
    ///
    /// # Errors
    /// The server has ended, or the kernel keeps no account.
    pub(crate) fn cpu_time(&self) -> Result<Duration, String> {
        self.process().cpu_time()
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

/// The beginning of a command that runs on the servers' core and ends with the driver.
pub(crate) fn on_server_core() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "taskset", "--cpu-list", &server_core().to_string()]);
    command
}

fn server_core() -> usize {
    let online = fs::read_dir("/sys/devices/system/cpu").into_iter().flatten().flatten();
    let is_second = |entry: &fs::DirEntry| entry.file_name() == "cpu1";
    usize::from(online.into_iter().any(|entry| is_second(&entry)))
}

/// A port below those that the system gives out and those of relay sockets, never the same twice.
pub(crate) fn free_port() -> Result<u16, String> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let is_free = |port: &u16| UdpSocket::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let begin = std::process::id() as u16;
    let tried = (0..OWN_PORTS).map(|_| begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)));
    let port = tried.map(|n| OWN_PORT_MIN + n % OWN_PORTS).find(is_free);
    port.ok_or_else(|| format!("no port is free from {OWN_PORT_MIN} on"))
}

pub(crate) fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let path = folder.join(name);
    open(&path)?.write_all(text.as_bytes()).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path)
}

/// A file for appending that only we can read: servers refuse a password that everyone can.
fn open(path: &Path) -> Result<File, String> {
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    file.map_err(|e| format!("{}: {e}", path.display()))
}

/// A new pair of a P-256 key and a certificate, both also in the folder.
fn make_certificate(folder: &Path) -> Result<CertificateDer<'static>, String> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
    let made = made.map_err(|e| format!("certificate: {e}"))?;
    for (name, pem) in [("certificate.pem", made.cert.pem()), ("key.pem", made.signing_key.serialize_pem())] {
        // Files are for appending, and those of the last server's are another pair's.
        let _ = fs::remove_file(folder.join(name));
        write(folder, name, &pem)?;
    }
    Ok(made.cert.der().clone())
}

fn coturn_configuration(ports: &Ports, transport: Transport, folder: &Path) -> String {
    let folder = folder.display();
    let Ports { plain, secured } = ports;
    let others = [(Transport::Tcp, "no-tcp"), (Transport::Tls, "no-tls"), (Transport::Dtls, "no-dtls")];
    let secured_lines = match transport.is_secured() {
        true => format!("cert={folder}/certificate.pem\npkey={folder}/key.pem\n"),
        false => String::new(),
    };
    let off: String =
        others.iter().filter(|(it, _)| *it != transport).map(|(_, line)| format!("{line}\n")).collect();
    format!(
        "listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlistening-port={plain}\ntls-listening-port={secured}\n\
         relay-threads=1\nrealm=bench\nlt-cred-mech\nuser={USER}:{PASSWORD}\nallow-loopback-peers\n\
         {secured_lines}{off}no-cli\nno-tcp-relay\nno-rfc5780\nno-stun-backward-compatibility\n\
         pidfile={folder}/coturn.pid\nuserdb={folder}/coturn.db\nlog-file={folder}/coturn.log\n\
         simple-log\nno-stdout-log\n"
    )
}

fn ginnel_configuration(
    ports: &Ports,
    transport: Transport,
    folder: &Path,
    peers: &str,
) -> Result<String, String> {
    let (local, admin) = (free_port()?, free_port()?);
    let password = folder.join("password");
    let (Ports { plain, secured }, folder) = (ports, folder.display());
    let (turns, tls) = match transport.is_secured() {
        true => (
            format!("\"127.0.0.1:{secured}\""),
            format!(
                "[tls]\nmode = \"files\"\ncertificate = \"{folder}/certificate.pem\"\n\
                 key = \"{folder}/key.pem\"\n"
            ),
        ),
        false => Default::default(),
    };
    Ok(format!(
        "version = 1\n\
         [listen]\nturn = [\"127.0.0.1:{plain}\"]\nturns = [{turns}]\nweb = []\n\
         local = [\"127.0.0.1:{local}\"]\nadmin = \"127.0.0.1:{admin}\"\n\
         [server]\nworkers = 1\n\
         {tls}[relay]\npeers = \"appliance\"\n\
         [relay.limits]\nanswers_per_address_s = 0\nanswers_per_prefix_s = 0\nanswers_total_s = 0\n\
         allocations_per_prefix = 0\nallocations = 0\n\
         [[relay.user]]\nname = \"{USER}\"\npassword_file = \"{0}\"\npeers = \"{peers}\"\n\
         [[relay.user]]\nname = \"{CALLER}\"\npassword_file = \"{0}\"\npeers = \"appliance\"\n",
        password.display()
    ))
}

/// Where the servers listen.
const OWN_PORT_MIN: u16 = 10_000;
const OWN_PORTS: u16 = 10_000;

/// The user every TURN server knows.
pub(crate) const USER: &str = "bench";

/// Another one of ours, whose peers are always `appliance`.
pub(crate) const CALLER: &str = "caller";

/// And the password, which guards nothing: the servers live on loopback for seconds.
pub(crate) const PASSWORD: &str = "measured-on-loopback";

/// Where a server's own output goes, in its folder, and how much of its end an error repeats.
const LOG: &str = "output.log";
const LOG_LINES_MAX: usize = 5;

/// How long a server may take to listen.
const START_MAX: Duration = Duration::from_secs(20);
