//! coturn's `turnutils_uclient` allocates, binds channels or sends indications, and loses nothing.
//!
//! Its modes, as Debian's coturn 4.6.1 has them, and where they are here or beside:
//!
//! | mode | test |
//! | --- | --- |
//! | ChannelData, `-x` | `by_channel_data_over_ipv4`, `..._over_ipv6` |
//! | `-s` Send, `-x` | `by_send_and_data_indications_over_ipv4`, `..._over_ipv6` |
//! | `-y` | `from_client_to_client_with_public_and_with_appliance_credentials` |
//! | without `-c`: EVEN-PORT, RESERVATION-TOKEN | `with_pairs_of_ports_for_rtp_and_rtcp` |
//! | `-M` | `while_it_moves`; over TLS and DTLS it hangs, against coturn's own server too |
//! | `-g` | `with_dont_fragment` |
//! | `-X`, `-D`, `-G` | `with_an_explicit_family_padded_channels_and_requests_without_need` |
//! | `-I`, `-B` | `without_permissions_of_its_own_and_when_it_breaks_off` |
//! | `-W` | `with_credentials_that_it_mints_from_a_shared_secret`, and a file of its own for new secrets |
//! | `-t`, `-t -S`, `-S` | `over_tcp`, `over_tls`, `over_dtls_on_its_own_port_and_beside_quic` |
//! | all that over each of these | `in_every_mode_over_tcp_tls_and_dtls` |
//! | `-m` over DTLS | `many_at_once_over_dtls` |
//! | `-Z` | `with_both_families` |
//! | `-T`, `-P` | those of `tcp_` |
//! | `-P -S` | none: it begins TLS on a socket that it never connected; so against coturn's own server |
//! | `-U` | none: no suite without encryption is left in Debian's OpenSSL; `testssl.sh` looks for ours |
//! | `-a`, `-o`, `-J` | `with_attributes_that_are_nothing_here`: BANDWIDTH, ORIGIN; OAuth if offered |
//! | `-N`, `-O`, `-R` | `beside_hasty_and_broken_ones`; by chance they fail, lose or hang, with coturn too |
//! | `-b` | none: SCTP is not spoken |

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use interop::{
    APPLIANCE_USER, Appliance, OLD_SECRET, PASSWORD, PATIENCE, PUBLIC_USER, SECRET, free_address, limited,
    wait_for,
};

/// Messages of each of the two clients.
const MESSAGES: u32 = 20;

/// coturn's echo server, killed when dropped.
struct Peer(Child, SocketAddr);

impl Peer {
    fn start(ip: IpAddr) -> Self {
        let address = free_address(ip);
        let (ip, port) = (ip.to_string(), address.port().to_string());
        let child = Command::new("turnutils_peer")
            .args(["-L", &ip, "-p", &port])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("turnutils_peer; install it: apt-get install coturn");
        let peer = Self(child, address);
        peer.wait_until_it_answers();
        peer
    }

