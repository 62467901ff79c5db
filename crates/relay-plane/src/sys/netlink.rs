//! Word of addresses that this machine gets and loses, rtnetlink(7). What it says is not read: that it says
//! something is enough.

use std::io;
use std::mem::zeroed;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// A socket that becomes readable when an address of either family comes or goes.
///
/// # Errors
/// The system does not give one.
pub(crate) fn address_changes() -> io::Result<Socket> {
    let protocol = Protocol::from(libc::NETLINK_ROUTE);
    let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    // SAFETY: `sockaddr_nl` is plain data for which zero bytes are a value: no process, no group.
    let mut address: libc::sockaddr_nl = unsafe { zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address.nl_groups = (libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR) as u32;
    let init = |storage: *mut socket2::SockAddrStorage, length: *mut libc::socklen_t| {
        // SAFETY: the storage is larger than any socket address and aligned for it, and both pointers are
        // valid for the duration of the call.
        unsafe {
            storage.cast::<libc::sockaddr_nl>().write(address);
            length.write(size_of::<libc::sockaddr_nl>() as libc::socklen_t);
        }
        Ok(())
    };
    // SAFETY: `init` has written an address of the length that it tells.
    let ((), address) = unsafe { SockAddr::try_init(init) }?;
    socket.bind(&address)?;
    Ok(socket)
}
