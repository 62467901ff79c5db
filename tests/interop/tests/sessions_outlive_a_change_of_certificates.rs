//! The certificate files are replaced while people talk: TURN over TLS by coturn's client, a WebSocket, a
//! QUIC and a WebTransport session by aioquic. None of them notices, and who comes
//! then sees the new certificate.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;

use interop::{
    APPLIANCE_USER, Appliance, LOOPBACK, PASSWORD, PATIENCE, free_address, fresh_folder, limited, python,
    wait_for, write_private,
};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

#[test]
fn by_tls_web_socket_and_quic() {
    let folder = fresh_folder();
    let (first, second) = (made(), made());
    write(&folder, &first);
    let appliance = serve(&folder);
    let web = appliance.web;
    let mut socket = connect(web, &first).expect("the first certificate");
    upgrade(&mut socket);
    let mut quic = meet(web);
    let mut turn = limited("turnutils_uclient")
        .args(["-c", "-y", "-t", "-S", "-m", "2", "-n", "600", "-z", "20", "-u", APPLIANCE_USER])
        .args(["-w", PASSWORD, "-p", &web.port().to_string(), "127.0.0.1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("turnutils_uclient; install it: apt-get install coturn");
    appliance.wait_for_metric("ginnel_relay_allocations", 2.0);

    write(&folder, &second);
    appliance.signal("HUP");
    wait_for("the new certificate", PATIENCE, || connect(web, &second).is_some());
    assert!(connect(web, &first).is_none(), "new handshakes have the new one alone");

    assert!(turn.try_wait().expect("a child of ours").is_none(), "it talks on");
    ping(&mut socket);
    quic.stdin.take().expect("a pipe").write_all(b"part\n").expect("a child that listens");
    let (met, said) = ended(quic);
    assert!(met && said.contains("they met"), "{said}\n{}", appliance.log());
    // Who is silent for long would be asked whether it is there, and closed.
    while turn.try_wait().expect("a child of ours").is_none() {
        ping(&mut socket);
        std::thread::park_timeout(Duration::from_millis(500));
    }
    let (_, said) = ended(turn);
    assert!(said.contains("Total lost packets 0 (0.000000%)"), "{said}\n{}", appliance.log());
    ping(&mut socket);
}

fn made() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).expect("a name")
}

fn write(folder: &Path, made: &CertifiedKey<KeyPair>) {
    write_private(&folder.join("cert.pem"), &made.cert.pem());
    write_private(&folder.join("key.pem"), &made.signing_key.serialize_pem());
}

fn serve(folder: &Path) -> Appliance {
    write_private(&folder.join("password"), PASSWORD);
    let [turn, web, local, admin] = [(); 4].map(|()| free_address(LOOPBACK));
    let configuration = format!(
        "[listen]\nturn = [\"{turn}\"]\nturns = []\nweb = [\"{web}\"]\nlocal = [\"{local}\"]\n\
         admin = \"{admin}\"\n\
         [tls]\nmode = \"files\"\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n\
         [relay]\nold_channels = true\n\
         user = [{{ name = \"{APPLIANCE_USER}\", password_file = \"password\", peers = \"appliance\" }}]\n"
    );
    Appliance::start_in(folder.to_owned(), &configuration, [turn, web, web, local, admin])
}

/// A handshake that trusts one certificate and no other.
fn connect(
    web: SocketAddr,
    trusted: &CertifiedKey<KeyPair>,
) -> Option<StreamOwned<ClientConnection, TcpStream>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut roots = RootCertStore::empty();
    roots.add(trusted.cert.der().clone()).expect("a certificate");
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TcpStream::connect(web).expect("somebody who listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("an open stream");
    let client = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut stream = StreamOwned::new(client, stream);
    stream.conn.complete_io(&mut stream.sock).is_ok().then_some(stream)
}

/// A WebSocket that has said who it is, and was welcomed.
fn upgrade(socket: &mut StreamOwned<ClientConnection, TcpStream>) {
    let request = "GET /signal HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
                   Sec-WebSocket-Protocol: ginnel.1\r\n\r\n";
    socket.write_all(request.as_bytes()).expect("an open stream");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    let hello = br#"{"t":"hello","v":1}"#;
    frame(socket, 0x81, hello);
    let mut welcome = [0; 2];
    socket.read_exact(&mut welcome).expect("a frame");
    assert_eq!(welcome[0], 0x81, "a text");
    let length = match welcome[1] {
        126 => {
            let mut length = [0; 2];
            socket.read_exact(&mut length).expect("its length");
            usize::from(u16::from_be_bytes(length))
        }
        length => usize::from(length),
    };
    let mut text = vec![0; length];
    socket.read_exact(&mut text).expect("the text");
    assert!(String::from_utf8_lossy(&text).contains("welcome"));
}

/// RFC 6455 §5.5.2: a Ping is answered by a Pong, that of the server too.
fn ping(socket: &mut StreamOwned<ClientConnection, TcpStream>) {
    frame(socket, 0x89, b"");
    loop {
        let mut head = [0; 2];
        socket.read_exact(&mut head).expect("a frame");
        match head {
            [0x8a, 0] => return,
            [0x89, length @ ..126] => {
                let mut payload = vec![0; usize::from(length)];
                socket.read_exact(&mut payload).expect("what is to be sent back");
                frame(socket, 0x8a, &payload);
            }
            other => panic!("{other:?} is neither"),
        }
    }
}

/// A client's frame, masked by zeros.
fn frame(socket: &mut StreamOwned<ClientConnection, TcpStream>, kind: u8, payload: &[u8]) {
    let head = [kind, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    socket.write_all(&[&head, payload].concat()).expect("an open stream");
}

/// Two people who have met over QUIC and WebTransport and stay until they are told to part.
fn meet(web: SocketAddr) -> Child {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/aioquic_meets.py");
    let mut met = limited(python())
        .arg(script)
        .args([&web.to_string(), "wait"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut line = String::new();
    let out = met.stdout.as_mut().expect("a pipe");
    // One line is there until they are told.
    BufReader::new(out).read_line(&mut line).expect("a line");
    assert_eq!(line, "matched\n");
    met
}

/// How it ended, and what it said.
fn ended(child: Child) -> (bool, String) {
    let output = child.wait_with_output().expect("a child of ours");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}
