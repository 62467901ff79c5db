//! The listening sockets that the service manager has opened (systemd.socket(5), sd_listen_fds(3)). Their
//! names say which key of `[listen]` each stands for.
//!
//! What the manager has not opened we open ourselves, for the same addresses.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use relay_plane::Inherited;

/// What there is. None by default.
#[derive(Default)]
pub struct Sockets {
    streams: Vec<TcpListener>,
    pub(crate) datagrams: Vec<UdpSocket>,
    /// The name and the address of each.
    named: Vec<(String, SocketAddr)>,
}

/// A socket of the service manager is of no use.
#[derive(Debug, thiserror::Error)]
#[error("a socket that the service manager passes cannot be used ($LISTEN_FDS): {0}")]
pub struct SocketsError(#[from] io::Error);

impl Sockets {
    /// Those of this process (`$LISTEN_PID`, `$LISTEN_FDS`, `$LISTEN_FDNAMES`); the second time there are
    /// none.
    ///
    /// # Errors
    /// One is no listener of TCP or UDP, or is for IPv4 and IPv6 at once.
    pub fn of_process() -> Result<Self, SocketsError> {
        let variable = |name| std::env::var(name).ok();
        // The variables are inherited; they may mean a parent.
        let is_for_us = variable("LISTEN_PID").is_some_and(|id| id == std::process::id().to_string());
        let count = variable("LISTEN_FDS").and_then(|count| count.parse().ok()).filter(|_| is_for_us);
        let names = variable("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut sockets = Self::default();
        for inherited in Inherited::of_process(count.unwrap_or(0))? {
            let name = names.next().unwrap_or_default().to_owned();
            sockets.named.push((name, inherited.address()?));
            match inherited {
                Inherited::Stream(listener) => sockets.streams.push(listener),
                Inherited::Datagram(socket) => sockets.datagrams.push(socket),
            }
        }
        Ok(sockets)
    }

    /// Takes the listeners of these addresses.
    pub(crate) fn take_streams(&mut self, addresses: &[SocketAddr]) -> Vec<TcpListener> {
        let is_wanted = |it: &mut TcpListener| it.local_addr().is_ok_and(|it| addresses.contains(&it));
        self.streams.extract_if(.., is_wanted).collect()
    }

    /// The name and the address of each.
    pub(crate) fn named(&self) -> &[(String, SocketAddr)] {
        &self.named
    }
}
