//! Sockets that are open and bound when this process starts: the service manager's (systemd.socket(5)).
//!
//! What they are for is told by their names, which are the owner's to know.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use socket2::{Socket, Type};

use crate::sys;

/// One of them.
pub enum Inherited {
    /// It listens for connections.
    Stream(TcpListener),
    /// It receives datagrams.
    Datagram(UdpSocket),
}

impl Inherited {
    /// Takes those of this process, the first `count` of its descriptors behind standard error; the second
    /// time there are none.
    ///
    /// # Errors
    /// One is none of ours: not of the Internet, not listening, of both families at once.
    pub fn of_process(count: usize) -> io::Result<Vec<Self>> {
        sys::descriptors(count)?.into_iter().map(Self::new).collect()
    }

    fn new(descriptor: OwnedFd) -> io::Result<Self> {
        let refuse = |why| Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        let socket = Socket::from(descriptor);
        let Some(address) = socket.local_addr()?.as_socket() else {
            return refuse("it is no socket of IPv4 or IPv6");
        };
        // Its IPv4 clients would have IPv6 addresses.
        if address.is_ipv6() && address.ip().is_unspecified() && !socket.only_v6()? {
            return refuse(
                "it is for IPv4 and IPv6 at once; set BindIPv6Only=ipv6-only and have one for each",
            );
        }
        socket.set_nonblocking(true)?;
        match socket.r#type()? {
            Type::STREAM if socket.is_listener()? => Ok(Self::Stream(socket.into())),
            Type::STREAM => refuse("it is a connection and no listener; set Accept=no"),
            Type::DGRAM => Ok(Self::Datagram(socket.into())),
            _ => refuse("it is neither TCP nor UDP"),
        }
    }

    /// What it is bound to.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Stream(socket) => socket.local_addr(),
            Self::Datagram(socket) => socket.local_addr(),
        }
    }
}
