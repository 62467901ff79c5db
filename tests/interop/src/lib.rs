//! The running binary for clients that we did not write: started on free ports, stopped when dropped.
//!
//! The clients themselves are in `tests/`. The binary is the one that `GINNEL_BIN` names, else the release
//! build of this tree; the step `tests/run interop` builds it first.

pub mod turn_client_proto;
pub mod turn_crate;

use std::fs;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Range;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A running `ginnel serve` with TURN on UDP of one loopback address.
pub struct Appliance {
    process: Child,
    folder: PathBuf,
    /// What starts the binary, and its arguments; empty: we do.
    launcher: Vec<String>,
    /// Where TURN answers, over UDP and TCP.
    pub turn: SocketAddr,
    /// Where TURN over TLS answers, and over DTLS.
    pub turns: SocketAddr,
    /// Where the page and the signaling answer, without TLS.
    pub local: SocketAddr,
    /// Where HTTPS and TURN over TLS answer, and QUIC over UDP.
    pub web: SocketAddr,
    /// Where `/metrics` answers.
    pub admin: SocketAddr,
}

impl Appliance {
    /// Starts one and waits until it is ready.
    ///
    /// # Panics
    /// Where it does not become ready in time; with what it said.
    pub fn start(ip: IpAddr) -> Self {
        Self::start_with(ip, "")
    }

    /// The same with more lines of `[relay]`.
    ///
    /// # Panics
    /// As [`Appliance::start`] does.
    pub fn start_with(ip: IpAddr, relay: &str) -> Self {
        Self::start_on(&[free_address(ip)], relay)
    }

    /// The same on these addresses; the first is [`Appliance::turn`].
    ///
    /// # Panics
    /// As [`Appliance::start`] does.
    pub fn start_on(listen: &[SocketAddr], relay: &str) -> Self {
        Self::start_for(listen, "secret_file = \"secrets\"", relay)
    }

    /// The same as [`Appliance::start_with`] for static users alone: it shares no secret.
    ///
    /// # Panics
    /// As [`Appliance::start`] does.
    pub fn of_static_users(ip: IpAddr, relay: &str) -> Self {
        Self::start_for(&[free_address(ip)], "", relay)
    }

    fn start_for(listen: &[SocketAddr], secrets: &str, relay: &str) -> Self {
        let folder = fresh_folder();
        let (turn, turns) = (listen[0], free_address(listen[0].ip()));
        let (local, admin) = (free_address(LOOPBACK), free_address(LOOPBACK));
        let web = free_address(LOOPBACK);
        let listen: Vec<String> = listen.iter().map(|address| format!("\"{address}\"")).collect();
        let listen = listen.join(", ");
        let password = folder.join("password");
        write_private(&password, PASSWORD);
        let password = password.display();
        write_private(&folder.join("secrets"), &format!("{OLD_SECRET}\n{SECRET}\n"));
        // Above the ports that the system gives out by itself.
        let configuration = format!(
            "version = 1\n\
             [listen]\nturn = [{listen}]\nturns = [\"{turns}\"]\nweb = [\"{web}\"]\n\
             local = [\"{local}\"]\nadmin = \"{admin}\"\n\
             [server]\nworkers = 2\ndrain_s = 60\n\
             [relay]\nports = \"61000-65535\"\nallow = [\"127.0.0.0/8\", \"::1/128\"]\nold_channels = true\n\
             {secrets}\n{relay}\n\
             user = [\n\
             {{ name = \"{PUBLIC_USER}\", password_file = \"{password}\", peers = \"public\" }},\n\
             {{ name = \"{APPLIANCE_USER}\", password_file = \"{password}\", peers = \"appliance\" }},\n\
             ]\n"
        );
        Self::start_in(folder, &configuration, [turn, turns, web, local, admin])
    }

    /// Starts one with a whole configuration in a folder that it takes over. The configuration names the
    /// addresses: of `turn`, `turns`, `web`, `local` and `admin`.
    ///
    /// # Panics
    /// As [`Appliance::start`] does.
    pub fn start_in(folder: PathBuf, configuration: &str, addresses: [SocketAddr; 5]) -> Self {
        Self::start_under(Vec::new(), folder, configuration, addresses)
    }

    /// The same by a launcher: a program and its arguments, to which ours are added.
    ///
    /// # Panics
    /// As [`Appliance::start`] does.
    pub fn start_under(
        launcher: Vec<String>,
        folder: PathBuf,
        configuration: &str,
        addresses: [SocketAddr; 5],
    ) -> Self {
        write_private(&folder.join("ginnel.toml"), configuration);
        let process = serve(&folder, &launcher);
        let [turn, turns, web, local, admin] = addresses;
        let mut appliance = Self { process, folder, launcher, turn, turns, web, local, admin };
        appliance.wait_until_ready();
        appliance
    }

