//! Everything on one port: while it drains, who lost the connection of a call still gets in by TURN over TLS,
//! and who comes with HTTP does not. The service manager has been told by then. The client that is waited for
//! is that of the `turn` crate.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Arc;

use interop::{
    Appliance, LOOPBACK, PASSWORD, PATIENCE, PUBLIC_USER, free_address, fresh_folder, turn_crate, wait_for,
    write_private,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use webrtc_util::Conn as _;

#[tokio::test(flavor = "multi_thread")]
async fn by_turn_over_tls_and_not_by_http() {
    let folder = fresh_folder();
    let manager = UnixDatagram::bind(folder.join("notify")).expect("a socket in a folder of ours");
    manager.set_read_timeout(Some(PATIENCE)).expect("an open socket");
    let mut appliance = serve(&folder);
    let trusted = ClientConfig::builder().with_root_certificates(roots(&folder)).with_no_client_auth();
    let trusted = Arc::new(trusted);
    assert!(page(&trusted, appliance.web).starts_with("HTTP/1.1 200 "));
    let first = turn_crate::client(appliance.web, PUBLIC_USER, PASSWORD).await;
    let relayed = first.allocate().await.expect("an allocation");
    appliance.wait_for_metric("ginnel_relay_allocations", 1.0);
    appliance.terminate();
    // 60 s of draining, 10 s for the rest.
    while told(&manager) != "STOPPING=1\nEXTEND_TIMEOUT_USEC=70000000" {}
    wait_for("it to be no longer ready", PATIENCE, || !appliance.is_ready());

    let mut back = connect(&trusted, appliance.web);
    back.write_all(BINDING).expect("an open stream");
    let mut head = [0; 20];
    back.read_exact(&mut head).expect("an answer");
    assert_eq!(&head[..2], &[1, 1], "a Binding success");
    assert_eq!(head[4..], BINDING[4..]);
    assert_eq!(page(&trusted, appliance.web), "");

    relayed.close().await.expect("closed");
    first.close().await.expect("closed");
    assert_eq!(appliance.ended(), 0);
}

fn serve(folder: &Path) -> Appliance {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a name");
    write_private(&folder.join("cert.pem"), &made.cert.pem());
    write_private(&folder.join("key.pem"), &made.signing_key.serialize_pem());
    write_private(&folder.join("password"), PASSWORD);
    let (web, local, admin) = (free_address(LOOPBACK), free_address(LOOPBACK), free_address(LOOPBACK));
    let configuration = format!(
        "[listen]\nturn = []\nturns = []\nweb = [\"{web}\"]\nlocal = [\"{local}\"]\nadmin = \"{admin}\"\n\
         [server]\nworkers = 2\ndrain_s = 60\n\
         [tls]\nmode = \"files\"\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n\
         [relay]\nports = \"61000-65535\"\n\
         user = [{{ name = \"{PUBLIC_USER}\", password_file = \"password\", peers = \"public\" }}]\n"
    );
    let launcher = vec!["env".to_owned(), format!("NOTIFY_SOCKET={}", folder.join("notify").display())];
    Appliance::start_under(launcher, folder.to_owned(), &configuration, [web, web, web, local, admin])
}

fn roots(folder: &Path) -> RootCertStore {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let pem = fs::read(folder.join("cert.pem")).expect("our own file");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&pem).expect("a certificate")).expect("a certificate");
    roots
}

fn connect(trusted: &Arc<ClientConfig>, web: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TcpStream::connect(web).expect("somebody who listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("an open stream");
    StreamOwned::new(ClientConnection::new(Arc::clone(trusted), name).expect("a client"), stream)
}

/// What is answered to a request; nothing where the connection is closed.
fn page(trusted: &Arc<ClientConfig>, web: SocketAddr) -> String {
    let mut stream = connect(trusted, web);
    let asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    asked.expect("a handshake");
    let mut page = Vec::new();
    // It is closed without a word of TLS where nobody answers.
    let _ = stream.read_to_end(&mut page);
    String::from_utf8_lossy(&page).into_owned()
}

fn told(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = manager.recv(&mut buffer).expect("word in time");
    String::from_utf8_lossy(&buffer[..length]).into_owned()
}

const BINDING: &[u8] = b"\x00\x01\x00\x00\x21\x12\xa4\x42twelve bytes";
