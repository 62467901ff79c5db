//! The error queue of a UDP socket: what ICMP said about datagrams that left it. `ip(7)`, `ipv6(7)`.

use std::io;
use std::mem::zeroed;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use socket2::{SockAddr, SockAddrStorage};
use turn_core::IcmpError;

/// Asks the kernel to keep what ICMP says about this socket's datagrams.
pub(crate) fn report_errors(socket: &impl AsRawFd, ipv6: bool) -> io::Result<()> {
    let (level, option) =
        if ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) } else { (libc::IPPROTO_IP, libc::IP_RECVERR) };
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open for the duration of the borrow, and the pointer and length describe one
    // `c_int` that lives on this stack frame.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(&on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Takes the oldest error out of the queue: where the datagram was going, and what ICMP said; the latter is
/// `None` for errors of this machine's own. [`io::ErrorKind::WouldBlock`] where the queue is empty.
pub(crate) fn next_error(socket: &impl AsRawFd) -> io::Result<(SocketAddr, Option<IcmpError>)> {
    let mut control = Control([0; CONTROL_BYTES]);
    let mut name = SockAddrStorage::zeroed();
    // SAFETY: `msghdr` is plain data for which zero bytes are a value: no name, no buffers.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_name = std::ptr::from_mut(&mut name).cast();
    message.msg_namelen = name.size_of();
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES as _;
    let (descriptor, flags) = (socket.as_raw_fd(), libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT);
    // SAFETY: the descriptor is open for the duration of the borrow; name and control are buffers of the
    // lengths told, alive until after the call; there are no buffers for data, which the kernel then cuts.
    let received = unsafe { libc::recvmsg(descriptor, &raw mut message, flags) };
    if received < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel wrote an address of `msg_namelen` bytes into the storage.
    let peer = unsafe { SockAddr::new(name, message.msg_namelen) };
    let peer = peer.as_socket().ok_or(io::ErrorKind::InvalidData)?;
    Ok((peer, error_in(&message)))
}

/// What the control messages say.
fn error_in(message: &libc::msghdr) -> Option<IcmpError> {
    // SAFETY: `message` was filled by `recvmsg`, so its control buffer holds whole control messages within
    // `msg_controllen`, which these functions walk.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !next.is_null() {
        // SAFETY: not null, so it points at a header within the control buffer, which is aligned for it.
        let header = unsafe { *next };
        let is_error = matches!(
            (header.cmsg_level, header.cmsg_type),
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR)
        );
        if is_error {
            // SAFETY: the data of a message of this type begins with a `sock_extended_err`; it need not be
            // aligned for it, so it is copied.
            let error = unsafe { libc::CMSG_DATA(next).cast::<libc::sock_extended_err>().read_unaligned() };
            return read(&error);
        }
        // SAFETY: as for CMSG_FIRSTHDR; `next` is a header of this buffer.
        next = unsafe { libc::CMSG_NXTHDR(message, next) };
    }
    None
}

fn read(error: &libc::sock_extended_err) -> Option<IcmpError> {
    let too_big = match error.ee_origin {
        libc::SO_EE_ORIGIN_ICMP => error.ee_type == 3 && error.ee_code == 4,
        libc::SO_EE_ORIGIN_ICMP6 => error.ee_type == 2,
        _ => return None,
    };
    let mtu = if too_big { error.ee_info } else { 0 };
    Some(IcmpError { kind: error.ee_type, code: error.ee_code, mtu })
}

/// Room for control messages, aligned as their headers are.
#[repr(align(8))]
struct Control([u8; CONTROL_BYTES]);

/// An extended error with the address of who sent it, and to spare.
const CONTROL_BYTES: usize = 256;
