//! Behind a real HAProxy, which speaks either version of the PROXY protocol, clients are seen where they are,
//! and who comes past it with a header of its own is not believed.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};

use interop::{
    APPLIANCE_USER, Appliance, LOOPBACK, PASSWORD, PATIENCE, free_address, free_port, fresh_folder,
    is_closed, limited, wait_for, write_private,
};
use stun_wire::{AttributeType, Class, Message, MessageWriter, Method, TransactionId, decode_xor_address};

#[test]
fn over_both_versions_and_on_every_listener() {
    let (appliance, proxy) = started();
    for front in [proxy.turn_v1, proxy.turn_v2] {
        let mut client = TcpStream::connect(front).unwrap();
        assert_eq!(mapped(&mut client), client.local_addr().unwrap(), "{}", appliance.log());
    }
    for (tls, front) in [(false, proxy.turn_v1), (true, proxy.turns), (true, proxy.web)] {
        let mut client = limited("turnutils_uclient");
        client.args(["-c", "-y", "-t", "-m", "2", "-n", "50", "-u", APPLIANCE_USER, "-w", PASSWORD]);
        client.args(if tls { &["-S"][..] } else { &[] });
        let output = client.args(["-p", &front.port().to_string(), "127.0.0.1"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(said.contains("Total lost packets 0 (0.000000%)"), "{said}\n{}", appliance.log());
    }
    let page = limited("curl")
        .args(["--silent", "--show-error", "--insecure", "--include", "--max-time", "60"])
        .arg(format!("https://localhost:{}/", proxy.web.port()))
        .output()
        .unwrap();
    assert!(page.stdout.starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&page.stderr));
}

#[test]
fn but_a_header_of_anybody_else_is_garbage() {
    let (appliance, _proxy) = started();
    // Loopback is one big network: this address of it is not the proxy's.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.66:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&appliance.turn.into()).unwrap();
    let mut stranger = TcpStream::from(socket);
    stranger.write_all(b"PROXY TCP4 203.0.113.5 192.0.2.1 40000 3478\r\n").unwrap();
    assert!(is_closed(&stranger));
    // And the proxy itself is not heard without one.
    let mut silent = TcpStream::connect(appliance.turn).unwrap();
    silent.write_all(&binding()).unwrap();
    assert!(is_closed(&silent));
}

/// A running HAProxy and where it listens; killed when dropped.
struct Proxy {
    process: Child,
    turn_v1: SocketAddr,
    turn_v2: SocketAddr,
    turns: SocketAddr,
    web: SocketAddr,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn started() -> (Appliance, Proxy) {
    let folder = fresh_folder();
    let turn = SocketAddr::new(LOOPBACK, free_port(&[LOOPBACK]));
    let web = SocketAddr::new(LOOPBACK, free_port(&[LOOPBACK]));
    let [turns, local, admin] = [(); 3].map(|()| free_address(LOOPBACK));
    write_private(&folder.join("password"), PASSWORD);
    let configuration = format!(
        "version = 1\n\
         [listen]\nturn = [\"{turn}\"]\nturns = [\"{turns}\"]\nweb = [\"{web}\"]\nlocal = [\"{local}\"]\n\
         admin = \"{admin}\"\ntrusted_proxies = [\"127.0.0.1\"]\n\
         [relay]\nports = \"61000-65535\"\nold_channels = true\n\
         user = [{{ name = \"{APPLIANCE_USER}\", password_file = \"password\", peers = \"appliance\" }}]\n"
    );
    let appliance = Appliance::start_in(folder.clone(), &configuration, [turn, turns, web, local, admin]);
    let proxy = proxy(&folder, &appliance);
    (appliance, proxy)
}

fn proxy(folder: &Path, appliance: &Appliance) -> Proxy {
    let [turn_v1, turn_v2, turns, web] = [(); 4].map(|()| free_address(LOOPBACK));
    let listen = |name, front, back, how| {
        // Its own checks come all the while. One that is late on a busy machine is not a server that is down.
        format!("listen {name}\n  bind {front}\n  server ginnel {back} {how} check inter 200ms fall 200\n")
    };
    let configuration = format!(
        "defaults\n  mode tcp\n  timeout connect 60s\n  timeout client 60s\n  timeout server 60s\n{}{}{}{}",
        listen("turn-1", turn_v1, appliance.turn, "send-proxy"),
        listen("turn-2", turn_v2, appliance.turn, "send-proxy-v2"),
        listen("turns", turns, appliance.turns, "send-proxy-v2 proxy-v2-options ssl,unique-id"),
        listen("web", web, appliance.web, "send-proxy-v2"),
    );
    let file = folder.join("haproxy.cfg");
    fs::write(&file, configuration).unwrap();
    let process = limited("haproxy")
        .args(["-db", "-f"])
        .arg(&file)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("HAProxy; install it: apt-get install haproxy");
    let proxy = Proxy { process, turn_v1, turn_v2, turns, web };
    for front in [turn_v1, turn_v2, turns, web] {
        wait_for("HAProxy", PATIENCE, || TcpStream::connect(front).is_ok());
    }
    proxy
}

/// Where TURN sees the client.
fn mapped(client: &mut TcpStream) -> SocketAddr {
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(&binding()).unwrap();
    let mut answer = [0; 32];
    client.read_exact(&mut answer).unwrap();
    let answer = Message::parse(&answer).unwrap();
    assert_eq!(answer.class(), Class::Success);
    let mapped = answer.find(AttributeType::XOR_MAPPED_ADDRESS).unwrap();
    decode_xor_address(mapped, answer.transaction_id()).unwrap()
}

fn binding() -> Vec<u8> {
    let mut out = Vec::new();
    MessageWriter::new(&mut out, Class::Request, Method::BINDING, TransactionId([9; 12]));
    out
}
