//! A client that trusts the certificate of the files, and no other, gets the page over TLS 1.2 and 1.3.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion};

use crate::common::{Folder, PATIENCE, Serving, ginnel};

#[test]
fn over_tls_1_2_and_1_3() {
    let folder = Folder::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    folder.write("cert.pem", &made.cert.pem(), 0o644);
    folder.write("key.pem", &made.signing_key.serialize_pem(), 0o600);
    let content = "[tls]\nmode = \"files\"\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n";
    let file = folder.write("ginnel.toml", content, 0o644);
    let mut serving = Serving::start(&mut ginnel(&["serve", "--config", file.to_str().unwrap()]));
    serving.until_told("Open ");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    for version in [&TLS12, &TLS13] {
        let page = get(serving.port("listen.web"), roots.clone(), version);
        assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    }
}

fn get(port: u16, roots: RootCertStore, version: &'static SupportedProtocolVersion) -> String {
    let config = ClientConfig::builder_with_protocol_versions(&[version])
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // The server may end the stream without a close_notify; what came before it is what counts.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}