    /// Stops it at once and starts it again as it was.
    ///
    /// # Panics
    /// As [`Appliance::start`] does.
    pub fn restart(&mut self) {
        self.process.kill().expect("a child of ours");
        self.process.wait().expect("a child of ours");
        self.process = serve(&self.folder, &self.launcher);
        self.wait_until_ready();
    }

    /// The value of a metric, summed over its labels.
    ///
    /// # Panics
    /// Where the admin listener does not answer.
    pub fn metric(&self, name: &str) -> f64 {
        let page = self.ask("/metrics").expect("the admin listener answers");
        let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        let value = |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok());
        page.lines().filter(of_name).filter_map(value).sum()
    }

    /// Waits until a metric has at least this value: counters are published a little later than counted.
    ///
    /// # Panics
    /// Where it has not in time.
    pub fn wait_for_metric(&self, name: &str, at_least: f64) {
        wait_for(name, PATIENCE, || self.metric(name) >= at_least);
    }

    /// What `ginnel credentials` prints for this appliance: a user name and a password.
    ///
    /// # Panics
    /// Where it prints anything else.
    pub fn minted(&self, user: &str) -> (String, String) {
        let output = Command::new(binary())
            .args(["credentials", "--user", user, "--ttl", "10m", "--config"])
            .arg(self.folder.join("ginnel.toml"))
            .output()
            .expect("the binary that runs already");
        let text = String::from_utf8(output.stdout).expect("a command that prints text");
        let line = |label: &str| text.lines().find_map(|line| line.strip_prefix(label)).map(str::trim);
        let (name, password) = line("user name").zip(line("password")).expect("a user name and a password");
        (name.to_owned(), password.to_owned())
    }

    /// Asks it to stop.
    ///
    /// # Panics
    /// Where it runs no more.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Replaces a file beside its configuration.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn write_private(&self, name: &str, text: &str) {
        write_private(&self.folder.join(name), text);
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// Where it runs no more.
    pub fn signal(&self, name: &str) {
        let told = Command::new("kill").args([&format!("-{name}"), &self.process.id().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()), "{}", self.log());
    }

    /// The code that it ends with.
    ///
    /// # Panics
    /// Where it has not ended within [`END_S_MAX`], or ends by a signal.
    pub fn ended(&mut self) -> i32 {
        let deadline = Instant::now() + Duration::from_secs(END_S_MAX);
        loop {
            if let Some(status) = self.process.try_wait().expect("a child of ours") {
                return status.code().expect("an end of its own");
            }
            assert!(Instant::now() < deadline, "it does not end\n{}", self.log());
            pause();
        }
    }

    /// Whether `/readyz` says so.
    pub fn is_ready(&self) -> bool {
        self.ask("/readyz").is_ok_and(|page| page.starts_with("HTTP/1.1 200"))
    }

    /// The time that cores have spent on it.
    ///
    /// # Panics
    /// Where the system does not say.
    pub fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("it runs");
        // proc(5): utime and stime are the 12th and 13th behind the name, in hundredths of a second.
        let behind = stat.rsplit(')').next().unwrap_or_default();
        let ticks = behind.split_whitespace().skip(11).take(2).filter_map(|it| it.parse::<u64>().ok());
        Duration::from_millis(10 * ticks.sum::<u64>())
    }

    /// What it has written so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn wait_until_ready(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_ready() {
            let ended: Option<ExitStatus> = self.process.try_wait().expect("a child of ours");
            assert!(ended.is_none() && Instant::now() < deadline, "not ready: {ended:?}\n{}", self.log());
            pause();
        }
    }

    fn ask(&self, path: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(self.admin)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut page = String::new();
        stream.read_to_string(&mut page)?;
        Ok(page)
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        // It may have ended by itself; the folder is in the temporary place anyway.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn serve(folder: &Path, launcher: &[String]) -> Child {
    let log = fs::File::create(folder.join("log")).expect("a log file in a folder of ours");
    let mut command = match launcher {
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments).arg(binary());
            command
        }
        [] => Command::new(binary()),
    };
    command
        .args(["serve", "--config"])
        .arg(folder.join("ginnel.toml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .expect("the binary; build it: cargo build --release -p ginnel")
}

/// A UDP socket on loopback that sends every datagram back, on a thread of its own, until the process ends.
///
/// # Panics
/// Where no socket is to be had.
pub fn echo(ip: IpAddr) -> SocketAddr {
    let socket = UdpSocket::bind(SocketAddr::new(ip, 0)).expect("a free port");
    let address = socket.local_addr().expect("a bound socket");
    std::thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            // A datagram that cannot be sent back is one that the test misses and tells about.
            let _ = socket.send_to(&buffer[..length], from);
        }
    });
    address
}

