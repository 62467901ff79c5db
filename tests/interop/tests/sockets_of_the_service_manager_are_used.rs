//! Sockets that are open before the process starts: clients over UDP, TCP and TLS are relayed by them, and
//! while one process makes room for the next nobody is refused.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use interop::{
    APPLIANCE_USER, Appliance, LOOPBACK, PASSWORD, PATIENCE, binary, free_address, free_port, fresh_folder,
    limited, python, wait_for, write_private,
};
use stun_wire::{Class, Message, MessageWriter, Method, TransactionId};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn for_clients_over_udp_tcp_tls_and_quic() {
    let appliance = started();
    for (transport, port) in [
        (&[][..], appliance.turn.port()),
        (&["-t"], appliance.turn.port()),
        (&["-t", "-S"], appliance.turns.port()),
        (&["-t", "-S"], appliance.web.port()),
    ] {
        // Several clients, which both workers have.
        let output = limited("turnutils_uclient")
            .args(["-c", "-y", "-m", "6", "-n", "30", "-u", APPLIANCE_USER, "-w", PASSWORD])
            .args(transport)
            .args(["-p", &port.to_string(), "127.0.0.1"])
            .output()
            .expect("turnutils_uclient; install it: apt-get install coturn");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("Total lost packets 0 (0.000000%)"), "{said}\n{}", appliance.log());
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let met = limited(python())
        .arg(here.join("python/aioquic_meets.py"))
        .arg(appliance.web.to_string())
        .output()
        .expect("python3");
    assert!(met.status.success(), "{}\n{}", String::from_utf8_lossy(&met.stderr), appliance.log());
    assert!(page(appliance.local).starts_with("HTTP/1.1 200"), "{}", appliance.log());
}