    /// What is sent before it listens is lost, as a client of the relay would count.
    fn wait_until_it_answers(&self) {
        let socket = UdpSocket::bind(SocketAddr::new(self.1.ip(), 0)).expect("a free port");
        socket.connect(self.1).expect("an address");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        // Until it listens, sending or receiving fails: the port is closed.
        let is_answered = || socket.send(b"?").is_ok() && socket.recv(&mut [0; 1]).is_ok();
        wait_for("coturn's echo server", PATIENCE, is_answered);
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the client and returns what it printed, or says what went wrong.
fn uclient(appliance: &Appliance, user: &str, arguments: &[&str]) -> String {
    uclient_as(appliance, &["-u", user, "-w", PASSWORD], arguments)
}

/// The same for somebody who has other credentials; a client has one allocation.
fn uclient_as(appliance: &Appliance, credentials: &[&str], arguments: &[&str]) -> String {
    uclient_with(appliance, &[&["-c"], credentials].concat(), arguments)
}

/// The client with all its options. Without `-c` some of its allocations, as it pleases, have a second one on
/// the port after them, and those carry messages too.
fn uclient_with(appliance: &Appliance, credentials: &[&str], arguments: &[&str]) -> String {
    let (ip, port) = (appliance.turn.ip().to_string(), appliance.turn.port().to_string());
    let output = limited("turnutils_uclient")
        .args(["-m", "2", "-n", &MESSAGES.to_string(), "-p", &port])
        .args(credentials)
        .args(arguments)
        .arg(ip)
        .output()
        .expect("turnutils_uclient; install it: apt-get install coturn");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{}", appliance.log());
    // Its last account, not one of those it gives every second.
    let (_, account) = said.rsplit_once("start_mclient: tot_send_msgs=").expect("an account");
    let (sent, rest) = account.split_once(", tot_recv_msgs=").expect("what was sent");
    let received = rest.lines().next().expect("what was received");
    let enough = sent.parse::<u32>().is_ok_and(|sent| sent >= 2 * MESSAGES);
    assert!(enough && sent == received, "{said}\n{}", appliance.log());
    assert!(said.contains("Total lost packets 0 (0.000000%)"), "{said}");
    said.into_owned()
}

fn relays_to_an_echo_server(ip: &str, mode: &[&str]) {
    let ip: IpAddr = ip.parse().expect("an address");
    let appliance = Appliance::start(ip);
    let peer = Peer::start(ip);
    let (peer_ip, peer_port) = (ip.to_string(), peer.1.port().to_string());
    let arguments = [&["-e", &peer_ip, "-r", &peer_port], mode].concat();
    uclient(&appliance, PUBLIC_USER, &arguments);
    appliance.wait_for_metric("ginnel_relay_bytes_total", 1.0);
}

#[test]
fn by_channel_data_over_ipv4() {
    relays_to_an_echo_server("127.0.0.1", &[]);
}

#[test]
fn by_send_and_data_indications_over_ipv4() {
    relays_to_an_echo_server("127.0.0.1", &["-s"]);
}

#[test]
fn by_channel_data_over_ipv6() {
    relays_to_an_echo_server("::1", &["-x"]);
}

#[test]
fn by_send_and_data_indications_over_ipv6() {
    relays_to_an_echo_server("::1", &["-x", "-s"]);
}

#[test]
fn over_tcp() {
    for mode in [&["-t"][..], &["-t", "-s"]] {
        relays_to_an_echo_server("127.0.0.1", mode);
    }
    relays_to_an_echo_server("::1", &["-x", "-t"]);
}

#[test]
fn over_tls() {
    let ip = "127.0.0.1".parse().unwrap();
    let appliance = Appliance::start(ip);
    let peer = Peer::start(ip);
    let (turns, peer) = (appliance.turns.port().to_string(), peer.1.port().to_string());
    for mode in [&[][..], &["-s"]] {
        let arguments = [&["-t", "-S", "-p", &turns, "-e", "127.0.0.1", "-r", &peer], mode].concat();
        uclient(&appliance, PUBLIC_USER, &arguments);
    }
    uclient(&appliance, APPLIANCE_USER, &["-t", "-S", "-p", &turns, "-y"]);
}

#[test]
fn over_dtls_on_its_own_port_and_beside_quic() {
    for (ip, mode) in [("127.0.0.1", &[][..]), ("127.0.0.1", &["-s"]), ("::1", &["-x"])] {
        let ip = ip.parse().unwrap();
        let appliance = Appliance::start(ip);
        let peer = Peer::start(ip);
        let (turns, peer_port) = (appliance.turns.port().to_string(), peer.1.port().to_string());
        let to_peer = ["-S", "-p", &turns, "-e", &ip.to_string(), "-r", &peer_port];
        uclient(&appliance, PUBLIC_USER, &[&to_peer, mode].concat());
        appliance.wait_for_metric("ginnel_relay_dtls_clients_total{outcome=\"accepted\"}", 2.0);
        if ip.is_ipv4() {
            let web = appliance.web.port().to_string();
            uclient(&appliance, APPLIANCE_USER, &["-S", "-p", &web, "-y"]);
        }
    }
}

#[test]
fn from_client_to_client_with_public_and_with_appliance_credentials() {
    let appliance = Appliance::start("127.0.0.1".parse().unwrap());
    for user in [PUBLIC_USER, APPLIANCE_USER] {
        uclient(&appliance, user, &["-y"]);
        uclient(&appliance, user, &["-y", "-s"]);
    }
}

#[test]
fn with_pairs_of_ports_for_rtp_and_rtcp() {
    let appliance = Appliance::start("127.0.0.1".parse().unwrap());
    let peer = Peer::start("127.0.0.1".parse().unwrap());
    let peer_port = peer.1.port().to_string();
    let public = ["-u", PUBLIC_USER, "-w", PASSWORD];
    // The two 5-tuples of a pair meet the same worker only by chance.
    for _ in 0..4 {
        uclient_with(&appliance, &public, &["-e", "127.0.0.1", "-r", &peer_port]);
    }
    uclient_with(&appliance, &["-u", APPLIANCE_USER, "-w", PASSWORD], &["-y"]);
}

#[test]
fn while_it_moves() {
    let appliance = Appliance::start("127.0.0.1".parse().unwrap());
    let peer = Peer::start("127.0.0.1".parse().unwrap());
    let peer_port = peer.1.port().to_string();
    // Its new 5-tuple meets the old one's worker only by chance.
    for mode in [&[][..], &["-s"]] {
        let arguments = [&["-M", "-e", "127.0.0.1", "-r", &peer_port], mode].concat();
        uclient(&appliance, PUBLIC_USER, &arguments);
        uclient(&appliance, APPLIANCE_USER, &[&["-M", "-y"], mode].concat());
    }
}

#[test]
fn in_every_mode_over_tcp_tls_and_dtls() {
    let ip = "127.0.0.1".parse().unwrap();
    let appliance = Appliance::start(ip);
    let peer = Peer::start(ip);
    let (turns, peer_port) = (appliance.turns.port().to_string(), peer.1.port().to_string());
    let to_peer = ["-e", "127.0.0.1", "-r", &peer_port];
    let in_every_mode = |transport: &[&str]| {
        for mode in [&["-g", "-s"][..], &["-Z"], &["-X", "-D", "-G"], &["-G", "-s"]] {
            uclient(&appliance, PUBLIC_USER, &[transport, &to_peer, mode].concat());
        }
        for mode in [&["-y"][..], &["-y", "-s"]] {
            uclient(&appliance, APPLIANCE_USER, &[transport, mode].concat());
        }
        let public = ["-u", PUBLIC_USER, "-w", PASSWORD];
        uclient_with(&appliance, &public, &[transport, &to_peer].concat());
    };
    // It takes its time; so all at once.
    let (tcp, tls, dtls) = (["-t"], ["-t", "-S", "-p", &turns], ["-S", "-p", &turns]);
    std::thread::scope(|scope| {
        scope.spawn(|| in_every_mode(&tcp));
        scope.spawn(|| in_every_mode(&tls));
        scope.spawn(|| in_every_mode(&dtls));
    });
}

#[test]
fn many_at_once_over_dtls() {
    let appliance = Appliance::start("127.0.0.1".parse().unwrap());
    let turns = appliance.turns.port().to_string();
    uclient(&appliance, APPLIANCE_USER, &["-S", "-p", &turns, "-m", "40", "-y"]);
    appliance.wait_for_metric("ginnel_relay_dtls_clients_total{outcome=\"accepted\"}", 40.0);
    assert!(appliance.metric("ginnel_relay_dtls_clients_total{outcome=\"failed\"}") == 0.0);
}

#[test]
fn without_permissions_of_its_own_and_when_it_breaks_off() {
    let appliance = Appliance::start("127.0.0.1".parse().unwrap());
    for mode in ["-I", "-B"] {
        uclient(&appliance, APPLIANCE_USER, &["-y", mode]);
    }
}

#[test]
fn tcp_from_client_to_client() {
    let appliance = Appliance::start_with("127.0.0.1".parse().unwrap(), "tcp_allocations = true");
    let turns = appliance.turns.port().to_string();
    uclient(&appliance, PUBLIC_USER, &["-T"]);
    uclient(&appliance, PUBLIC_USER, &["-T", "-S", "-p", &turns]);
    appliance.wait_for_metric("ginnel_relay_tcp_bytes_total", f64::from(4 * MESSAGES));
}

#[test]
fn tcp_from_a_peer_that_connects() {
    let appliance = Appliance::start_with("127.0.0.1".parse().unwrap(), "tcp_allocations = true");
    let said = limited("turnutils_uclient")
        .args(["-P", "-m", "2", "-n", &MESSAGES.to_string(), "-u", PUBLIC_USER, "-w", PASSWORD])
        .args(["-p", &appliance.turn.port().to_string(), "127.0.0.1"])
        .output()
        .expect("turnutils_uclient; install it: apt-get install coturn");
    let said = String::from_utf8_lossy(&said.stdout) + String::from_utf8_lossy(&said.stderr);
    // The peer is the client itself without an allocation. It counts what it sends there, not what it gets.
    let account = format!("tot_send_msgs={}, tot_recv_msgs={MESSAGES}", 2 * MESSAGES);
    assert!(said.contains(&account), "{said}\n{}", appliance.log());
}

#[test]
fn with_both_families() {
    for mode in [&["-Z"][..], &["-Z", "-s"], &["-Z", "-t"]] {
        relays_to_an_echo_server("127.0.0.1", mode);
    }
}

#[test]
fn with_dont_fragment() {
    relays_to_an_echo_server("127.0.0.1", &["-g", "-s"]);
    relays_to_an_echo_server("::1", &["-x", "-g", "-s"]);
}

#[test]
fn with_an_explicit_family_padded_channels_and_requests_without_need() {
    for mode in [&["-X"][..], &["-D"], &["-G"], &["-G", "-s"], &["-X", "-D", "-G"]] {
        relays_to_an_echo_server("127.0.0.1", mode);
    }
    relays_to_an_echo_server("::1", &["-x", "-D", "-G"]);
}

#[test]
fn with_attributes_that_are_nothing_here() {
    for mode in [&["-a", "64000"][..], &["-o", "example.org"], &["-J"]] {
        relays_to_an_echo_server("127.0.0.1", mode);
    }
}

#[test]
fn beside_hasty_and_broken_ones() {
    let appliance = Appliance::start("127.0.0.1".parse().unwrap());
    std::thread::scope(|scope| {
        for mode in [&["-O", "-m", "50"][..], &["-N"], &["-R"], &["-R", "-s"], &["-R", "-t"]] {
            let appliance = &appliance;
            scope.spawn(move || end(appliance, &[mode, &["-y"]].concat()));
        }
        uclient(&appliance, APPLIANCE_USER, &["-y"]);
        uclient(&appliance, APPLIANCE_USER, &["-y", "-t"]);
    });
}

/// A client whose account is not expected to come out even, or to come at all.
fn end(appliance: &Appliance, arguments: &[&str]) {
    Command::new("timeout")
        .args(["--kill-after=5", "10", "turnutils_uclient", "-c", "-u", PUBLIC_USER, "-w", PASSWORD])
        .args(arguments)
        .args(["-p", &appliance.turn.port().to_string(), &appliance.turn.ip().to_string()])
        .stdin(Stdio::null())
        .output()
        .expect("turnutils_uclient; install it: apt-get install coturn");
}

#[test]
fn with_credentials_that_it_mints_from_a_shared_secret() {
    let ip = "127.0.0.1".parse().unwrap();
    let appliance = Appliance::start(ip);
    let peer = Peer::start(ip);
    let to_peer = ["-e", "127.0.0.1", "-r", &peer.1.port().to_string()];
    for secret in [SECRET, OLD_SECRET] {
        for name in ["alice", "@alice:example.org"] {
            uclient_as(&appliance, &["-u", name, "-W", secret], &to_peer);
        }
    }
    let output = limited("turnutils_uclient")
        .args(["-c", "-y", "-n", "1", "-u", "alice", "-W", "neither-of-the-two-secrets"])
        .args(["-p", &appliance.turn.port().to_string(), "127.0.0.1"])
        .output()
        .expect("turnutils_uclient; install it: apt-get install coturn");
    assert!(!output.status.success());
}

#[test]
fn with_credentials_that_ginnel_mints() {
    let appliance = Appliance::start("127.0.0.1".parse().unwrap());
    let (name, password) = appliance.minted("@alice:example.org");
    uclient_as(&appliance, &["-u", &name, "-w", &password], &["-y"]);
}

#[test]
fn without_knowing_of_sha256_where_that_is_offered() {
    let ip = "127.0.0.1".parse().unwrap();
    let appliance = Appliance::start_with(ip, "password_algorithms = [\"md5\", \"sha256\"]");
    uclient(&appliance, PUBLIC_USER, &["-y"]);
}

#[test]
fn a_wrong_password_is_refused() {
    let appliance = Appliance::start("127.0.0.1".parse().unwrap());
    let output = limited("turnutils_uclient")
        .args(["-c", "-y", "-n", "1", "-u", PUBLIC_USER, "-w", "not-the-password"])
        .args(["-p", &appliance.turn.port().to_string(), "127.0.0.1"])
        .output()
        .expect("turnutils_uclient; install it: apt-get install coturn");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("Cannot complete Allocation"), "{said}");
    assert!(appliance.metric("ginnel_relay_allocations") == 0.0);
}
