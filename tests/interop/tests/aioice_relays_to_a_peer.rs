//! aioice, an ICE library for Python, allocates over UDP, binds channels and exchanges data.

use std::net::IpAddr;
use std::path::Path;

use interop::{Appliance, PASSWORD, PUBLIC_USER, echo, limited, python};

#[test]
fn over_ipv4() {
    let ip: IpAddr = "127.0.0.1".parse().unwrap();
    let appliance = Appliance::start(ip);
    let peer = echo(ip);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = limited(python())
        .arg(here.join("python/aioice_echo.py"))
        .args([appliance.turn.to_string(), peer.to_string(), PUBLIC_USER.into(), PASSWORD.into()])
        .output()
        .expect("python3");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("20 of 20"), "{said}\n{}", appliance.log());
}
