//! The bare forwarder: one receive, one send, nothing else. What it costs is the kernel's price of a packet.
//!
//! Deliberately without batching or checks: it is the yardstick, not a contestant.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::Duration;

/// Forwards between the clients whose ports stand next to each other, until nothing came for a while.
///
/// # Errors
/// What the operating system said.
pub(crate) fn run(port: u16, client_ports: &[u16]) -> Result<(), String> {
    let mut partners = vec![0u16; 1 << 16];
    for pair in client_ports.chunks_exact(2) {
        partners[usize::from(pair[0])] = pair[1];
        partners[usize::from(pair[1])] = pair[0];
    }
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).map_err(|e| format!("port {port}: {e}"))?;
    socket.set_read_timeout(Some(IDLE_MAX)).map_err(|e| format!("read timeout: {e}"))?;
    let mut buffer = [0u8; 2048];
    loop {
        let (length, from) = match socket.recv_from(&mut buffer) {
            Ok(received) => received,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(()),
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => continue,
            Err(e) => return Err(format!("receive: {e}")),
        };
        let partner = SocketAddrV4::new(Ipv4Addr::LOCALHOST, partners[usize::from(from.port())]);
        // A full buffer drops the packet, as it would anywhere; the driver counts what arrives.
        let _ = socket.send_to(&buffer[..length], partner);
    }
}

/// After this the run is over, however it ended.
const IDLE_MAX: Duration = Duration::from_secs(10);