/// Waits for a condition.
///
/// # Panics
/// Where it does not hold in time.
pub fn wait_for(what: &str, time: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + time;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        pause();
    }
}

/// Between two looks at a condition: those who are to bring it about need the cores too.
fn pause() {
    std::thread::park_timeout(Duration::from_millis(5));
}

/// Whether somebody has closed a connection on us, in whatever way, without saying anything more.
///
/// # Panics
/// Where it is still open after [`PATIENCE`].
pub fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).expect("an open stream");
    match stream.read(&mut [0; 1]) {
        Ok(length) => length == 0,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("it is still open")
        }
        Err(_) => true,
    }
}

/// A command of another program, killed with the test and ended after some minutes.
pub fn limited(program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "300"]).arg(program.as_ref()).stdin(Stdio::null());
    command
}

/// Runs a pair of clients that relay to each other, over UDP and then over TCP: `command` is given host,
/// port, name, password and transport.
///
/// # Panics
/// Where not all of twenty messages come, from relay to relay, over that transport.
pub fn relays_over_udp_and_tcp(appliance: &Appliance, command: impl Fn() -> Command) {
    let (host, port) = (appliance.turn.ip().to_string(), appliance.turn.port().to_string());
    for transport in ["udp", "tcp"] {
        let arguments = [host.as_str(), &port, APPLIANCE_USER, PASSWORD, transport];
        let output = command().args(arguments).output().expect("a program that is there");
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        let is_whole = output.status.success() && said.contains("20 of 20, relay to relay");
        assert!(is_whole, "{transport}: {said}\n{}", appliance.log());
        let packets =
            format!("ginnel_relay_transport_packets_total{{direction=\"in\",transport=\"{transport}\"}}");
        appliance.wait_for_metric(&packets, 40.0);
    }
}

/// An address with a port of nobody's, over UDP and TCP.
///
/// # Panics
/// Where there is none.
pub fn free_address(ip: IpAddr) -> SocketAddr {
    SocketAddr::new(ip, free_port(&[ip]))
}

/// A port that nobody uses, over UDP or TCP, on any of these addresses, and that nobody comes by before it is
/// bound: the kernel gives none below 32,768 to sockets that want just any, and here each is given once.
///
/// # Panics
/// Where there is none.
pub fn free_port(ips: &[IpAddr]) -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let next = |_| {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        PORTS.start + (std::process::id().wrapping_mul(97).wrapping_add(given) % PORTS.len() as u32) as u16
    };
    let is_free = |at: SocketAddr| UdpSocket::bind(at).is_ok() && TcpListener::bind(at).is_ok();
    let free = |port: &u16| ips.iter().all(|ip| is_free(SocketAddr::new(*ip, *port)));
    PORTS.map(next).find(free).expect("a port free on all of them")
}

/// The interpreter with the libraries in it; `tests/run interop` makes it.
pub fn python() -> PathBuf {
    std::env::var_os("GINNEL_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/venv/bin/python3"),
        PathBuf::from,
    )
}

/// The binary under test.
pub fn binary() -> PathBuf {
    std::env::var_os("GINNEL_BIN").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/ginnel"),
        PathBuf::from,
    )
}

/// A folder of its own in the temporary place.
///
/// # Panics
/// Where none can be made.
pub fn fresh_folder() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("ginnel-interop-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder in the temporary place");
    folder
}

/// A file that nobody else can read; passwords in others are refused.
///
/// # Panics
/// Where it cannot be written.
pub fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("a file in a folder of ours");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("our own file");
}

/// The name of the static user whose peers are `public`, loopback included.
pub const PUBLIC_USER: &str = "interop-public";

/// The name of the static user whose peers are this appliance's relayed addresses.
pub const APPLIANCE_USER: &str = "interop-appliance";

/// A secret shared with other software.
pub const SECRET: &str = "another-known-to-every-test";

/// The one that it follows; both are good.
pub const OLD_SECRET: &str = "the-one-that-others-still-have";

/// The password of both. It guards nothing: the appliance lives on loopback, for seconds.
pub const PASSWORD: &str = "known-to-every-test";

/// How long anything may take that takes next to no time where there is somebody to do it. A machine may be
/// busy: who waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long an end may take at most: less than the draining of any appliance here, so that who drains to the
/// end is found out.
pub const END_S_MAX: u64 = 40;

/// This machine, over IPv4.
pub const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// For servers of the tests.
const PORTS: Range<u16> = 20_000..32_000;