#[test]
fn and_a_restart_refuses_nobody() {
    let appliance = started();
    let child = |number: usize| -> Option<String> {
        appliance
            .log()
            .lines()
            .filter_map(|line| line.strip_prefix("started "))
            .nth(number)
            .map(str::to_owned)
    };
    // It stays for a while: it sends a packet every 20 ms.
    let mut call = limited("turnutils_uclient")
        .args(["-c", "-y", "-t", "-m", "2", "-n", "400", "-u", APPLIANCE_USER, "-w", PASSWORD])
        .args(["-p", &appliance.turn.port().to_string(), "127.0.0.1"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    appliance.wait_for_metric("ginnel_relay_allocations", 2.0);
    // The launcher says so on its own account.
    wait_for("word of the launcher", PATIENCE, || child(0).is_some());
    let first = child(0).unwrap();
    assert!(listens(&first, appliance.local));
    assert!(Command::new("kill").args(["-TERM", &first]).status().unwrap().success());
    // Then the one that drains takes no new visitors, and the socket is there all the same.
    wait_for("its listeners to be closed", PATIENCE, || !listens(&first, appliance.local));
    let mut visitor = TcpStream::connect(appliance.local).unwrap();
    visitor.write_all(REQUEST).unwrap();
    let mut said = String::new();
    call.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(call.wait().unwrap().success() && said.contains("Total lost packets 0 (0.000000%)"), "{said}");
    assert!(answer(&mut visitor).starts_with("HTTP/1.1 200"), "{}", appliance.log());
    assert!(child(1).is_some(), "{}", appliance.log());
}

#[test]
fn of_the_launcher_that_systemd_has_for_tests() {
    for transport in ["tcp", "udp"] {
        let port = free_port(&[LOOPBACK]);
        let folder = fresh_folder();
        let admin = free_address(LOOPBACK);
        let file = folder.join("ginnel.toml");
        let configuration = format!(
            "[listen]\nturns = []\nweb = []\nlocal = []\nadmin = \"{admin}\"\n\
             [relay]\nports = \"61000-65535\"\n"
        );
        write_private(&file, &configuration);
        let mut launcher = Command::new("systemd-socket-activate");
        launcher.args(if transport == "udp" { &["--datagram"][..] } else { &[] });
        let launched = launcher
            .args(["--fdname=turn", "--listen", &format!("127.0.0.1:{port}")])
            .arg(binary())
            .args(["serve", "--config"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn();
        let _launched =
            Launched(launched.expect("systemd-socket-activate; install it: apt-get install systemd"));
        let log = || fs::read_to_string(folder.join("log")).unwrap();
        wait_for("the launcher", PATIENCE, || log().contains("Listening on"));
        // It starts the program for the first who comes, whom the program then serves.
        let answer = if transport == "udp" { over_udp(port) } else { over_tcp(port) };
        assert_eq!(Message::parse(&answer).unwrap().class(), Class::Success, "{}", log());
    }
}

/// Whether a process has the socket that listens there, as others may have too (proc_pid_net(5)).
fn listens(process: &str, at: SocketAddr) -> bool {
    let SocketAddr::V4(at) = at else { panic!("all of this is on IPv4") };
    let at = format!("{:08X}:{:04X}", u32::from_ne_bytes(at.ip().octets()), at.port());
    let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let listener = sockets.lines().map(fields).find(|of| of[1] == at && of[3] == "0A");
    let name = format!("socket:[{}]", listener.expect("the launcher keeps it open")[9]);
    // One that has ended has nothing.
    let Ok(open) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    open.filter_map(|it| fs::read_link(it.ok()?.path()).ok()).any(|it| it.as_os_str() == name.as_str())
}

/// Killed when dropped.
struct Launched(Child);

impl Drop for Launched {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One whose sockets were all open before, but for the admin listener's.
fn started() -> Appliance {
    let folder = fresh_folder();
    let both = || SocketAddr::new(LOOPBACK, free_port(&[LOOPBACK]));
    let (turn, web) = (both(), both());
    let [turns, local, admin] = [(); 3].map(|()| free_address(LOOPBACK));
    write_private(&folder.join("password"), PASSWORD);
    // No address of a socket stands here.
    let configuration = format!(
        "[listen]\nadmin = \"{admin}\"\n\
         [server]\nworkers = 2\ndrain_s = 30\n\
         [relay]\nports = \"61000-65535\"\nold_channels = true\n\
         user = [{{ name = \"{APPLIANCE_USER}\", password_file = \"password\", peers = \"appliance\" }}]\n"
    );
    let sockets = [
        format!("turn=udp:{}", turn.port()),
        format!("turn=tcp:{}", turn.port()),
        format!("turns=tcp:{}", turns.port()),
        format!("web=tcp:{}", web.port()),
        format!("web=udp:{}", web.port()),
        format!("local=tcp:{}", local.port()),
    ];
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let launcher = ["python3".to_owned(), here.join("python/activate.py").display().to_string()];
    let launcher = launcher.into_iter().chain(sockets).chain(["--".to_owned()]).collect();
    Appliance::start_under(launcher, folder, &configuration, [turn, turns, web, local, admin])
}

fn page(local: SocketAddr) -> String {
    let mut stream = TcpStream::connect(local).unwrap();
    stream.write_all(REQUEST).unwrap();
    answer(&mut stream)
}

fn answer(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn over_tcp(port: u16) -> Vec<u8> {
    let mut stream = TcpStream::connect((LOOPBACK, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&binding()).unwrap();
    let mut answer = vec![0; 32];
    stream.read_exact(&mut answer).unwrap();
    answer
}

fn over_udp(port: u16) -> Vec<u8> {
    let socket = UdpSocket::bind((LOOPBACK, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect((LOOPBACK, port)).unwrap();
    socket.send(&binding()).unwrap();
    let mut answer = vec![0; 100];
    let length = socket.recv(&mut answer).unwrap();
    answer.truncate(length);
    answer
}

fn binding() -> Vec<u8> {
    let mut out = Vec::new();
    MessageWriter::new(&mut out, Class::Request, Method::BINDING, TransactionId([9; 12]));
    out
}
